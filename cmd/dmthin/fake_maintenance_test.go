package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/filesystem"
)

// maintenance is the part of the fake daemon that does an operator's work: it
// notes what it was asked and answers from its fields.
type maintenance struct {
	asked   []any
	refusal error // of everything
	check   admin.CheckReport
	trim    admin.TrimReport
	leaked  []uint32
	young   map[string]bool // layers that may not be collected
	backup  map[string][]byte
}

func (m *maintenance) did(request any) error {
	m.asked = append(m.asked, request)
	return m.refusal
}

func (m *maintenance) Check(_ context.Context, req admin.CheckRequest, _ admin.Progress) (admin.CheckReport, error) {
	return m.check, m.did(req)
}

func (m *maintenance) Collect(_ context.Context, req admin.CollectRequest, _ admin.Progress) (admin.CollectReport, error) {
	var r admin.CollectReport
	for n, id := range req.Layers {
		g := admin.Garbage{Layer: id, DeviceID: uint32(40 + n), Mapped: 3145728}
		if m.young[id] {
			g.Kept = "it is only 3s old"
		} else {
			g.Deleted = req.Delete
		}
		r.Garbage = append(r.Garbage, g)
	}
	for _, id := range m.leaked {
		r.Garbage = append(r.Garbage, admin.Garbage{Leaked: true, DeviceID: id, Mapped: 65536, Deleted: req.Delete})
	}
	return r, m.did(req)
}

func (m *maintenance) Trim(_ context.Context, req admin.TrimRequest, _ admin.Progress) (admin.TrimReport, error) {
	return m.trim, m.did(req)
}

func (m *maintenance) Resize(_ context.Context, req admin.ResizeRequest, _ admin.Progress) (admin.ResizeReport, error) {
	r := admin.ResizeReport{DataBefore: 107374182400, Data: 107374182400, MetadataBefore: 2147483648, Metadata: 2147483648}
	r.Data, r.Metadata = max(r.Data, req.Data), max(r.Metadata, req.Metadata)
	return r, m.did(req)
}

func (m *maintenance) Backup(_ context.Context, w io.Writer) error {
	if m.refusal != nil {
		return m.refusal
	}
	return admin.WriteBackup(w, admin.BackupManifest{
		Made: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC), PoolID: "4f1c2a3b", TransactionID: 42, BaseUUID: "0b9a",
	}, m.backup)
}

func (m *maintenance) Snapshot(_ context.Context, req admin.SnapshotRequest) (admin.Layer, error) {
	l := admin.Layer{ID: req.ID, Parent: req.Parent, DeviceID: 6, Size: 10737418240, Mapped: admin.MappedUnknown, Exclusive: admin.MappedUnknown, State: admin.LayerReady}
	return l, m.did(req)
}

func (m *maintenance) Remove(_ context.Context, id string, force bool) error {
	return m.did(fmt.Sprintf("remove %s force=%v", id, force))
}

func (m *maintenance) Hold(_ context.Context, id string, req admin.HoldRequest) (admin.Held, error) {
	held := admin.Held{ID: id, Device: "/dev/dm-3", Filesystem: "ext4", Root: "rootfs"}
	return held, m.did(fmt.Sprintf("hold %s write=%v", id, req.Write))
}

func (m *maintenance) Release(_ context.Context, id string) error {
	return m.did("release " + id)
}

// noMounts stands in for the kernel.
type noMounts struct {
	did []string
	err error
}

func (m *noMounts) MountView(_ context.Context, device, dir string, t filesystem.Type, write bool) error {
	m.did = append(m.did, fmt.Sprintf("mount %s %s %s write=%v", device, dir, t, write))
	return m.err
}

func (m *noMounts) UnmountView(_ context.Context, deviceName, dir string) error {
	m.did = append(m.did, "unmount "+deviceName+" "+dir)
	return m.err
}
