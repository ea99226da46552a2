package dm

import (
	"strings"
	"testing"
)

func TestNamesThatWouldBeRewrittenAreRefused(t *testing.T) {
	for _, id := range []ID{
		{Name: "docker-254:0-1234-0123456789abcdef-init"},
		{Name: strings.Repeat("n", 127), UUID: strings.Repeat("u", 128)},
		{Name: "#+-.:=@_"},
	} {
		if err := id.Validate(); err != nil {
			t.Errorf("%v: %v", id, err)
		}
	}
	for _, id := range []ID{
		{}, {Name: "."}, {Name: ".."}, {Name: "a/b"}, {Name: "a b"}, {Name: `a\x20b`}, {Name: "ä"}, {Name: "a\n"},
		{Name: strings.Repeat("n", 128)},
		{Name: "n", UUID: strings.Repeat("u", 129)},
		{Name: "n", UUID: "a/b"},
		{UUID: "u"},
	} {
		if id.Validate() == nil {
			t.Errorf("%v is accepted", id)
		}
	}
}

func TestNameStandsForDeviceInErrors(t *testing.T) {
	for id, want := range map[ID]string{
		{Name: "n", UUID: "u"}: "n",
		{UUID: "u"}:            "u",
		{}:                     "",
	} {
		if got := id.String(); got != want {
			t.Errorf("%#v: got %q", id, got)
		}
	}
}
