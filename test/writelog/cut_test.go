package writelog

import (
	"bytes"
	"testing"
)

func TestCutsKeepWhatIsDurableAndLoseOnlyWhatIsNot(t *testing.T) {
	l, err := Read(bytes.NewReader(Make(
		Request{At: 0, Data: Block("a")},
		Request{Flags: Flush},
		Request{At: 1, Data: Block("b")},
		Request{Flags: FUA, At: 2, Data: Block("c")},
		Request{At: 1, Data: Block("d")},
		Request{Flags: Flush, At: 3, Data: Block("e")},
	)))
	if err != nil {
		t.Fatal(err)
	}
	left := map[Moment]map[string]bool{AtFlush: {}, BeforeFlush: {}, Lossy: {}}
	for _, c := range l.Cuts() {
		if c.Entry != 5 {
			continue
		}
		for seed := range uint64(50) {
			m := NewMemory(4)
			if err := l.ApplyAll(m, 0, c.Certain()); err != nil {
				t.Fatal(err)
			}
			if err := l.Finish(m, c, seed); err != nil {
				t.Fatal(err)
			}
			left[c.Kind][m.String()] = true
		}
	}
	for kind, want := range map[Moment][]string{
		AtFlush: {"adce"}, BeforeFlush: {"adc."}, Lossy: {"a.c.", "abc.", "adc."},
	} {
		if len(left[kind]) != len(want) {
			t.Errorf("%s: %v, want %v", kind, left[kind], want)
		}
		for _, disk := range want {
			if !left[kind][disk] {
				t.Errorf("%s never left %s", kind, disk)
			}
		}
	}
}
