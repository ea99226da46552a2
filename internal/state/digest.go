package state

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// digestName is a file that is there while no daemon uses the records: what they
// say, so that the next start need not open each of them. A record counts as its
// file says wherever that was touched since.
const digestName = "records-digest"

// digestTime bounds how long a stop waits for what a digest still lacks.
const digestTime = 2 * time.Second

// settled is how old a file's last change must be to tell it from the next one:
// filesystems note times by the tick of a clock.
const settled = time.Second

// fingerprint is another one after any change of a file: nobody can set Changed.
type fingerprint struct {
	Inode             uint64
	Size              int64
	Modified, Changed int64 // ns since 1970
}

// digested is one record, and when that was so.
type digested struct {
	Name   string
	Print  fingerprint
	Record Record
}

// recordShape names the keys that a digest knows: one of a daemon that knew others
// says nothing about ours.
var recordShape = fmt.Sprintf("%#v", Record{})

type digest struct {
	Shape   string
	Records []digested
}

// printOf returns the fingerprint of a file of the folder; ok is false where it
// wouldn't tell the next change.
func printOf(dir *os.File, name string) (p fingerprint, ok bool) {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	p = fingerprint{Inode: st.Ino, Size: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano()}
	age := time.Since(time.Unix(0, p.Changed))
	return p, err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && age > settled
}

// takeDigest returns what the last Close left. It is gone then: nobody keeps it
// up to date while records change.
func (s *Store) takeDigest() map[string]digested {
	path := filepath.Join(s.dir, digestName)
	data, err := os.ReadFile(path)
	if err != nil || os.Remove(path) != nil || syncDir(s.dir) != nil {
		return nil
	}
	d, err := decodeDigest(data)
	if err != nil || d.Shape != recordShape {
		return nil
	}
	known := make(map[string]digested, len(d.Records))
	for _, r := range d.Records {
		known[r.Name] = r
	}
	return known
}

// leaveDigest writes the digest. Without one the next start takes longer.
func (s *Store) leaveDigest() error {
	if s.digest == nil { // the records were never read
		return nil
	}
	done := make(chan struct{})
	deadline := time.Now().Add(digestTime)
	var err error
	go func() {
		defer close(done)
		// Cut short, it has what was known before: enough for most.
		_, readErr := s.readKnown(deadline)
		if time.Since(deadline) > digestTime {
			return // nobody waits any more: the records may be another daemon's by now
		}
		err = errors.Join(readErr, s.writeDigest())
	}()
	select {
	case <-done:
		return err
	case <-time.After(2 * digestTime): // on a disk that hangs
		return os.ErrDeadlineExceeded
	}
}

func (s *Store) writeDigest() error {
	d := digest{Shape: recordShape, Records: make([]digested, 0, len(s.digest))}
	for _, r := range s.digest {
		d.Records = append(d.Records, r)
	}
	data, err := encodeDigest(d)
	if err != nil {
		return err
	}
	return writeFile(s.dir, digestName, data)
}

// encodeDigest puts a checksum in front.
func encodeDigest(d digest) ([]byte, error) {
	data := bytes.NewBuffer(make([]byte, crc32.Size))
	if err := gob.NewEncoder(data).Encode(d); err != nil {
		return nil, fmt.Errorf("encode digest of records: %w", err)
	}
	binary.LittleEndian.PutUint32(data.Bytes(), crc32.ChecksumIEEE(data.Bytes()[crc32.Size:]))
	return data.Bytes(), nil
}

func decodeDigest(data []byte) (d digest, err error) {
	if len(data) < crc32.Size || binary.LittleEndian.Uint32(data) != crc32.ChecksumIEEE(data[crc32.Size:]) {
		return d, errSeal
	}
	return d, gob.NewDecoder(bytes.NewReader(data[crc32.Size:])).Decode(&d)
}

// readKnown reads all records, of those that the digest has only where they are,
// and makes a new digest of them. It gives up at the deadline unless that is zero.
func (s *Store) readKnown(deadline time.Time) (map[string]loaded, error) {
	dir, err := os.Open(s.metadata)
	if err != nil {
		return nil, fmt.Errorf("open records: %w", err)
	}
	defer dir.Close()
	files, err := readAll(s, isRecord, func(name string) (loaded, error) {
		if !deadline.IsZero() && time.Now().After(deadline) {
			return loaded{}, os.ErrDeadlineExceeded
		}
		seen, ok := printOf(dir, name) // before the file is read
		if known, was := s.digest[name]; ok && was && known.Print == seen {
			return loaded{record: known.Record, print: &seen}, nil
		}
		file, err := s.load(name)
		if ok && file.damaged == nil {
			file.print = &seen
		}
		return file, err
	})
	if err != nil {
		return nil, err
	}
	s.digest = make(map[string]digested, len(files))
	for name, file := range files {
		if file.print != nil {
			s.digest[name] = digested{name, *file.print, file.record}
		}
	}
	return files, nil
}
