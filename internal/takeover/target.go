package takeover

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/state"
)

// Room that a take-over needs besides its backups.
const (
	spareRoom  = 4 << 20 // the journal, new content before it replaces the old, dmthin's own files
	fileRoom   = 4 << 10 // what a small file takes at least
	backupName = "before"
)

// examineHost looks at what is around the driver's data.
func (t *Takeover) examineHost(s *survey) {
	to := s.from.other()
	if now := t.config.text("storage-driver"); now != "" && Driver(now) != s.from && !strings.HasPrefix(now, guardPrefix) {
		s.note("%s has docker on %s now, not on %s", t.host.ConfigFile, now, s.from)
	}
	if isRemapped(t.root) {
		s.note("docker runs with userns-remap: its data is in %s; of dmthin's two forms only the host daemon works with that", t.root)
	}
	if s.settings.onLine {
		s.note("storage options given on dockerd's command line are not ours to change: take them out there")
	}
	if len(s.settings.after) > 0 && s.settings.onLine {
		s.note("they come into %s: dockerd doesn't start while it has them in both places", t.host.ConfigFile)
	}
	if s.from == BuiltIn {
		t.examineCommandLine(s)
	}
	t.examineLink(s)
	t.examineSettings(s)
	t.examineSpace(s)
	t.examineTarget(s, to)
}

func (t *Takeover) examineSpace(s *survey) {
	var fs unix.Statfs_t
	if err := unix.Statfs(t.root, &fs); err != nil {
		s.fatal("space", "how much is free at %s can't be found out: %v", t.root, err)
		return
	}
	files := int64(len(s.records.Layers) + len(s.records.Tombstones) + 2*len(s.stores.containers))
	need := spareRoom + files*2*fileRoom
	if free := int64(fs.Bavail) * fs.Bsize; free < need {
		s.fatal("space", "%s has %d bytes free, backups and journal need %d: make room", t.root, free, need)
	}
	if fs.Ffree > 0 && int64(fs.Ffree) < files {
		s.fatal("space", "%s has %d inodes free, backups need %d: remove some files", t.root, fs.Ffree, files)
	}
}

// examineLink refuses a driver's folder that is elsewhere: by way of a link
// dmthind doesn't find its mounts again, and the managed plugin nothing at all.
func (t *Takeover) examineLink(s *survey) {
	dir := s.from.state(t.root)
	if info, err := os.Lstat(dir); err == nil && info.Mode()&os.ModeSymlink != 0 && s.from == BuiltIn {
		s.fatal(string(s.from), "%s is a link: put the folder itself in its place, or have the whole data-root elsewhere (data-root in %s)", dir, t.host.ConfigFile)
	}
}

// examineTarget refuses where the other driver has data of its own. What it
// made when it was started with nothing in it goes aside.
func (t *Takeover) examineTarget(s *survey, to Driver) {
	dir := to.state(t.root)
	if exists(dir) {
		empty, err := state.Look(dir).Empty()
		switch {
		case err != nil:
			s.fatal(string(to), "what is in %s can't be found out: %v", dir, err)
		case !empty:
			s.fatal(string(to), "there are layers of %s already, in %s: both can't have the place; remove them with docker, or move the folder away", to, dir)
		}
	}
	layers, err := names(filepath.Join(to.images(t.root), "layerdb", "sha256"))
	if err != nil {
		s.fatal(string(to), "%v", err)
	}
	if len(layers) > 0 {
		s.fatal(string(to), "docker has images on %s already, in %s: both can't have the place; remove them with docker, or move the folder away", to, to.images(t.root))
	}
}

// examineFit finds what Docker's driver can't read of dmthin's data.
func (s *survey) examineFit() {
	if s.from != DMThin {
		return
	}
	if s.records.HasIntent && s.records.Intent.OpenTransactionID != s.metadata.TransactionID && s.intent == nil {
		s.fatal("pool", "a change of it was cut short (transaction %d): start and stop dmthind once, which finishes it", s.records.Intent.OpenTransactionID)
	}
	var limits int
	for name, r := range s.records.Layers {
		switch {
		case r.Stage != state.StageReady:
			s.fatal(name, "it is marked %q, which Docker's driver doesn't know: it would take the layer for a whole one; dmthin remove %s", r.Stage, short(name))
		case r.RootDir() != "rootfs":
			s.fatal(name, "its content is in the folder %s of its device; Docker's driver only knows rootfs", r.RootDir())
		}
		if r.Limit > 0 {
			limits++
		}
		if r.Kept {
			s.note("layer %s, which an operator made, stays in the pool; nothing of docker's removes it", name)
		}
	}
	if limits > 0 {
		s.note("%d layers are limited to less than their device holds; under Docker's driver the limit doesn't hold", limits)
	}
}
