//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// privilege is one thing that config.json asks for, and work that fails without
// it and does not with it.
type privilege struct {
	name    string
	without func(pluginSettings)
	work    func(*lonePlugin) error
}

var privileges = []privilege{
	{"CAP_SYS_ADMIN", withoutCapability("CAP_SYS_ADMIN"), fillsLayers},
	{"CAP_SYS_RESOURCE", withoutCapability("CAP_SYS_RESOURCE"), fillsLayers},
	{"allowAllDevices", withoutDevices, fillsLayers},
	{"propagatedMount", without("PropagatedMount", ""), fillsLayers},
	{"dev", withoutMount("dev"), fillsLayers},
	{"udev", withoutMount("udev"), fillsLayers},
	{"data-root", withoutMount("data-root"), fillsLayers},
	{"sysfs", withoutMount("sysfs"), setsErrorBehaviour},
	{"lock", withoutMount("lock"), makesVolumes},
	{"ipchost", without("IpcHost", false), makesVolumes},
}

//vm:once
//vm:long
func TestEveryPrivilegeOfThePluginIsNeeded(t *testing.T) {
	d, folder := installedPlugin(t)
	root := freshRoot(t, "privileges-state")
	type row struct {
		privilege
		whole bool
	}
	rows := []row{{privilege{"all, loop-lvm", nil, fillsLayers}, true}, {privilege{"all, xfs", nil, setsErrorBehaviour}, true},
		{privilege{"all, direct-lvm", nil, makesVolumes}, true}}
	for _, p := range privileges {
		rows = append(rows, row{p, false})
	}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = fmt.Sprintf("%064x", i+1)
		cloneFolder(t, folder, ids[i], fmt.Sprintf("row%d:latest", i), filepath.Join(root, ids[i]), r.without)
		if err := os.Mkdir(filepath.Join(root, ids[i]), 0o711); err != nil {
			t.Fatal(err)
		}
	}
	d.start(t)
	for i, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			expectKernel(t, suspendedPool)
			defer blankDisk(t, spareDisk)
			p, disable := enableLone(t, d, ids[i], fmt.Sprintf("row%d:latest", i), filepath.Join(root, ids[i]))
			defer disable()
			err := r.work(p)
			switch {
			case r.whole && err != nil:
				t.Error(err)
			case !r.whole && err == nil:
				t.Errorf("nothing fails without %s: leave it out of config.json", r.name)
			}
			t.Log(err)
		})
	}
}

// installedPlugin leaves the managed plugin in a stopped dockerd.
func installedPlugin(t *testing.T) (d *dockerd, folder string) {
	t.Helper()
	d = startDockerd(t, dockerdConfig{Name: "privileges", Root: freshRoot(t, "privileges"), Driver: "overlay2"})
	d.run(t, "plugin", "create", "dmthin", env.plugin)
	id := d.run(t, "plugin", "inspect", "--format", "{{.ID}}", "dmthin")
	d.stop(t)
	return d, filepath.Join(d.Root, "plugins", id)
}

// fillsLayers makes a layer, fills it, grows a child, and looks from the host.
func fillsLayers(p *lonePlugin) error {
	if err := p.init("dm.loopdatasize=2G", "dm.loopmetadatasize=64M", "dm.basesize=256M"); err != nil {
		return err
	}
	if err := errors.Join(p.create("image", ""), p.applyDiff("image", "", oneFileTar())); err != nil {
		return err
	}
	child := map[string]any{"ID": "container", "Parent": "image", "StorageOpt": map[string]string{"size": "512M"}}
	if err := p.Call("CreateReadWrite", child, nil); err != nil {
		return err
	}
	dir, err := p.get("container")
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		return fmt.Errorf("the host does not see the layer: %w", err)
	}
	if _, err := os.Stat(filepath.Join(p.root, "dmthin", "devicemapper", "data")); err != nil {
		return fmt.Errorf("the state would go with the plugin: %w", err)
	}
	return errors.Join(p.put("container"), p.remove("container"), p.remove("image"))
}

// oneFileTar is a layer with a file that has an owner and an attribute.
func oneFileTar() *bytes.Buffer {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "file", Mode: 0o4755, Uid: 7, Gid: 8,
		PAXRecords: map[string]string{"SCHILY.xattr.trusted.a": "1"}})
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // memory takes it
	}
	return &buf
}

// setsErrorBehaviour has xfs give up at once on a full pool.
func setsErrorBehaviour(p *lonePlugin) error {
	if err := p.init("dm.loopdatasize=2G", "dm.loopmetadatasize=64M", "dm.basesize=512M", "dm.fs=xfs", "dm.xfs_nospace_max_retries=7"); err != nil {
		return err
	}
	if err := p.create("layer", ""); err != nil {
		return err
	}
	dir, err := p.get("layer")
	if err != nil {
		return err
	}
	var s unix.Stat_t
	if err := unix.Stat(dir, &s); err != nil {
		return err
	}
	name, err := os.Readlink(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(s.Dev), unix.Minor(s.Dev)))
	if err != nil {
		return err
	}
	value, err := os.ReadFile(filepath.Join("/sys/fs/xfs", filepath.Base(name), "error/metadata/ENOSPC/max_retries"))
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(string(value)); got != "7" {
		return fmt.Errorf("retries are %s, not 7", got)
	}
	return errors.Join(p.put("layer"), p.remove("layer"))
}

// makesVolumes has LVM make the pool, with locks that the host's LVM respects.
// They are files that are there while the lock is held.
func makesVolumes(p *lonePlugin) error {
	done := make(chan error, 1)
	go func() { done <- p.init("dm.directlvm_device="+spareDisk, "dm.basesize=256M") }()
	for locked := false; ; {
		select {
		case err := <-done:
			if err == nil && !locked {
				err = errors.New("the host saw no lock of the plugin's LVM")
			}
			return err
		case <-time.After(2 * time.Millisecond):
			_, err := os.Stat("/run/lock/lvm/V_docker")
			locked = locked || err == nil
		}
	}
}
