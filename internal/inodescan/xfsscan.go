package inodescan

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrTooMuch says that reading all that differs takes longer than looking at every file.
var ErrTooMuch = errors.New("too much differs")

// An inode of xfs version 5 (struct xfs_dinode).
const (
	xfsInodeMagic  = "IN"
	xfsModeAt      = 2
	xfsFormatAt    = 4 // the inode's version
	xfsLinksAt     = 16
	xfsAccessAt    = 32
	xfsInodeSumAt  = 100
	xfsSequenceAt  = 112 // of the journal's record that wrote it last
	xfsNumberAt    = 152
	xfsInodeUUIDAt = 160

	xfsInodeFormat = 3
)

// xfs puts inodes anywhere, so all that differs is read: up to so much at any
// rate, and so much for each inode that a walk would look at.
const (
	xfsReadAnyway   = 64 << 20
	xfsReadPerInode = 16 << 10
)

// xfsScan looks for inodes in the blocks of two xfs filesystems.
type xfsScan struct {
	before, after *xfs
	old, now      []byte
	result        Result
}

func scanXFS(ctx context.Context, before, after io.ReaderAt, changed []Extent) (Result, error) {
	was, err := openXFS(before)
	if err != nil {
		return Result{}, fmt.Errorf("the parent: %w", err)
	}
	is, err := openXFS(after)
	if err != nil {
		return Result{}, err
	}
	if err := is.sameLayout(was); err != nil {
		return Result{}, err
	}
	s := &xfsScan{was, is, make([]byte, scanPiece), make([]byte, scanPiece), Result{Used: is.used}}
	end := is.ags * is.agBlocks * is.blockSize // or less: the last group may be shorter
	parts := []Extent{{0, is.log.Offset}, {is.log.end(), end - is.log.end()}}
	if tooMuch(changed, parts, is.used) {
		return Result{}, ErrTooMuch
	}
	for _, part := range parts {
		err := intersect(changed, part, scanPiece, func(e Extent) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return s.piece(e)
		})
		if err != nil {
			return Result{}, err
		}
	}
	return s.result, nil
}

func tooMuch(changed, parts []Extent, inodes uint64) bool {
	var bytes int64
	for _, part := range parts {
		for _, c := range changed {
			bytes += max(0, min(c.end(), part.end())-max(c.Offset, part.Offset))
		}
	}
	return bytes > xfsReadAnyway && uint64(bytes)/xfsReadPerInode > inodes
}

// piece looks at one piece of the newer filesystem, and at the older one's if
// there are inodes in it.
func (s *xfsScan) piece(e Extent) error {
	old, now := s.old[:e.Length], s.now[:e.Length]
	if err := readFull(s.after.device, now, e.Offset); err != nil {
		return err
	}
	read := false
	for at := int64(0); at+s.after.inodeSize <= e.Length; at += s.after.inodeSize {
		inode := now[at:][:s.after.inodeSize]
		number := s.after.number(e.Offset + at)
		if !s.after.inUse(inode, number) {
			continue
		}
		if !read {
			if err := s.readOld(e, old); err != nil {
				return err
			}
			read = true
		}
		if !bytes.Equal(withoutNoise(inode), withoutNoise(old[at:][:s.after.inodeSize])) {
			s.result.Inodes = append(s.result.Inodes, Inode{
				Number: number,
				Links:  binary.BigEndian.Uint32(inode[xfsLinksAt:]),
				Dir:    binary.BigEndian.Uint16(inode[xfsModeAt:])&formatMask == formatDir,
			})
		}
	}
	return nil
}

// readOld reads the older filesystem. What was added since counts as empty.
func (s *xfsScan) readOld(e Extent, old []byte) error {
	clear(old)
	end := s.before.ags * s.before.agBlocks * s.before.blockSize
	if e.Offset >= end {
		return nil
	}
	_, err := s.before.device.ReadAt(old, e.Offset)
	if err == io.EOF { // its last group may have been shorter
		return nil
	}
	return err
}

// inUse reports whether these bytes are an inode in use of that number. Each
// says which it is. What other files hold or left behind may say so too, and
// makes for one suspect more.
func (fs *xfs) inUse(inode []byte, number uint64) bool {
	return string(inode[:len(xfsInodeMagic)]) == xfsInodeMagic &&
		inode[xfsFormatAt] == xfsInodeFormat &&
		binary.BigEndian.Uint16(inode[xfsModeAt:]) != 0 &&
		binary.BigEndian.Uint64(inode[xfsNumberAt:]) == number &&
		bytes.Equal(inode[xfsInodeUUIDAt:][:16], fs.superblock[xfsUUIDAt:][:16]) &&
		!slices.Contains(fs.ownInodes, number)
}

// withoutNoise blanks, in place, what changes without the file changing: the
// access time, the checksum and the journal's sequence number.
func withoutNoise(inode []byte) []byte {
	clear(inode[xfsAccessAt:][:8])
	clear(inode[xfsInodeSumAt:][:4])
	clear(inode[xfsSequenceAt:][:8])
	return inode
}
