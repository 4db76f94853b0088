//go:build !race

package fastway

const raceEnabled = false
