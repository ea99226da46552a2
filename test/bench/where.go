package main

import (
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func here(commit string) Where {
	var uts unix.Utsname
	_ = unix.Uname(&uts) // leaves it empty
	return Where{
		Kernel: unix.ByteSliceToString(uts.Release[:]),
		CPU:    field("/proc/cpuinfo", "model name"),
		CPUs:   runtime.NumCPU(),
		Memory: field("/proc/meminfo", "MemTotal"),
		Commit: commit,
		Date:   time.Now().UTC().Format(time.DateOnly),
	}
}

// field is the value of the first line of that name.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
