package takeover

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// commandLines are where distributions and operators give dockerd flags and
// variables, seen from /.
var commandLines = []string{
	"lib/systemd/system/docker.service", "lib/systemd/system/docker.service.d/*.conf",
	"etc/systemd/system/docker.service", "etc/systemd/system/docker.service.d/*.conf",
	"etc/default/docker", "etc/default/docker-storage", "etc/sysconfig/docker", "etc/sysconfig/docker-storage",
}

// tellingFlags are those that say the same as what daemon.json is going to say,
// or say where Docker is.
var tellingFlags = regexp.MustCompile(`(?:^|[\s"'=])(--(?:storage-driver|storage-opt|experimental|data-root|graph|config-file|userns-remap)|DOCKER_DRIVER)\b`)

// examineCommandLine says what dockerd gets beside daemon.json. With a flag in
// both places it doesn't start.
func (t *Takeover) examineCommandLine(s *survey) {
	for _, pattern := range commandLines {
		files, err := filepath.Glob(filepath.Join(t.top, pattern))
		if err != nil {
			continue
		}
		for _, file := range files {
			t.noteFlags(s, file, flagsIn(file))
		}
	}
}

func (t *Takeover) noteFlags(s *survey, file string, flags []string) {
	for _, flag := range flags {
		switch flag {
		case "--storage-driver", "--storage-opt", "--experimental":
			s.note("%s has %s: take it out there before docker starts; it doesn't start with that in %s too", file, flag, t.host.ConfigFile)
		case "DOCKER_DRIVER":
			s.note("%s has %s: take it out there before docker starts; it goes before what %s says", file, flag, t.host.ConfigFile)
		case "--userns-remap":
			s.note("%s has %s: see that %s is where docker has its data now (docker info shows it as Docker Root Dir), else name it with --data-root", file, flag, t.root)
		case "--config-file":
			s.note("%s has %s: see that it is %s, else name it with --config-file here too", file, flag, t.host.ConfigFile)
		default:
			s.note("%s has %s: see that it is %s, else name it with --data-root", file, flag, t.host.DataRoot)
		}
	}
}

// flagsIn finds the flags in a unit or a file of variables, leaving out comments.
func flagsIn(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil // whoever starts dockerd reads it, or nobody does
	}
	found := map[string]bool{}
	for _, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		for _, m := range tellingFlags.FindAllStringSubmatch(line, -1) {
			found[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
