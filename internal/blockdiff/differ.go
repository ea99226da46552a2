package blockdiff

import (
	"context"
	"errors"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/inodescan"
)

// Metadata is the pool's own metadata.
type Metadata interface {
	// Hold keeps the metadata readable as they are now, at path, until release.
	// It waits for others that hold them.
	Hold(ctx context.Context) (path string, release func(context.Context) error, err error)
}

// Layer is one side of a comparison.
type Layer struct {
	Dir    string // where its files are
	Device uint32 // its thin device in the pool
	// Settled says that the device holds all that the files show: the filesystem
	// was clean when it was mounted, and is mounted for reading only.
	Settled bool
}

// Config says what a Differ works on.
type Config struct {
	Metadata   Metadata
	DataDevice string // the pool's
	Log        *logrus.Entry
	Observe    func(Outcome) // told of every comparison
}

// Differ compares layers of one pool. It may be used by many goroutines at once.
type Differ struct {
	cfg  Config
	scan func(ctx context.Context, before, after uint32) (inodescan.Result, error)
}

// New makes a Differ. It opens nothing before the first comparison.
func New(cfg Config) *Differ {
	return &Differ{cfg: cfg, scan: pool{cfg.Metadata, cfg.DataDevice}.scan}
}

// Changes returns what diff.Changes returns for the two folders. A parent
// without Dir stands for none.
func (d *Differ) Changes(ctx context.Context, layer, parent Layer) ([]diff.Change, error) {
	if parent.Dir == "" {
		return diff.Changes(ctx, layer.Dir, "")
	}
	changes, err := d.byBlocks(ctx, layer, parent)
	if err == nil {
		d.cfg.Observe(Outcome{Method: Blocks})
		return changes, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	outcome := Outcome{Method: Walk, Reason: reasonOf(err)}
	d.cfg.Log.WithError(err).WithField("layer", layer.Dir).Debug("the layers are compared file by file")
	d.cfg.Observe(outcome)
	return diff.Changes(ctx, layer.Dir, parent.Dir)
}

// errUnsettled and errMany are preconditions, and no trouble.
var (
	errUnsettled = errors.New("a layer is mounted for writing")
	errMany      = errors.New("so much differs that looking at everything is as fast")
)

func (d *Differ) byBlocks(ctx context.Context, layer, parent Layer) ([]diff.Change, error) {
	if !layer.Settled || !parent.Settled {
		return nil, errUnsettled
	}
	found, err := d.scan(ctx, parent.Device, layer.Device)
	if err != nil {
		return nil, err
	}
	if 2*uint64(len(found.Inodes)) > found.Used {
		return nil, errMany
	}
	suspects := make(diff.Suspects, len(found.Inodes))
	for _, i := range found.Inodes {
		suspects[i.Number] = names(i)
	}
	return diff.ChangesAmong(ctx, layer.Dir, parent.Dir, suspects)
}

// names is how many names lead to an inode. A folder's links are those of its
// subfolders, too.
func names(i inodescan.Inode) int {
	if i.Dir && i.Links > 0 {
		return 1
	}
	return int(i.Links)
}
