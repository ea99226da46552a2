package writelog

import (
	"bytes"
	"testing"
)

func TestALogIsReplayedAsItWasWritten(t *testing.T) {
	l, err := Read(bytes.NewReader(Make(
		Request{At: 1, Data: Block("a")},
		Request{Flags: Mark, Mark: "b0"},
		Request{Flags: Flush},
		Request{Flags: Discard, At: 1},
		Request{Flags: FUA, At: 3, Data: Block("c")},
	)))
	if err != nil {
		t.Fatal(err)
	}
	m := NewMemory(4)
	for n, want := range []string{".a..", ".a..", ".a..", ".0..", ".0.c"} {
		if err := l.Apply(m, l.Entries[n]); err != nil {
			t.Fatal(err)
		}
		if m.String() != want {
			t.Errorf("after entry %d %s, want %s", n, m, want)
		}
	}
	if got := l.Entries[1].Mark; got != "b0" {
		t.Errorf("the mark was read as %q", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(Make(Request{At: 1, Data: Block("a")}, Request{Flags: Mark, Mark: "e1"}, Request{Flags: Flush}))
	f.Add([]byte("no log"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		for n, e := range l.Entries {
			if e.At < 0 || e.Length < 0 || e.data <= 0 {
				t.Errorf("entry %d is %+v", n, e)
			}
		}
	})
}
