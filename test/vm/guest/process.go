package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// processes returns the name of every program that runs, by process ID. Kernel
// threads, which have no executable, are left out.
func processes() map[int]string {
	found := map[int]string{}
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well formed
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if _, err := os.Readlink(filepath.Join(dir, "exe")); err != nil {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(dir, "comm"))
		found[pid] = strings.TrimSpace(string(name))
	}
	return found
}

// killNew kills what was not running before, so that one job's daemons never
// meet the next job, and returns their names.
func killNew(before map[int]string) []string {
	var killed []string
	for pid, name := range processes() {
		// udevd forks and ends workers as it likes.
		if _, old := before[pid]; old || name == "systemd-udevd" || strings.HasPrefix(name, "(udev-worker") {
			continue
		}
		if unix.Kill(pid, unix.SIGKILL) == nil {
			killed = append(killed, name)
		}
	}
	return killed
}
