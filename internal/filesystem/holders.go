package filesystem

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// Holder is a process whose mount namespace still has a device mounted.
type Holder struct {
	PID        int
	Command    string // as in ps -o comm
	MountPoint string // as that process sees it
}

func (h Holder) String() string {
	return fmt.Sprintf("%s (pid %d) at %s", h.Command, h.PID, h.MountPoint)
}

// Holders names one process, the one with the lowest number, for each mount
// namespace that has the device mounted, this process's included: a mount that
// leaked into another namespace keeps the device busy, and its name is what the
// operator needs. It sees the processes of its own PID namespace only.
func Holders(major, minor uint32) ([]Holder, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	seen := map[string]bool{} // namespaces
	var holders []Holder
	for _, pid := range pids {
		ns, err := os.Readlink(procPath(pid, "ns/mnt"))
		if err != nil || seen[ns] {
			continue // a kernel thread, gone meanwhile, or looked at already
		}
		seen[ns] = true
		if dir := mountedAt(pid, major, minor); dir != "" {
			comm, _ := os.ReadFile(procPath(pid, "comm"))
			holders = append(holders, Holder{PID: pid, Command: strings.TrimSpace(string(comm)), MountPoint: dir})
		}
	}
	return holders, nil
}

func procPath(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

// mountedAt returns the first mount point of the device in a process's
// namespace, or "".
func mountedAt(pid int, major, minor uint32) string {
	f, err := os.Open(procPath(pid, "mountinfo"))
	if err != nil {
		return ""
	}
	defer f.Close()
	infos, err := mountinfo.GetMountsFromReader(f, func(m *mountinfo.Info) (skip, stop bool) {
		ours := m.Major == int(major) && m.Minor == int(minor)
		return !ours, ours
	})
	if err != nil || len(infos) == 0 {
		return ""
	}
	return infos[0].Mountpoint
}
