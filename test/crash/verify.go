//go:build dmtest

package crash

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dmthin/dmthin/internal/admin"
)

// verify compares what a running daemon shows with what is expected, and
// returns what is wrong. Afterwards the daemon must still make layers.
func (d *daemon) verify(ctx context.Context, operations []operation, at []progress) []string {
	wanted := expect(operations, at)
	wrong := d.compareLayers(wanted, operations, at)
	wrong = append(wrong, d.compareList(ctx, wanted)...)
	wrong = append(wrong, d.compareSize(ctx, grownTo(operations, at))...)
	wrong = append(wrong, d.settled(ctx, wanted)...)
	if err := errors.Join(d.create("afterwards", "", ""), d.remove("afterwards")); err != nil {
		wrong = append(wrong, fmt.Sprintf("afterwards no layer can be made and removed: %v", err))
	}
	return wrong
}

func (d *daemon) compareLayers(wanted map[string]*expected, operations []operation, at []progress) (wrong []string) {
	full := map[string]map[string]string{}
	for n, o := range operations {
		if at[n] == underWay && o.verb == fill {
			full[o.layer] = o.files
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		got, err := d.look(name)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("layer %s can't be looked at: %v", name, err))
			continue
		}
		wrong = append(wrong, wanted[name].compare(name, got, full[name])...)
	}
	return wrong
}

// look reads a layer through the protocol.
func (d *daemon) look(name string) (found, error) {
	var exists struct{ Exists bool }
	if err := d.Call("Exists", map[string]string{"ID": name}, &exists); err != nil || !exists.Exists {
		return found{}, err
	}
	dir, err := d.get(name)
	if err != nil && strings.Contains(err.Error(), "unfinished") {
		return found{exists: true, unfinished: true}, nil
	}
	if err != nil {
		return found{}, err
	}
	files, err := readFiles(dir)
	return found{exists: true, files: files}, errors.Join(err, d.put(name))
}

func readFiles(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		files[name] = string(content)
		return err
	})
	return files, err
}

// compareList finds layers that nobody asked for.
func (d *daemon) compareList(ctx context.Context, wanted map[string]*expected) (wrong []string) {
	layers, err := d.admin().Layers(ctx)
	if err != nil {
		return []string{fmt.Sprintf("the layers can't be listed: %v", err)}
	}
	for _, l := range layers {
		if w := wanted[l.ID]; l.ID != "base" && l.ID != "" && (w == nil || w.gone) {
			wrong = append(wrong, fmt.Sprintf("layer %s is listed", l.ID))
		}
	}
	return wrong
}

// compareSize finds a pool that did not stay as large as was acknowledged.
func (d *daemon) compareSize(ctx context.Context, least poolSize) []string {
	status, err := d.admin().Status(ctx)
	if err != nil {
		return []string{fmt.Sprintf("status: %v", err)}
	}
	if got := (poolSize{status.Pool.DataTotal, status.Pool.MetadataTotal}); got.data < least.data || got.metadata < least.metadata {
		return []string{fmt.Sprintf("the pool's size is %v, it had grown to %v", got, least)}
	}
	return nil
}

// settled waits until removed layers have given back their devices, and has the
// daemon check itself: nothing may be leaked.
func (d *daemon) settled(ctx context.Context, wanted map[string]*expected) (wrong []string) {
	return d.settledWithin(ctx, wanted, callLimit)
}

func (d *daemon) settledWithin(ctx context.Context, wanted map[string]*expected, limit time.Duration) (wrong []string) {
	for begin := time.Now(); time.Since(begin) < limit; {
		status, err := d.admin().Status(ctx)
		if err != nil {
			return []string{fmt.Sprintf("status: %v", err)}
		}
		if status.Pool.DeferredDeletedDevices == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	report, err := d.admin().Check(ctx, admin.CheckRequest{}, func(string) {})
	if err != nil {
		return []string{fmt.Sprintf("check: %v", err)}
	}
	for _, f := range report.Findings {
		if w := wanted[f.Subject]; f.Kind == "unfinished_layer" && w != nil && w.unfinished {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("check: %s %s: %s", f.Kind, f.Subject, f.Message))
	}
	return wrong
}

// stop ends the daemon as dockerd does.
func (d *daemon) stop() error { return errors.Join(d.cleanup(), d.end(syscall.SIGTERM)) }
