package blockdevice

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/disk"
	"github.com/dmthin/dmthin/internal/lvm"
)

// checkDevices refuses devices that are not for our pool. Devices noted before
// have passed already, and may hold a pool by now that no record speaks of yet.
func (c Config) checkDevices(ctx context.Context) error {
	noted, err := c.noted()
	if err != nil {
		return err
	}
	for _, part := range []struct{ role, path string }{{"data", c.DataDevice}, {"metadata", c.MetadataDevice}} {
		if part.path == "" {
			continue
		}
		d := device{role: part.role, path: part.path}
		switch {
		case c.Existing:
			err = d.checkExisting()
		case !noted:
			err = d.checkBlank(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type device struct{ role, path string }

func (d device) refuse(kind error, hint, found string, args ...any) error {
	return &Error{Role: d.role, Path: d.path, Kind: kind, Found: fmt.Sprintf(found, args...), Hint: hint}
}

// checkBlank is for the first use.
func (d device) checkBlank(ctx context.Context) error {
	found, err := disk.Inspect(d.path)
	if err != nil {
		return &Error{Role: d.role, Path: d.path, Kind: ErrUnsuitable, Found: "can't be used", Err: err}
	}
	if found.ReadOnly {
		return d.refuse(ErrUnsuitable, "use another one", "is read-only")
	}
	if len(found.Users) > 0 {
		return d.refuse(ErrInUse, "free it first, or use another one", "is in use: %s", strings.Join(found.Users, ", "))
	}
	signatures, err := lvm.New(lvm.Config{Log: nil}).Signatures(ctx, d.path)
	if err != nil {
		return &Error{Role: d.role, Path: d.path, Kind: ErrUnsuitable, Found: "can't be examined", Err: err}
	}
	if len(signatures) > 0 || len(found.Partitions) > 0 {
		what := found.Partitions
		for _, s := range signatures {
			what = append(what, s.Type)
		}
		return d.refuse(ErrNotEmpty, "use an empty device, or, if all that is on it may go, wipe it: wipefs --all "+d.path,
			"is not empty: it has %s", strings.Join(what, ", "))
	}
	if d.role == "metadata" {
		return d.checkFirstBlock()
	}
	return nil
}

const (
	firstBlock      = 4096
	superblockMagic = 27022010 // of dm-thin's metadata, little endian
	magicAt         = 32
)

// checkFirstBlock: dm-thin makes a new pool where the first block is zero.
func (d device) checkFirstBlock() error {
	pool, blank, err := d.readFirstBlock()
	hint := "use another device, or, if all that is on it may go: dd if=/dev/zero of=" + d.path + " bs=4096 count=1"
	switch {
	case err != nil:
		return err
	case pool:
		return d.refuse(ErrNotEmpty, "restore the records that belong to it; "+hint,
			"holds the metadata of a thin pool, but this state directory has no records of layers")
	case !blank:
		return d.refuse(ErrNotEmpty, hint, "is not blank")
	}
	return nil
}

// checkExisting is for devices with layers on them: the metadata says whether
// it is the right one. The pool, when it is opened, says the rest.
func (d device) checkExisting() error {
	if d.role != "metadata" {
		if _, err := disk.Number(d.path); err != nil {
			return &Error{Role: d.role, Path: d.path, Kind: ErrMissing, Found: "is missing, but there are layers on it", Err: err,
				Hint: "attach it; a disk may have got another name, which /dev/disk/by-id does not change"}
		}
		return nil
	}
	pool, _, err := d.readFirstBlock()
	if err == nil && !pool {
		err = d.refuse(ErrMissing, "give the device that does; a disk may have got another name, which /dev/disk/by-id does not change",
			"holds no thin pool, but there are records of layers")
	}
	return err
}

func (d device) readFirstBlock() (pool, blank bool, err error) {
	fail := func(err error) (bool, bool, error) {
		return false, false, &Error{Role: d.role, Path: d.path, Kind: ErrUnsuitable, Found: "can't be read", Err: err}
	}
	f, err := os.OpenFile(d.path, os.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	// The kernel writes a pool's metadata around the page cache.
	if err := unix.Fadvise(int(f.Fd()), 0, firstBlock, unix.FADV_DONTNEED); err != nil {
		return fail(err)
	}
	block := make([]byte, firstBlock)
	if _, err := f.ReadAt(block, 0); err != nil {
		return fail(err)
	}
	pool = binary.LittleEndian.Uint64(block[magicAt:]) == superblockMagic
	return pool, strings.Trim(string(block), "\x00") == "", nil
}

const noteName = "devices"

func (c Config) noteText() string { return c.DataDevice + "\n" + c.MetadataDevice + "\n" }

// noted tells whether these devices have passed before.
func (c Config) noted() (bool, error) {
	text, err := os.ReadFile(filepath.Join(c.Dir, noteName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return string(text) == c.noteText(), err
}

// note remembers that the devices have passed. It comes before the pool is
// made on them.
func (c Config) note() error {
	if done, err := c.noted(); err != nil || done {
		return err
	}
	if err := replaceFile(filepath.Join(c.Dir, noteName), c.noteText()); err != nil {
		return fmt.Errorf("note the pool's devices: %w", err)
	}
	return nil
}
