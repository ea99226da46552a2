package plugin

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seeds gives each fuzz test the bodies of the protocol and what breaks them.
func seeds(f *testing.F) {
	f.Helper()
	for _, tc := range protocol {
		f.Add([]byte(tc.body))
		if len(tc.body) > 2 {
			f.Add([]byte(tc.body[:len(tc.body)/2]))
			f.Add([]byte(tc.body + tc.body))
		}
	}
	for _, body := range []string{"null", "[]", `""`, "{", `{"ID":"\u0000"}`, `{"ID":"\ud800"}`, `{"id":"a"}`, "\xef\xbb\xbf{}"} {
		f.Add([]byte(body))
	}
}

// safeID is the rule of checkID, told the other way round.
func safeID(id string) bool {
	return id != "" && len(id) <= MaxIDLength && filepath.Base("/"+id) == id && id != "." && id != ".." &&
		!strings.ContainsAny(id, "\x00\n\r\ufffd")
}

func FuzzDecodeLayer(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := decodeLayer(raw)
		if err != nil {
			if diff := cmp.Diff(layerBody{}, got); diff != "" {
				t.Fatalf("an error and a value:\n%s", diff)
			}
			return
		}
		if !safeID(got.ID) || got.Parent != "" && !safeID(got.Parent) {
			t.Fatalf("accepted %+v", got)
		}
		again := reencode(t, got, decodeLayer)
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("changed on the way (-first +second):\n%s", diff)
		}
	})
}

func FuzzDecodeInit(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := decodeInit(raw)
		if err != nil {
			return
		}
		if !filepath.IsAbs(got.Home) {
			t.Fatalf("accepted %+v", got)
		}
		again := reencode(t, initBody{got.Home, got.Options, got.UIDMaps, got.GIDMaps}, decodeInit)
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("changed on the way (-first +second):\n%s", diff)
		}
	})
}

func FuzzDecodeEmpty(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var object map[string]any
		valid := json.Unmarshal(raw, &object) == nil && object != nil
		if err := decodeEmpty(raw); (err == nil) != valid {
			t.Fatalf("%q: %v, but is a JSON object: %v", raw, err, valid)
		}
	})
}

func FuzzParseApplyQuery(f *testing.F) {
	for _, q := range []string{"id=a&parent=b", "id=a&parent=", "parent=b&id=a&x=y", "id=a%2f..&parent=+", "id==&parent==", "&&id=a", "id=a&id=b"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		id, parent, err := parseApplyQuery(query)
		if err != nil {
			return
		}
		if !safeID(id) || parent != "" && !safeID(parent) {
			t.Fatalf("%q: accepted id %q, parent %q", query, id, parent)
		}
		again, parentAgain, err := parseApplyQuery("id=" + id + "&parent=" + parent)
		if err != nil || again != id || parentAgain != parent {
			t.Fatalf("%q: id %q, parent %q came back as %q, %q, %v", query, id, parent, again, parentAgain, err)
		}
	})
}

func reencode[B, T any](t *testing.T, v B, decode func([]byte) (T, error)) T {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	again, err := decode(raw)
	if err != nil {
		t.Fatalf("%s was accepted once and is refused now: %v", raw, err)
	}
	return again
}
