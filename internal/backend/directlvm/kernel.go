package directlvm

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm"
)

// kernelPool is a thin pool as the kernel has it.
type kernelPool struct {
	number         string // MAJOR:MINOR
	metadata, data string // device nodes
	blockSize      int64  // bytes

	transactionID uint64
	dataUsed      uint64 // blocks
	mode          string
	needsCheck    bool

	// strangers are the names of active thin devices that are not ours.
	strangers []string
}

// errNoDevice: device-mapper has no active device of that name.
var errNoDevice = errors.New("no such device")

// lookAtPool reads a pool's table and status. errNoDevice, ErrNotPool.
func lookAtPool(name, thinUUIDPrefix string) (kernelPool, error) {
	info, err := dm.Lookup(dm.ID{Name: name})
	if err != nil {
		return kernelPool{}, err
	}
	if !info.Exists || !info.LiveTable {
		return kernelPool{}, errNoDevice
	}
	table, err := dm.Table(dm.ID{Name: name})
	if err != nil {
		return kernelPool{}, err
	}
	if len(table) != 1 || table[0].Type != "thin-pool" {
		return kernelPool{}, ErrNotPool
	}
	p := kernelPool{number: fmt.Sprintf("%d:%d", info.Major, info.Minor)}
	if err := p.readTable(table[0].Params); err != nil {
		return kernelPool{}, err
	}
	status, err := dm.Status(dm.ID{Name: name}, true)
	if err != nil {
		return kernelPool{}, err
	}
	if len(status) != 1 {
		return kernelPool{}, ErrNotPool
	}
	if err := p.readStatus(status[0].Params); err != nil {
		return kernelPool{}, err
	}
	p.strangers, err = strangers(p.number, thinUUIDPrefix)
	return p, err
}

// readTable takes "METADATA DATA BLOCKSECTORS …", devices as MAJOR:MINOR.
func (p *kernelPool) readTable(params string) error {
	fields := strings.Fields(params)
	if len(fields) < 3 {
		return fmt.Errorf("thin-pool table %q is too short", params)
	}
	sectors, err := strconv.ParseInt(fields[2], 10, 32)
	if err != nil {
		return fmt.Errorf("thin-pool table %q: %w", params, err)
	}
	p.blockSize = sectors * 512
	if p.metadata, err = nodeOf(fields[0]); err != nil {
		return err
	}
	p.data, err = nodeOf(fields[1])
	return err
}

// readStatus takes "ID USED/TOTAL USED/TOTAL ROOT MODE DISCARD NOSPACE CHECK",
// or one word that says that the pool is lost.
func (p *kernelPool) readStatus(params string) error {
	fields := strings.Fields(params)
	if len(fields) == 1 {
		p.mode = fields[0]
		return nil
	}
	if len(fields) < 5 {
		return fmt.Errorf("thin-pool status %q is too short", params)
	}
	var err error
	if p.transactionID, err = strconv.ParseUint(fields[0], 10, 64); err != nil {
		return fmt.Errorf("thin-pool status %q: %w", params, err)
	}
	used, _, _ := strings.Cut(fields[2], "/")
	if p.dataUsed, err = strconv.ParseUint(used, 10, 64); err != nil {
		return fmt.Errorf("thin-pool status %q: %w", params, err)
	}
	p.mode = fields[4]
	p.needsCheck = len(fields) > 7 && fields[7] == "needs_check"
	return nil
}

// strangers lists the active thin devices of a pool that are not ours.
func strangers(pool, thinUUIDPrefix string) ([]string, error) {
	names, err := dm.List()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range names {
		info, err := dm.Lookup(dm.ID{Name: name})
		if err != nil {
			return nil, err
		}
		if !info.Exists || !info.LiveTable || strings.HasPrefix(info.UUID, thinUUIDPrefix) {
			continue
		}
		table, err := dm.Table(dm.ID{Name: name})
		if errors.Is(err, unix.ENXIO) { // gone meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(table) == 1 && table[0].Type == "thin" && strings.HasPrefix(table[0].Params, pool+" ") {
			found = append(found, name)
		}
	}
	return found, nil
}
