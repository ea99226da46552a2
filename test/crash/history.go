package crash

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/dmthin/dmthin/test/writelog"
)

// verb is what an operation does.
type verb string

const (
	create verb = "create"
	fill   verb = "fill"  // ApplyDiff
	write  verb = "write" // a file of a mounted layer, synced
	remove verb = "remove"
	grow   verb = "grow" // the pool
)

// operation is one call of the workload's, or one synced write.
type operation struct {
	verb   verb
	layer  string
	parent string
	size   string            // of a created layer; empty: its parent's
	files  map[string]string // what fill and write leave: path to content
	held   bool              // somebody has the layer mounted from before it is filled or removed
	pool   poolSize          // that grow asks for
}

// poolSize is how large a pool is, in bytes.
type poolSize struct{ data, metadata int64 }

func (o operation) String() string {
	words := []string{string(o.verb), o.layer}
	if o.verb == grow {
		words[1] = fmt.Sprintf("to %d and %d", o.pool.data, o.pool.metadata)
	}
	if o.parent != "" {
		words = append(words, "on", o.parent)
	}
	if o.size != "" {
		words = append(words, "of", o.size)
	}
	return strings.Join(words, " ")
}

// The marks of the n-th operation: about to begin, acknowledged.
func beginMark(n int) string { return "b" + strconv.Itoa(n) }
func endMark(n int) string   { return "e" + strconv.Itoa(n) }

// progress is how far an operation had got.
type progress int

const (
	notBegun progress = iota
	underWay
	acknowledged
)

// writeLog is all that was written to the disk, with marks between.
type writeLog struct{ *writelog.Log }

func readLog(source io.ReaderAt) (*writeLog, error) {
	l, err := writelog.Read(source)
	return &writeLog{l}, err
}

// progressAt reads the marks among the first entries of a log.
func (l *writeLog) progressAt(entries, operations int) []progress {
	at := make([]progress, operations)
	for _, e := range l.Entries[:entries] {
		if !e.Flags.Has(writelog.Mark) || len(e.Mark) < 2 {
			continue
		}
		n, err := strconv.Atoi(e.Mark[1:])
		if err != nil || n < 0 || n >= operations {
			continue
		}
		switch e.Mark[0] {
		case 'b':
			at[n] = underWay
		case 'e':
			at[n] = acknowledged
		}
	}
	return at
}

// expected is what may be found of one layer.
type expected struct {
	must  bool // it exists
	gone  bool // it doesn't
	files map[string]string
	// open names what an operation under way may leave: these files may be
	// there in part, or not at all.
	open map[string]bool
	// unfinished: the layer may refuse to be used.
	unfinished bool
	// whole: the open files are there all, or none of them.
	whole bool
}

// expect works out what every layer that was ever asked for must look like.
// Operations on one layer follow each other; those on different layers may
// have run at once.
func expect(operations []operation, at []progress) map[string]*expected {
	layers := map[string]*expected{}
	for n, o := range operations {
		if o.verb == grow {
			continue
		}
		l := layers[o.layer]
		switch {
		case at[n] == notBegun:
			if l == nil {
				layers[o.layer] = &expected{gone: true}
			}
		case o.verb == create:
			layers[o.layer] = created(layers[o.parent], at[n])
		case o.verb == remove:
			l.must = false
			l.gone = at[n] == acknowledged
		default:
			l.change(o, at[n])
		}
	}
	return layers
}

// grownTo is the size that the pool has at least.
func grownTo(operations []operation, at []progress) (size poolSize) {
	for n, o := range operations {
		if o.verb == grow && at[n] == acknowledged {
			size.data, size.metadata = max(size.data, o.pool.data), max(size.metadata, o.pool.metadata)
		}
	}
	return size
}

func created(parent *expected, at progress) *expected {
	l := &expected{must: at == acknowledged, files: map[string]string{}}
	if parent != nil {
		maps.Copy(l.files, parent.files)
	}
	return l
}

func (l *expected) change(o operation, at progress) {
	if at == acknowledged {
		maps.Copy(l.files, o.files)
		return
	}
	l.open = map[string]bool{}
	for path := range o.files {
		l.open[path] = true
	}
	if o.verb == fill {
		l.unfinished, l.whole = true, true
	}
}

// found is what a recovered daemon shows of one layer.
type found struct {
	exists     bool
	unfinished bool // it exists and refuses to be used
	files      map[string]string
}

// compare returns what is wrong with a layer, nothing where all is right.
func (l *expected) compare(name string, got found, wanted map[string]string) []string {
	switch {
	case !got.exists && l.must:
		return []string{fmt.Sprintf("layer %s is lost", name)}
	case got.exists && l.gone:
		return []string{fmt.Sprintf("layer %s is there though it was removed, or never asked for", name)}
	case !got.exists:
		return nil
	case got.unfinished && !l.unfinished:
		return []string{fmt.Sprintf("layer %s can't be used", name)}
	case got.unfinished:
		return nil
	}
	return append(l.compareFiles(name, got.files), l.compareOpen(name, got.files, wanted)...)
}

func (l *expected) compareFiles(name string, files map[string]string) (wrong []string) {
	for path, content := range l.files {
		if got, ok := files[path]; !ok {
			wrong = append(wrong, fmt.Sprintf("layer %s: file %s is lost", name, path))
		} else if got != content {
			wrong = append(wrong, fmt.Sprintf("layer %s: file %s holds something else: %s", name, path, difference(got, content)))
		}
	}
	for path := range files {
		if _, known := l.files[path]; !known && !l.open[path] {
			wrong = append(wrong, fmt.Sprintf("layer %s: file %s is there unasked", name, path))
		}
	}
	sort.Strings(wrong)
	return wrong
}

// difference says how what was found differs from what is wanted.
func difference(got, wanted string) string {
	at := 0
	for at < min(len(got), len(wanted)) && got[at] == wanted[at] {
		at++
	}
	return fmt.Sprintf("%d bytes of %d, other from byte %d on: %.40q", len(got), len(wanted), at, got[at:])
}

// compareOpen refuses a layer filled in part that nothing marks as unfinished.
func (l *expected) compareOpen(name string, files, wanted map[string]string) []string {
	if !l.whole {
		return nil
	}
	var there, torn []string
	for path := range l.open {
		if content, ok := files[path]; ok {
			there = append(there, path)
			if content != wanted[path] {
				torn = append(torn, path)
			}
		}
	}
	if len(torn) == 0 && (len(there) == 0 || len(there) == len(l.open)) {
		return nil
	}
	slices.Sort(there)
	return []string{fmt.Sprintf("layer %s was filled in part and can be used as if whole: of %d files it has %v, torn %v", name, len(l.open), there, torn)}
}
