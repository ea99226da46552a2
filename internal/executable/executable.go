// Package executable finds the programs of other packages on the host. Running
// them, and what their words mean, is the business of those who know them.
package executable

import (
	"os/exec"
	"path/filepath"
)

// Find returns a program's path. It also looks where administration programs
// are: service managers and container runtimes often leave these directories
// out of PATH.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}
