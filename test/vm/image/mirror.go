package image

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mirror returns the address of the Debian mirror in the apt sources below
// root, which is / except in tests.
func Mirror(root string) (string, error) {
	dir := filepath.Join(root, "etc/apt")
	files := []string{filepath.Join(dir, "sources.list.d/debian.sources"), filepath.Join(dir, "sources.list")}
	for _, pattern := range []string{"*.sources", "*.list"} {
		more, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", pattern)) // the pattern is well formed
		files = append(files, more...)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		parse := parseOneLine
		if strings.HasSuffix(path, ".sources") {
			parse = parseDeb822
		}
		if uri := parse(string(text)); uri != "" {
			return uri, nil
		}
	}
	return "", errors.New("no Debian mirror with the component main in /etc/apt/sources.list or sources.list.d: " +
		"add one, or name it in DMTHIN_MIRROR")
}

// parseOneLine reads "deb [options] URI SUITE COMPONENT…" lines.
func parseOneLine(text string) string {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if before, rest, ok := strings.Cut(line, "["); ok {
			_, after, _ := strings.Cut(rest, "]")
			line = before + after
		}
		f := strings.Fields(line)
		if len(f) >= 4 && f[0] == "deb" && usable(f[1:2], f[2:3], f[3:]) {
			return f[1]
		}
	}
	return ""
}

// parseDeb822 reads paragraphs of "Field: value" lines.
func parseDeb822(text string) string {
	fields := map[string][]string{}
	var last string
	scan := bufio.NewScanner(strings.NewReader(text + "\n\n"))
	for scan.Scan() {
		line := scan.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			enabled := !slices.Contains(fields["enabled"], "no")
			if enabled && slices.Contains(fields["types"], "deb") && usable(fields["uris"], fields["suites"], fields["components"]) {
				return fields["uris"][0]
			}
			fields = map[string][]string{}
		case line[0] == ' ' || line[0] == '\t':
			fields[last] = append(fields[last], strings.Fields(line)...)
		default:
			name, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(strings.TrimSpace(name))
			fields[last] = strings.Fields(value)
		}
	}
	return ""
}

// usable tells Debian's main archive from third parties' and from the security
// archive, which lacks the packages that never had an update.
func usable(uris, suites, components []string) bool {
	if len(uris) == 0 || !slices.Contains(components, "main") {
		return false
	}
	debian := []string{"bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "oldstable"}
	return slices.ContainsFunc(suites, func(s string) bool { return slices.Contains(debian, s) })
}
