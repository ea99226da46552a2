package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeDocker has four containers, and takes what docker takes as an image's
// name. docker ps lists a link to the first before its name.
const fakeDocker = `#!/bin/bash
names=([0]=db [1]=Web [2]=web [3]=odd__.name_)
case "$1 $*" in
"info "*) echo overlay2 ;;
"ps "*.Names*) for n in 0 1 2 3; do echo "${n}23456789abcdef ${names[n]}"; done | sed 's: db: web/link,db:' ;;
"ps "*) for n in 0 1 2 3; do echo "${n}23456789abcdef"; done ;;
"inspect "*.Name*) echo "/${names[${4:0:1}]}" ;;
"inspect "*.State*) echo exited ;;
"inspect "*) echo "[]" ;;
"commit "*)
  [[ $3 =~ ^moved/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$ ]] || { echo "invalid reference format: $3" >&2; exit 1; }
  echo "$3" >>"$0.images" ;;
"images "*) sed 's/$/ latest sha256:0/' "$0.images" ;;
"save "*) echo tar >"$3" ;;
*) echo "unexpected: $*" >&2; exit 1 ;;
esac
`

func TestMoveImagesCopesWithWhatContainersAreCalled(t *testing.T) {
	bin, dir := t.TempDir(), filepath.Join(t.TempDir(), "moved")
	docker := filepath.Join(bin, "docker")
	if err := os.WriteFile(docker, []byte(fakeDocker), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "../../contrib/move-images", "save", dir)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	images, err := os.ReadFile(docker + ".images")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"moved/db", "moved/web", "moved/web-223456789abc", "moved/odd-name-323456789abc"}
	if got := strings.Fields(string(images)); !slices.Equal(got, want) {
		t.Errorf("images %q, want %q", got, want)
	}
	for _, name := range []string{"db", "Web", "web", "odd__.name_"} {
		if _, err := os.Stat(filepath.Join(dir, "containers", name+".json")); err != nil {
			t.Error(err)
		}
	}
}
