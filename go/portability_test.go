package fastway

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// The tests are vetted as well, since they run on developers' machines. The first time this compiles the standard library.
func TestThePackagesAndTheirTestsCompileOnOtherSystems(t *testing.T) {
	for _, system := range []string{"darwin", "linux", "windows"} {
		if system == runtime.GOOS {
			continue
		}
		vet := exec.Command("go", "vet", "./...")
		vet.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		if said, err := vet.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", system, err, said)
		}
	}
}
