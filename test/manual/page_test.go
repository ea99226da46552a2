package manual

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAPageIsReadAsStepsInItsOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	const fence = "```"
	text := `# Title

# not a command: no block

` + fence + `console
# lvcreate -n thinpool \
    docker
  Logical volume created.
# cat >file <<'END'
# inside
END
` + fence + `

## Settings

1. Now ` + "`daemon.json`" + `:

   ` + fence + `json
   {
     "a": 1
   }
   ` + fence + `

<!-- not run: it would end the machine -->
` + fence + `console
# reboot
` + fence + `

` + fence + `
output
` + fence + `

` + fence + `sh
what is this
` + fence + `
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Page{
		Steps: []Step{
			{Line: 6, Command: "lvcreate -n thinpool \\\n    docker", Output: []string{"  Logical volume created."}},
			{Line: 9, Command: "cat >file <<'END'\n# inside\nEND"},
			{Line: 18, Config: "{\n  \"a\": 1\n}", Section: "Settings"},
		},
		Unread: []int{33},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestABlockWithoutEndIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte("```console\n# true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil {
		t.Error("it is read")
	}
}
