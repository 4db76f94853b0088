package gatewayrun

import (
	"os/exec"
	"syscall"
)

// endWithThread has the kernel end the gateway with the thread that starts it.
func endWithThread(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
