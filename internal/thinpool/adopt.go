package thinpool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm"
)

// Adopt uses an active thin pool that someone else made, LVM or the operator,
// for thin devices whose UUIDs begin with uuidPrefix. Close leaves the pool as
// it is. name is its device-mapper name.
//
// ErrNotActive: there is no such device. ErrForeign: it is no thin pool, or
// thin devices of someone else are active in it. ErrFailed, ErrNeedsCheck: as
// its status says; ErrReadOnly: it was made so. A pool that is merely full is
// adopted.
func Adopt(ctx context.Context, name, uuidPrefix string, log *logrus.Entry) (*Pool, error) {
	pool, err := adopt(ctx, name, uuidPrefix, log)
	if err != nil {
		return nil, fmt.Errorf("use thin pool %s: %w", name, explain(err))
	}
	return pool, nil
}

func adopt(ctx context.Context, name, uuidPrefix string, log *logrus.Entry) (*Pool, error) {
	if uuidPrefix == "" {
		return nil, errors.New("no prefix for the UUIDs of its devices")
	}
	info, err := findPool(ctx, name)
	if err != nil {
		return nil, err
	}
	p := newPool(dm.ID{Name: info.Name, UUID: info.UUID}, uuidPrefix, devNumber{info.Major, info.Minor}, log)
	p.adopted = true
	table, err := p.liveTable()
	if err != nil {
		return nil, err
	}
	p.blockSize = int64(table.blockSectors) * sectorSize
	if err := p.settle(ctx); err != nil {
		return nil, err
	}
	return p, p.usable(ctx, table)
}

// findPool looks the pool up. LVM gives the plain name of a pool that has
// volumes of LVM's own to a stand-in for people to see.
func findPool(ctx context.Context, name string) (dm.Info, error) {
	if err := ctx.Err(); err != nil {
		return dm.Info{}, err
	}
	info, err := dm.Lookup(dm.ID{Name: name})
	if err != nil {
		return dm.Info{}, err
	}
	if !info.Exists || !info.LiveTable {
		return dm.Info{}, fmt.Errorf("%w (for a logical volume: activate it with lvchange -ay)", ErrNotActive)
	}
	if hidden, err := dm.Lookup(dm.ID{Name: name + "-tpool"}); err == nil && hidden.Exists {
		return dm.Info{}, fmt.Errorf("%w: LVM has thin volumes of its own in it; give dmthin a pool of its own", ErrForeign)
	}
	return info, nil
}

// usable refuses a pool in which no layer could be made even with more space.
func (p *Pool) usable(ctx context.Context, table poolTable) error {
	if slices.Contains(table.features, "read_only") {
		return fmt.Errorf("%w: its table says so; reload it without read_only", ErrReadOnly)
	}
	status, err := p.Status(ctx)
	if err != nil {
		return err
	}
	if err := status.Check(); errors.Is(err, ErrFailed) || errors.Is(err, ErrNeedsCheck) {
		return err
	}
	strangers, err := p.strangers()
	if err != nil {
		return err
	}
	if len(strangers) > 0 {
		return fmt.Errorf("%w: the pool is in use by %s; give dmthin a pool of its own", ErrForeign, strings.Join(strangers, ", "))
	}
	return nil
}

// strangers names the devices on top of the pool that are not ours.
func (p *Pool) strangers() ([]string, error) {
	dir := filepath.Join("/sys/dev/block", p.number.String(), "holders")
	holders, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var strangers []string
	for _, h := range holders {
		name, uuid, err := holder(filepath.Join(dir, h.Name()))
		if err != nil {
			return nil, err
		}
		if name != "" && !p.owns(uuid) {
			strangers = append(strangers, name)
		}
	}
	return strangers, nil
}

// holder reads a device's names from sysfs. Without a name it is gone by now.
func holder(dir string) (name, uuid string, err error) {
	read := func(attribute string) string {
		text, readErr := os.ReadFile(filepath.Join(dir, "dm", attribute))
		if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) && !errors.Is(readErr, unix.ENODEV) {
			err = readErr
		}
		return strings.TrimSpace(string(text))
	}
	name, uuid = read("name"), read("uuid")
	if _, statErr := os.Stat(dir); statErr == nil && name == "" {
		name = filepath.Base(dir) // no device-mapper device
	}
	return name, uuid, err
}

// settle waits for the end of a change that LVM may be making right now. What
// is still midway after that was left by a process that has died.
func (p *Pool) settle(ctx context.Context) error {
	deadline := time.Now().Add(settleTimeout)
	for {
		info, err := dm.Lookup(p.id)
		if err != nil || !info.InactiveTable && !info.Suspended {
			return err
		}
		if time.Now().After(deadline) {
			p.log.Warnf("thin pool %s was left in the middle of a change; it goes on with its old table", p.id.Name)
			return p.finishReload(info)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settleInterval):
		}
	}
}
