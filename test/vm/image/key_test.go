package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeyChangesWithTheInputs(t *testing.T) {
	base := Distro{Name: "trixie"}
	if base.key() != (Distro{Name: "trixie", About: "other words"}).key() {
		t.Error("the description changes the key")
	}
	for _, other := range []Distro{{Name: "bookworm"}, {Name: "trixie", packages: []string{"fio"}}} {
		if base.key() == other.key() {
			t.Errorf("%+v has the key of %+v", other, base)
		}
	}
	if !strings.HasPrefix(base.key(), "trixie-") {
		t.Errorf("key %q does not name its release", base.key())
	}
}

func TestKeyIsTheSameForPackagesInAnyOrder(t *testing.T) {
	a, b := Distro{Name: "x", packages: []string{"fio", "jq"}}, Distro{Name: "x", packages: []string{"jq", "fio"}}
	if a.key() != b.key() {
		t.Error("the order of packages changes the key")
	}
}

func TestUnknownReleaseIsRefusedWithTheKnownOnes(t *testing.T) {
	_, err := Lookup("potato")
	if err == nil || !strings.Contains(err.Error(), "trixie, bookworm") {
		t.Errorf("got %v", err)
	}
}

func TestCachedImageIsNotBuiltAgain(t *testing.T) {
	d := Distro{Name: "nosuch"} // building it would fail
	dir := t.TempDir()
	want := filepath.Join(dir, d.key())
	if err := os.Mkdir(want, 0o755); err != nil {
		t.Fatal(err)
	}
	img, err := Cache{Dir: dir, Log: t.Output()}.Get(t.Context(), d)
	if err != nil || img.Dir != want {
		t.Errorf("got %+v, %v", img, err)
	}
}
