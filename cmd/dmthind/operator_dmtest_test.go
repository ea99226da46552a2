//go:build dmtest

package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/offline"
	"github.com/dmthin/dmthin/internal/thinpool"
	"github.com/dmthin/dmthin/plugin"
)

const mib = 1 << 20

// operatorHost is a daemon on small loop files.
type operatorHost struct {
	dir          string
	metadataSize string // "": 16MB
	discards     bool   // what removed layers had
	d            *driver
}

func newOperatorHost(t *testing.T) *operatorHost {
	t.Helper()
	h := &operatorHost{dir: t.TempDir()}
	h.start(t)
	t.Cleanup(func() { h.stop(t) })
	return h
}

func (h *operatorHost) state() string { return filepath.Join(h.dir, "state") }

func (h *operatorHost) init() error {
	set := settings{
		state: h.state(), initRecord: filepath.Join(h.dir, "init.json"),
		adminSocket: filepath.Join(h.dir, "admin.sock"),
	}
	h.d = newDriver(set, quietLog())
	return h.d.Init(context.Background(), h.request())
}

func (h *operatorHost) request() plugin.InitRequest {
	return plugin.InitRequest{Home: filepath.Join(h.dir, "home"), Options: []string{
		"dm.loopdatasize=256MB", "dm.loopmetadatasize=" + cmp.Or(h.metadataSize, "16MB"), "dm.basesize=64MB", "dm.fs=ext4",
		// By default what is deleted stays allocated in the loop file, as with a pool
		// that Docker's own driver used.
		fmt.Sprint("dm.blkdiscard=", h.discards),
	}}
}

func (h *operatorHost) start(t *testing.T) {
	t.Helper()
	if err := h.init(); err != nil {
		t.Fatal(err)
	}
}

func (h *operatorHost) stop(t *testing.T) {
	t.Helper()
	if h.d == nil {
		return
	}
	if err := errors.Join(h.d.Cleanup(context.Background()), h.d.stop()); err != nil {
		t.Error(err)
	}
	h.d = nil
}

func (h *operatorHost) client() *admin.Client {
	return admin.NewClient(filepath.Join(h.dir, "admin.sock"))
}

func (h *operatorHost) create(t *testing.T, id, parent string) {
	t.Helper()
	if err := h.d.Create(t.Context(), plugin.CreateRequest{ID: id, Parent: parent}); err != nil {
		t.Fatal(err)
	}
}

func (h *operatorHost) get(t *testing.T, id string) string {
	t.Helper()
	dir, err := h.d.Get(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (h *operatorHost) put(t *testing.T, id string) {
	t.Helper()
	if err := h.d.Put(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// requireClean checks everything and wants to hear nothing.
func (h *operatorHost) requireClean(t *testing.T) {
	t.Helper()
	r, err := h.client().Check(t.Context(), admin.CheckRequest{Filesystems: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 0 || !r.MetadataChecked || r.FilesystemsChecked == 0 {
		t.Errorf("check: %+v", r)
	}
}

// message sends the pool a message behind the daemon's back.
func (h *operatorHost) message(t *testing.T, message string) {
	t.Helper()
	i := h.d.current()
	if out, err := exec.CommandContext(t.Context(), "dmsetup", "message", i.pool.Name(), "0", message).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", message, err, out)
	}
}

// fill writes n bytes that no filesystem or pool can share or leave out.
func fill(t *testing.T, path string, n int) (sum [sha256.Size]byte) {
	t.Helper()
	content := make([]byte, n)
	for at := 0; at < n; at += 8 {
		binary.LittleEndian.PutUint64(content[at:], uint64(at)*0x9e3779b97f4a7c15)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(content)
}

//vm:once
func TestChecksAndCollectionOnALivePool(t *testing.T) {
	h := newOperatorHost(t)
	h.create(t, "image", "")
	h.create(t, "container", "image")
	fill(t, filepath.Join(h.get(t, "container"), "file"), mib)
	h.requireClean(t) // also of the filesystem that is mounted now

	h.message(t, "create_thin 77")
	r, err := h.client().Check(t.Context(), admin.CheckRequest{}, nil)
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Kind != "leaked_device" || r.Findings[0].Subject != "device 77" {
		t.Fatalf("check with a leaked device: %+v, %v", r, err)
	}
	h.create(t, "orphan", "image")
	req := admin.CollectRequest{Layers: []string{"orphan", "container"}, Leaked: true}
	for _, req.Delete = range []bool{false, true} {
		done, err := h.client().Collect(t.Context(), req, nil)
		if err != nil || len(done.Garbage) != 3 {
			t.Fatalf("collect: %+v, %v", done, err)
		}
		g := done.Garbage
		if g[0].Kept != "" || g[0].Deleted != req.Delete || !strings.Contains(g[1].Kept, "mounted") || g[2].Deleted != req.Delete || g[2].DeviceID != 77 {
			t.Errorf("collect: %+v", g)
		}
	}
	if exists, err := h.d.Exists(t.Context(), "orphan"); err != nil || exists {
		t.Errorf("the orphan is still there (%v)", err)
	}
	h.put(t, "container")
	h.waitReclaimed(t)
	h.requireClean(t)
}

// waitReclaimed waits until the blocks of removed layers are back.
func (h *operatorHost) waitReclaimed(t *testing.T) {
	t.Helper()
	for range 100 {
		st, err := h.client().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if st.Pool.DeferredDeletedDevices == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("removed layers are still not deleted")
}

//vm:once
func TestTrimGivesSpaceBackToThePoolAndToTheHost(t *testing.T) {
	h := newOperatorHost(t)
	h.create(t, "kept", "")
	kept := filepath.Join(h.get(t, "kept"), "file")
	sum := fill(t, kept, 4*mib)

	h.create(t, "container", "")
	junk := filepath.Join(h.get(t, "container"), "junk")
	fill(t, junk, 20*mib)
	if err := os.Remove(junk); err != nil {
		t.Fatal(err)
	}
	done, err := h.client().Trim(t.Context(), admin.TrimRequest{Layers: []string{"container"}}, nil)
	if err != nil || len(done.Layers) != 1 || done.Layers[0].Error != "" || done.Freed < 16*mib {
		t.Errorf("trim of a layer: %+v, %v", done, err)
	}

	fill(t, junk, 40*mib)
	h.put(t, "container")
	if err := h.d.Remove(t.Context(), "container"); err != nil {
		t.Fatal(err)
	}
	h.waitReclaimed(t)
	before := allocated(t, filepath.Join(h.state(), "devicemapper/data"))
	done, err = h.client().Trim(t.Context(), admin.TrimRequest{Pool: true}, nil)
	if err != nil || done.PoolBytes < 120*mib {
		t.Errorf("trim of the pool: %+v, %v", done, err)
	}
	if after := allocated(t, filepath.Join(h.state(), "devicemapper/data")); before-after < 32*mib {
		t.Errorf("the data file had %d bytes before and has %d now; 40 MiB were free", before, after)
	}
	content, err := os.ReadFile(kept)
	if err != nil || sha256.Sum256(content) != sum {
		t.Errorf("a file in the pool was changed (%v)", err)
	}
	h.put(t, "kept")
	h.waitReclaimed(t)
	h.requireClean(t)
}

func allocated(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

func TestAPoolThatNeedsACheckOrIsDamagedIsRepairedAndStartsAgain(t *testing.T) {
	h := newOperatorHost(t)
	h.create(t, "image", "")
	sum := fill(t, filepath.Join(h.get(t, "image"), "file"), mib)
	h.put(t, "image")
	h.stop(t)

	setNeedsCheck(t, filepath.Join(h.state(), "devicemapper/metadata"))
	if err := h.init(); !errors.Is(err, thinpool.ErrNeedsCheck) {
		t.Fatalf("Init of a pool that needs a check = %v", err)
	}
	if err := h.d.stop(); err != nil {
		t.Fatal(err)
	}
	h.d = nil
	h.repair(t, offline.ClearFlag)
	h.requireContent(t, sum)
	h.stop(t)

	damageSpaceMap(t, filepath.Join(h.state(), "devicemapper/metadata"))
	h.repair(t, offline.Rebuild)
	h.requireContent(t, sum)
	h.create(t, "another", "image")
	h.requireClean(t)
}

// repair does so offline, with the records agreeing afterwards, and starts the
// daemon.
func (h *operatorHost) repair(t *testing.T, want offline.Action) {
	t.Helper()
	pool := h.offline(t)
	r, err := pool.Check(t.Context())
	if err != nil || len(r.Findings) == 0 {
		t.Errorf("check: %+v, %v", r, err)
	}
	d, err := pool.Diagnose(t.Context(), offline.IfLost{BlockSize: 64 << 10})
	if err != nil || d.Action != want {
		t.Fatalf("Diagnose = %+v, %v", d, err)
	}
	done, err := pool.Repair(t.Context(), d, time.Now(), func(string) {})
	if err := errors.Join(err, pool.Close()); err != nil || len(done.Findings) != 0 {
		t.Fatalf("Repair = %+v, %v", done, err)
	}
	h.start(t)
}

func (h *operatorHost) requireContent(t *testing.T, sum [sha256.Size]byte) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(h.get(t, "image"), "file"))
	if err != nil || sha256.Sum256(content) != sum {
		t.Errorf("the layer's file was changed (%v)", err)
	}
	h.put(t, "image")
}

func (h *operatorHost) offline(t *testing.T) *offline.Pool {
	t.Helper()
	pool, err := offline.Open(h.state(), "")
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// setNeedsCheck does what the kernel does after a failed write of metadata.
func setNeedsCheck(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	if _, err := f.ReadAt(block, 0); err != nil {
		t.Fatal(err)
	}
	block[4] |= 1
	const superblockSalt = 160774
	binary.LittleEndian.PutUint32(block, ^crc32.Checksum(block[4:], crc32.MakeTable(crc32.Castagnoli))^superblockSalt)
	if _, err := f.WriteAt(block, 0); err != nil {
		t.Fatal(err)
	}
}

// damageSpaceMap wipes the root of the tree that says which data blocks are in
// use. It can be found out again from the mappings.
func damageSpaceMap(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var root [8]byte
	const bitmapRootAt = 64 + 16 // in the superblock
	if _, err := f.ReadAt(root[:], bitmapRootAt); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 4096), int64(binary.LittleEndian.Uint64(root[:]))*4096); err != nil {
		t.Fatal(err)
	}
}

//vm:once
func TestRecordsSavedFromARunningDaemonBringItBack(t *testing.T) {
	h := newOperatorHost(t)
	h.create(t, "image", "")
	if _, err := h.client().Snapshot(t.Context(), admin.SnapshotRequest{ID: "mine", Parent: "image"}); err != nil {
		t.Fatal(err)
	}
	early := h.backup(t)
	h.create(t, "later", "image")
	late := h.backup(t)
	h.stop(t)

	for _, name := range []string{"metadata/image", "metadata/base", "metadata/transaction-metadata"} {
		if err := os.Remove(filepath.Join(h.state(), name)); err != nil {
			t.Fatal(err)
		}
	}
	pool := h.offline(t)
	if _, err := pool.Restore(t.Context(), early, time.Now(), false); !errors.Is(err, offline.ErrMismatch) {
		t.Errorf("a backup of an earlier transaction: %v", err)
	}
	_, err := pool.Restore(t.Context(), late, time.Now(), false)
	if err := errors.Join(err, pool.Close()); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	layers, err := h.client().Layers(t.Context())
	var ids []string
	for _, l := range layers {
		ids = append(ids, l.ID)
	}
	if err != nil || !slices.Equal(ids, []string{"image", "later", "mine"}) {
		t.Errorf("layers %v, %v", ids, err)
	}
	h.requireClean(t)
}

func (h *operatorHost) backup(t *testing.T) offline.Backup {
	t.Helper()
	var out bytes.Buffer
	if err := h.client().Backup(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	m, files, err := admin.ReadBackup(io.Reader(&out))
	if err != nil {
		t.Fatal(err)
	}
	return offline.Backup{PoolID: m.PoolID, TransactionID: m.TransactionID, BaseUUID: m.BaseUUID, Files: files}
}
