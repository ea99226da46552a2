package crash

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// logged is a request for a log that a test makes up.
type logged struct {
	flags flags
	at    int64 // sectors
	data  string
	mark  string
}

const testSector = 64

// makeLog writes a log as the kernel would. Data is one sector a request.
func makeLog(requests ...logged) []byte {
	var log bytes.Buffer
	sector := func(fields ...any) {
		var block bytes.Buffer
		for _, f := range fields {
			_ = binary.Write(&block, binary.LittleEndian, f) // to memory: never fails
		}
		log.Write(append(block.Bytes(), make([]byte, testSector-block.Len())...))
	}
	sector(uint64(logMagic), uint64(logVersion), uint64(len(requests)), uint32(testSector))
	for _, r := range requests {
		length := uint64(len(r.data) / testSector)
		if r.flags.has(flagDiscard) {
			length = 1
		}
		sector(uint64(r.at), length, uint64(r.flags), uint64(len(r.mark)), []byte(r.mark))
		log.WriteString(r.data)
	}
	return log.Bytes()
}

// block is a sector full of one letter.
func block(letter string) string { return strings.Repeat(letter, testSector) }

// memory is a small disk.
type memory struct{ data []byte }

func newMemory() *memory { return &memory{bytes.Repeat([]byte("."), 4*testSector)} }

func (m *memory) WriteAt(p []byte, at int64) (int, error) { return copy(m.data[at:], p), nil }

func (m *memory) Zero(at, length int64) error {
	clear(m.data[at : at+length])
	return nil
}

// String is a letter a sector.
func (m *memory) String() string {
	var s strings.Builder
	for at := 0; at < len(m.data); at += testSector {
		letter := m.data[at]
		if letter == 0 {
			letter = '0'
		}
		s.WriteByte(letter)
	}
	return s.String()
}

func TestALogIsReplayedAsItWasWritten(t *testing.T) {
	l, err := readLog(bytes.NewReader(makeLog(
		logged{at: 1, data: block("a")},
		logged{flags: flagMark, mark: "b0"},
		logged{flags: flagFlush},
		logged{flags: flagDiscard, at: 1},
		logged{flags: flagFUA, at: 3, data: block("c")},
	)))
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory()
	r := replay{log: l, base: m}
	for end, want := range []string{"....", ".a..", ".a..", ".a..", ".0..", ".0.c"} {
		if err := r.advance(end); err != nil {
			t.Fatal(err)
		}
		if m.String() != want {
			t.Errorf("after %d entries %s, want %s", end, m, want)
		}
	}
	if got := l.progressAt(2, 1); got[0] != underWay {
		t.Errorf("the mark was read as %v", got)
	}
}

func TestCutsKeepWhatIsDurableAndLoseOnlyWhatIsNot(t *testing.T) {
	l, err := readLog(bytes.NewReader(makeLog(
		logged{at: 0, data: block("a")},
		logged{flags: flagFlush},
		logged{at: 1, data: block("b")},
		logged{flags: flagFUA, at: 2, data: block("c")},
		logged{at: 1, data: block("d")},
		logged{flags: flagFlush, at: 3, data: block("e")},
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
			m := newMemory()
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

func FuzzReadLog(f *testing.F) {
	f.Add(makeLog(logged{at: 1, data: block("a")}, logged{flags: flagMark, mark: "e1"}, logged{flags: flagFlush}))
	f.Add([]byte("no log"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := readLog(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, c := range l.cuts() {
			if c.entry >= len(l.entries) || c.certain() > c.entry {
				t.Errorf("cut %+v of %d entries", c, len(l.entries))
			}
		}
	})
}
