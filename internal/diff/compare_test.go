package diff

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestFoldersAboveChangesAreListed(t *testing.T) {
	got := withFolders([]Change{
		{"/a/b/c", Added}, {"/a/b/d", Deleted}, {"/a-b", Added},
		{"/new", Added}, {"/new/x", Added}, {"/m", Modified}, {"/m/x", Deleted}, {"/top", Deleted},
	})
	want := []Change{
		{"/a", Modified}, {"/a-b", Added}, {"/a/b", Modified}, {"/a/b/c", Added}, {"/a/b/d", Deleted},
		{"/m", Modified}, {"/m/x", Deleted}, {"/new", Added}, {"/new/x", Added}, {"/top", Deleted},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTimesAreComparedAsFarAsBothSidesHaveThem(t *testing.T) {
	at := func(sec int64, nsec uint32) unix.StatxTimestamp { return unix.StatxTimestamp{Sec: sec, Nsec: nsec} }
	tests := []struct {
		a, b unix.StatxTimestamp
		want bool
	}{
		{at(1, 5), at(1, 5), true},
		{at(1, 5), at(1, 0), true},
		{at(1, 0), at(1, 5), true},
		{at(1, 5), at(1, 6), false},
		{at(1, 0), at(2, 0), false},
		{at(1, 5), at(2, 5), false},
	}
	for _, test := range tests {
		if got := sameTime(test.a, test.b); got != test.want {
			t.Errorf("%v and %v: got %v", test.a, test.b, got)
		}
	}
}

func TestCapabilitiesLoseTheirNamespace(t *testing.T) {
	bound := "\x01\x00\x00\x03" + netRaw[4:] + "\xe8\x03\x00\x00"
	for value, want := range map[string]string{bound: netRaw, netRaw: netRaw, "\x01": "\x01", "": ""} {
		if got := string(portableCapability([]byte(value))); got != want {
			t.Errorf("%x: got %x, want %x", value, got, want)
		}
	}
}

func TestPathsAreCutAtSlashes(t *testing.T) {
	for _, test := range []struct{ path, piece, rest string }{
		{"a/b", "a/b", ""},
		{"aaaa/bbbb", "aaaa", "bbbb"},
		{"aaaaa/bbbb", "aaaaa", "bbbb"},
		{"aaaaaaaaa", "aaaaaaaaa", ""},
		{"a/b/cc/d", "a/b", "cc/d"},
	} {
		if piece, rest := cutPath(test.path, 5); piece != test.piece || rest != test.rest {
			t.Errorf("%s: got %q and %q", test.path, piece, rest)
		}
	}
}
