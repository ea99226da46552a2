package image

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMirrorIsFoundInAptSources(t *testing.T) {
	const third = "deb [signed-by=/x.gpg] https://packages.example.com/apt stable main\n"
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"one line", map[string]string{"sources.list": "deb http://mirror.example.org/debian bookworm main contrib\n"}, "http://mirror.example.org/debian"},
		{"options and comments", map[string]string{
			"sources.list": "# deb http://old.example.org/debian bookworm main\n" +
				"deb-src http://src.example.org/debian trixie main\n" +
				"deb [arch=amd64 signed-by=/k.gpg] http://mirror.example.org/debian trixie main # ours\n",
		}, "http://mirror.example.org/debian"},
		{"deb822", map[string]string{
			"sources.list.d/debian.sources": "# a comment\nTypes: deb deb-src\nURIs: http://mirror.example.org/debian\n" +
				"Suites: trixie trixie-updates\nComponents:\n main\n contrib\n",
		}, "http://mirror.example.org/debian"},
		{"disabled paragraph", map[string]string{
			"sources.list.d/debian.sources": "Types: deb\nURIs: http://off.example.org/debian\nSuites: trixie\nComponents: main\nEnabled: no\n\n" +
				"Types: deb\nURIs: http://on.example.org/debian\nSuites: trixie\nComponents: main\n",
		}, "http://on.example.org/debian"},
		{"security archive is no mirror", map[string]string{
			"sources.list": "deb http://security.example.org/debian-security trixie-security main\ndeb http://mirror.example.org/debian trixie main\n",
		}, "http://mirror.example.org/debian"},
		{"other folders' names", map[string]string{
			"sources.list.d/a.list": "deb http://mirror.example.org/debian trixie main\n",
		}, "http://mirror.example.org/debian"},
		{"a third party's archive is no mirror", map[string]string{
			"sources.list.d/a.list":   "deb https://packages.example.com/apt vendor main\n",
			"sources.list.d/z.source": third,
		}, ""},
		{"none", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(root, "etc/apt", name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Mirror(root)
			if (err != nil) != (tt.want == "") || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}
