package thinpool

import (
	"fmt"
	"strconv"
	"strings"
)

// Names of the targets.
const (
	poolTarget = "thin-pool"
	thinTarget = "thin"
)

// devNumber is a block device, written major:minor in tables.
type devNumber struct{ major, minor uint32 }

func (n devNumber) String() string { return fmt.Sprintf("%d:%d", n.major, n.minor) }

func parseDevNumber(s string) (devNumber, error) {
	left, right, found := strings.Cut(s, ":")
	major, err1 := strconv.ParseUint(left, 10, 12)
	minor, err2 := strconv.ParseUint(right, 10, 20)
	if !found || err1 != nil || err2 != nil {
		return devNumber{}, fmt.Errorf("%q is not a device number", s)
	}
	return devNumber{uint32(major), uint32(minor)}, nil
}

// poolTable is the parameters of a thin-pool target.
type poolTable struct {
	metadata, data devNumber
	blockSectors   uint64
	lowWater       uint64 // blocks
	features       []string
}

func (t poolTable) String() string {
	fields := []string{
		t.metadata.String(), t.data.String(),
		strconv.FormatUint(t.blockSectors, 10), strconv.FormatUint(t.lowWater, 10),
		strconv.Itoa(len(t.features)),
	}
	return strings.Join(append(fields, t.features...), " ")
}

func parsePoolTable(params string) (poolTable, error) {
	fields := strings.Fields(params)
	if len(fields) < 4 {
		return poolTable{}, fmt.Errorf("thin-pool table %q is too short", params)
	}
	var t poolTable
	var err error
	if t.metadata, err = parseDevNumber(fields[0]); err != nil {
		return poolTable{}, fmt.Errorf("thin-pool table %q: metadata device: %w", params, err)
	}
	if t.data, err = parseDevNumber(fields[1]); err != nil {
		return poolTable{}, fmt.Errorf("thin-pool table %q: data device: %w", params, err)
	}
	if t.blockSectors, err = strconv.ParseUint(fields[2], 10, 32); err != nil {
		return poolTable{}, fmt.Errorf("thin-pool table %q: block size: %w", params, err)
	}
	if t.lowWater, err = strconv.ParseUint(fields[3], 10, 64); err != nil {
		return poolTable{}, fmt.Errorf("thin-pool table %q: low water mark: %w", params, err)
	}
	if len(fields) > 5 {
		t.features = fields[5:] // fields[4] is their number
	}
	return t, nil
}

// thinTable is the parameters of a thin target.
type thinTable struct {
	pool devNumber
	id   DeviceID
}

func (t thinTable) String() string { return fmt.Sprintf("%s %d", t.pool, t.id) }

func parseThinTable(params string) (thinTable, error) {
	fields := strings.Fields(params)
	if len(fields) != 2 { // a third would be an external origin, which we never use
		return thinTable{}, fmt.Errorf("thin table %q has not two fields", params)
	}
	pool, err := parseDevNumber(fields[0])
	if err != nil {
		return thinTable{}, fmt.Errorf("thin table %q: pool: %w", params, err)
	}
	id, err := strconv.ParseUint(fields[1], 10, 24)
	if err != nil {
		return thinTable{}, fmt.Errorf("thin table %q: device ID: %w", params, err)
	}
	return thinTable{pool, DeviceID(id)}, nil
}
