package blockdiff

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/inodescan"
	"github.com/dmthin/dmthin/internal/nameindex"
)

// Metadata is the pool's own metadata, which one at a time can hold.
type Metadata interface {
	// Turn waits for others who hold them, and keeps them out until done.
	Turn(ctx context.Context) (done func(), err error)
	// Commit makes what is at path the metadata of this moment. It fails where
	// the pool is in no state for that.
	Commit(ctx context.Context) (path string, err error)
	// Hold keeps the metadata readable as they are now, at path, until release. It
	// is for whoever has the turn.
	Hold(ctx context.Context) (path string, release func(context.Context) error, err error)
}

// Layer is one side of a comparison.
type Layer struct {
	Dir    string // where its files are
	Device uint32 // its thin device in the pool
}

// Still calls look while the devices of both layers hold all that their files
// show, and nobody can change them.
type Still func(ctx context.Context, look func() error) error

// Config says what a Differ works on.
type Config struct {
	Metadata Metadata
	// DataDevice finds the pool's.
	DataDevice func(context.Context) (string, error)
	// Verify is the share of comparisons, 0 to 1, in which the walk is asked too.
	Verify  float64
	Log     *logrus.Entry
	Observe func(Outcome) // told of every comparison
}

// view is one way to look at the pool's metadata.
type view struct {
	turn func(ctx context.Context) (done func(), err error)
	scan scan
}

// scan finds the inodes in which one device differs from another.
type scan func(ctx context.Context, before, after uint32) (inodescan.Result, error)

// Differ compares layers of one pool. It may be used by many goroutines at once.
type Differ struct {
	cfg             Config
	committed, held view
	// inodesPerLookup is how many inodes of a layer there must be for each that
	// differs, or listing all names is as fast as looking some up.
	inodesPerLookup uint64
}

// New makes a Differ. It opens nothing before the first comparison.
func New(cfg Config) *Differ {
	p := pool{cfg.Metadata, cfg.DataDevice}
	return newDiffer(cfg, p.committed, p.held, 10)
}

func newDiffer(cfg Config, committed, held scan, inodesPerLookup uint64) *Differ {
	return &Differ{cfg, view{oneByOne(), committed}, view{cfg.Metadata.Turn, held}, inodesPerLookup}
}

// oneByOne keeps comparisons from having the pool commit while another reads.
func oneByOne() func(ctx context.Context) (done func(), err error) {
	busy := make(chan struct{}, 1)
	return func(ctx context.Context) (done func(), err error) {
		select {
		case busy <- struct{}{}:
			return func() { <-busy }, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for other comparisons: %w", ctx.Err())
		}
	}
}

// Changes returns what diff.Changes returns for the two folders. A parent
// without Dir stands for none.
func (d *Differ) Changes(ctx context.Context, layer, parent Layer, still Still) ([]diff.Change, error) {
	if parent.Dir == "" {
		return diff.Changes(ctx, layer.Dir, "")
	}
	changes, method, err := d.byBlocks(ctx, layer, parent, still)
	if err == nil && rand.Float64() < d.cfg.Verify { //nolint:gosec // a share, no secret
		return d.verified(ctx, layer, parent, changes, method)
	}
	if err == nil {
		d.cfg.Observe(Outcome{Method: method})
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

var (
	errMany = errors.New("so much differs that looking at everything is as fast")
	errBusy = errors.New("the layers could not be held still")
	// errMoved is no reason for a walk, but for a second look.
	errMoved = errors.New("the pool's metadata changed while they were read")
)

func (d *Differ) byBlocks(ctx context.Context, layer, parent Layer, still Still) ([]diff.Change, Method, error) {
	found, err := d.look(ctx, layer, parent, still)
	if err != nil {
		return nil, "", err
	}
	if 2*uint64(len(found.Inodes)) > found.Used {
		return nil, "", errMany
	}
	suspects := make(diff.Suspects, len(found.Inodes))
	for _, i := range found.Inodes {
		suspects[i.Number] = i.Links
	}
	var names diff.Names
	if d.inodesPerLookup*uint64(len(suspects)) < found.Used {
		index, err := nameindex.Open(layer.Dir)
		if err != nil {
			return nil, "", err
		}
		defer index.Close()
		names = index
	}
	changes, listed, err := diff.ChangesAmong(ctx, layer.Dir, parent.Dir, suspects, names)
	if listed {
		return changes, Listing, err
	}
	return changes, Blocks, err
}

// turnWait bounds each wait for other readers of the pool's metadata. A check of
// the pool reads for minutes where that is large.
const turnWait = 10 * time.Second

// look scans the layers while they are held still: as the pool committed them, or
// if it goes on doing that, from metadata that are held for it, which others may
// have. It waits before it holds them still: a container that writes meanwhile
// hangs.
func (d *Differ) look(ctx context.Context, layer, parent Layer, still Still) (inodescan.Result, error) {
	found, err := d.committed.look(ctx, layer, parent, still)
	if errors.Is(err, errMoved) {
		return d.held.look(ctx, layer, parent, still)
	}
	return found, err
}

func (v view) look(ctx context.Context, layer, parent Layer, still Still) (found inodescan.Result, err error) {
	wait, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	done, err := v.turn(wait)
	if err != nil {
		return found, fmt.Errorf("%w: %w", errBusy, err)
	}
	defer done()
	looked := false
	held := still(ctx, func() error {
		looked = true
		found, err = v.scan(ctx, parent.Device, layer.Device)
		return nil
	})
	if held != nil && !looked {
		return found, fmt.Errorf("%w: %w", errBusy, held)
	}
	return found, errors.Join(err, held)
}
