package crash

import (
	"bytes"
	"testing"

	"github.com/dmthin/dmthin/test/writelog"
)

func TestCutsKeepWhatIsDurableAndLoseOnlyWhatIsNot(t *testing.T) {
	l, err := readLog(bytes.NewReader(writelog.Make(
		writelog.Request{At: 0, Data: writelog.Block("a")},
		writelog.Request{Flags: writelog.Flush},
		writelog.Request{At: 1, Data: writelog.Block("b")},
		writelog.Request{Flags: writelog.FUA, At: 2, Data: writelog.Block("c")},
		writelog.Request{At: 1, Data: writelog.Block("d")},
		writelog.Request{Flags: writelog.Flush, At: 3, Data: writelog.Block("e")},
	)))
	if err != nil {
		t.Fatal(err)
	}
	left := map[moment]map[string]bool{atFlush: {}, beforeFlush: {}, lossy: {}}
	for _, c := range l.cuts() {
		if c.entry != 5 {
			continue
		}
		for seed := range uint64(50) {
			m := writelog.NewMemory(4)
			r := replay{log: l, base: m}
			if err := r.advance(c.certain()); err != nil {
				t.Fatal(err)
			}
			if err := l.finish(m, c, seed); err != nil {
				t.Fatal(err)
			}
			left[c.kind][m.String()] = true
		}
	}
	for kind, want := range map[moment][]string{
		atFlush: {"adce"}, beforeFlush: {"adc."}, lossy: {"a.c.", "abc.", "adc."},
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

func TestMarksTellHowFarAnOperationWas(t *testing.T) {
	l, err := readLog(bytes.NewReader(writelog.Make(
		writelog.Request{Flags: writelog.Mark, Mark: "b0"},
		writelog.Request{At: 1, Data: writelog.Block("a")},
		writelog.Request{Flags: writelog.Mark, Mark: "e0"},
	)))
	if err != nil {
		t.Fatal(err)
	}
	for entries, want := range []progress{notBegun, underWay, underWay, acknowledged} {
		if got := l.progressAt(entries, 1); got[0] != want {
			t.Errorf("after %d entries it is %v, want %v", entries, got[0], want)
		}
	}
}
