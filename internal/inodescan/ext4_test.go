package inodescan

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A small ext4 filesystem, as far as a scan looks: two groups of 32 inodes of
// 256 bytes in blocks of 1024.
const (
	testBlock  = 1024
	testGroups = 2
	testInodes = 32
	testSize   = 64 * testBlock

	testDescriptors = 2 * testBlock
	testBitmap      = 3 * testBlock // and the next
	testTable       = 8 * testBlock // two of 8 blocks
)

type testImage []byte

func newTestImage() testImage {
	b := make(testImage, testSize)
	s := b[extSuperblockAt:]
	for at, value := range map[int]uint32{
		extInodesAt: testGroups * testInodes, extBlocksLowAt: 64, extFreeInodesAt: 20, extFirstBlockAt: 1,
		extBlocksPerGroupAt: 32, extInodesPerGroupAt: testInodes, extFirstInodeAt: 11,
		extIncompatAt: 0x2, extReadOnlyAt: extChecksums,
	} {
		binary.LittleEndian.PutUint32(s[at:], value)
	}
	binary.LittleEndian.PutUint16(s[extMagicAt:], extMagic)
	binary.LittleEndian.PutUint16(s[extInodeSizeAt:], 256)
	for i := range testGroups {
		d := b[testDescriptors+32*i:]
		binary.LittleEndian.PutUint32(d[groupTableLowAt:], uint32(testTable/testBlock+8*i))
		binary.LittleEndian.PutUint32(d[groupBitmapLowAt:], uint32(testBitmap/testBlock+i))
	}
	b.seal()
	return b
}

// seal computes the superblock's checksum anew.
func (b testImage) seal() {
	s := b[extSuperblockAt:]
	sum := ^crc32.Checksum(s[:extChecksumAt], crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(s[extChecksumAt:], sum)
}

func (b testImage) slot(number int) []byte { return b[testTable+(number-1)*256:][:256] }

// put makes an inode, or another version of it.
func (b testImage) put(number int, mode uint16, links uint16, version byte) {
	slot := b.slot(number)
	binary.LittleEndian.PutUint16(slot[extModeAt:], mode)
	binary.LittleEndian.PutUint16(slot[extLinksAt:], links)
	binary.LittleEndian.PutUint16(slot[extExtraSizeAt:], 32)
	slot[0x10] = version // of the modification time
	b.allocate(number)
}

func (b testImage) allocate(number int) {
	i := number - 1
	b[testBitmap+i/testInodes*testBlock+i%testInodes/8] |= 1 << (i % 8)
}

var everything = []Extent{{0, testSize}}

func scanImages(before, after testImage, changed []Extent) (Result, error) {
	return Scan(context.Background(), bytes.NewReader(before), bytes.NewReader(after), changed)
}

func numbers(inodes []Inode) []uint64 {
	var all []uint64
	for _, i := range inodes {
		all = append(all, i.Number)
	}
	return all
}

func TestInodesThatDifferAndAreInUseAreFound(t *testing.T) {
	before := newTestImage()
	before.put(2, 0o40755, 3, 1)
	before.put(12, 0o100644, 1, 1)
	before.put(13, 0o100644, 1, 1)
	before.put(14, 0o100644, 1, 1)
	before.put(40, 0o40755, 2, 1)
	after := slices.Clone(before)
	after.put(2, 0o40755, 3, 2)
	after.put(12, 0o100644, 2, 2)
	after.put(40, 0o40755, 2, 2)
	after.put(41, 0o100644, 1, 1)
	after.put(8, 0o100600, 1, 9)                             // the journal's
	clear(after.slot(14))                                    // removed
	after[testBitmap+1] &^= 1 << 5                           // and free
	after.slot(20)[0] = 1                                    // what a free slot holds means nothing
	after.slot(13)[extAccessTimeAt] = 9                      // was read
	binary.LittleEndian.PutUint16(after.slot(13)[0x82:], 99) // and its checksum changed
	got, err := scanImages(before, after, everything)
	if err != nil {
		t.Fatal(err)
	}
	want := []Inode{{2, 3, true}, {12, 2, false}, {40, 2, true}, {41, 1, false}}
	if diff := cmp.Diff(want, got.Inodes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Used != testGroups*testInodes-20 {
		t.Errorf("%d inodes in use", got.Used)
	}
}

func TestOnlyChangedPartsAreRead(t *testing.T) {
	before := newTestImage()
	before.put(12, 0o100644, 1, 1)
	before.put(40, 0o100644, 1, 1)
	after := slices.Clone(before)
	after.put(12, 0o100644, 1, 2)
	after.put(40, 0o100644, 1, 2)
	got, err := scanImages(before, after, []Extent{{0, testTable}, {testTable + 8*testBlock, 4096}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{40}, numbers(got.Inodes)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGroupsThatWereAddedAreNew(t *testing.T) {
	after := newTestImage()
	after.put(12, 0o100644, 1, 1)
	after.put(40, 0o100644, 1, 1)
	before := slices.Clone(after)
	s := before[extSuperblockAt:]
	binary.LittleEndian.PutUint32(s[extInodesAt:], testInodes)
	binary.LittleEndian.PutUint32(s[extBlocksLowAt:], 33)
	before.seal()
	got, err := scanImages(before, after, everything)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{40}, numbers(got.Inodes)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := scanImages(after, before, everything); !errors.Is(err, ErrUnrelated) {
		t.Errorf("the other way: %v", err)
	}
}

func TestWhatIsInDoubtIsRefused(t *testing.T) {
	for _, c := range []struct {
		what string
		want error
		at   int
		xor  byte
		seal bool
	}{
		{"a journal in use", ErrUnclean, extIncompatAt, extRecover, true},
		{"errors", ErrUnclean, extStateAt, extErrorFlag, true},
		{"orphans", ErrUnclean, extReadOnlyAt + 2, extOrphansFlag >> 16, true},
		{"groups of metadata blocks", ErrUnsupported, extIncompatAt, 0x10, true},
		{"an unknown feature", ErrUnsupported, extReadOnlyAt + 3, 0x80, true},
		{"no ext4", ErrUnsupported, extMagicAt, 0xFF, true},
		{"a wrong checksum", ErrDamaged, extChecksumAt, 1, false},
		{"another UUID", ErrUnrelated, extUUIDAt, 1, true},
		{"inodes of no size", ErrDamaged, extInodeSizeAt + 1, 1, true},
		{"other counts", ErrDamaged, extInodesPerGroupAt, 0x60, true},
		{"a moved inode table", ErrUnrelated, testDescriptors - extSuperblockAt + groupTableLowAt, 1, true},
		{"an inode table out of bounds", ErrDamaged, testDescriptors - extSuperblockAt + groupTableLowAt + 2, 1, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			before := newTestImage()
			after := slices.Clone(before)
			after[extSuperblockAt+c.at] ^= c.xor
			if c.seal {
				after.seal()
			}
			if _, err := scanImages(before, after, everything); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			// Of a parent that is no ext4 only the kind of the error differs.
			if _, err := scanImages(after, before, everything); err == nil {
				t.Error("as the parent it was taken")
			}
		})
	}
}

func TestADeviceThatEndsEarlyIsRefused(t *testing.T) {
	image := newTestImage()
	for _, length := range []int{0, 1500, testDescriptors, testTable + 100} {
		if _, err := scanImages(image, image[:length], everything); err == nil {
			t.Errorf("%d bytes were enough", length)
		}
	}
}

// FuzzScan wants an answer or an error, whatever the bytes.
func FuzzScan(f *testing.F) {
	image := newTestImage()
	image.put(12, 0o100644, 1, 1)
	f.Add([]byte(image), 1000, byte(1))
	f.Add([]byte(image), extSuperblockAt+extLogBlockSizeAt, byte(6))
	f.Fuzz(func(_ *testing.T, b []byte, at int, xor byte) {
		after := slices.Clone(b)
		if len(b) > 0 {
			after[uint(at)%uint(len(b))] ^= xor
		}
		for _, i := range []testImage{b, after} {
			if len(i) >= testDescriptors {
				i.seal()
			}
		}
		_, _ = scanImages(b, after, []Extent{{0, int64(len(b)) &^ 4095}})
	})
}
