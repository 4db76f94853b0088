//go:build !plan9

package session

import (
	"errors"
	"syscall"
)

// windowsConnRefused is what Windows calls it.
const windowsConnRefused = syscall.Errno(10061)

// NobodyListens tells whether a machine is there and the gateway is not.
func NobodyListens(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, windowsConnRefused)
}
