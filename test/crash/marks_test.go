package crash

import (
	"bytes"
	"testing"

	"github.com/dmthin/dmthin/test/writelog"
)

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
