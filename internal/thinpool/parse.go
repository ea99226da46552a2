package thinpool

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What a target reports when it could not read its metadata.
const statusError = "Error"

// parsePoolStatus reads the status line of a thin-pool target:
//
//	<transaction id> <used>/<total metadata> <used>/<total data> <held root|->
//	<mode> <discard> <no space> [<needs_check|-> [<metadata low water>]]
//
// or just "Fail". Fields that newer kernels may append are left alone.
func parsePoolStatus(params string) (Status, error) {
	fields := strings.Fields(params)
	if len(fields) == 1 && fields[0] == string(ModeFailed) {
		return Status{Mode: ModeFailed}, nil
	}
	if len(fields) == 1 && fields[0] == statusError {
		return Status{}, errors.New("the kernel could not read the pool's metadata: see the kernel log")
	}
	if len(fields) < 7 {
		return Status{}, fmt.Errorf("thin-pool status %q is too short", params)
	}
	var s Status
	p := fieldParser{}
	s.TransactionID = p.number("transaction ID", fields[0])
	s.MetadataUsed, s.MetadataTotal = p.usage("metadata", fields[1])
	s.DataUsed, s.DataTotal = p.usage("data", fields[2])
	if fields[3] != "-" {
		s.HeldRoot = p.number("held root", fields[3])
	}
	s.Mode = p.mode(fields[4])
	s.DiscardPassdown = p.choice(fields[5], "discard_passdown", "no_discard_passdown", "ignore_discard")
	s.ErrorIfNoSpace = p.choice(fields[6], "error_if_no_space", "queue_if_no_space")
	if len(fields) > 7 {
		s.NeedsCheck = p.choice(fields[7], "needs_check", "-")
	}
	if len(fields) > 8 {
		s.MetadataLowWater = p.number("metadata low water mark", fields[8])
	}
	if p.err != nil {
		return Status{}, fmt.Errorf("thin-pool status %q: %w", params, p.err)
	}
	return s, nil
}

// parseThinStatus reads the status line of a thin target, and returns the
// sectors that are mapped:
//
//	<mapped sectors> <highest mapped sector|->
func parseThinStatus(params string) (uint64, error) {
	fields := strings.Fields(params)
	if len(fields) == 1 && fields[0] == string(ModeFailed) {
		return 0, ErrFailed
	}
	if len(fields) < 2 {
		return 0, fmt.Errorf("thin status %q is too short", params)
	}
	p := fieldParser{}
	mapped := p.number("mapped sectors", fields[0])
	if fields[1] != "-" {
		p.number("highest mapped sector", fields[1])
	}
	if p.err != nil {
		return 0, fmt.Errorf("thin status %q: %w", params, p.err)
	}
	return mapped, nil
}

// fieldParser remembers the first field it can't read.
type fieldParser struct{ err error }

func (p *fieldParser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *fieldParser) number(what, field string) uint64 {
	n, err := strconv.ParseUint(field, 10, 64)
	if err != nil {
		p.fail(fmt.Errorf("%s: %w", what, err))
	}
	return n
}

func (p *fieldParser) usage(what, field string) (used, total uint64) {
	left, right, found := strings.Cut(field, "/")
	if !found {
		p.fail(fmt.Errorf("%s usage %q is not used/total", what, field))
		return 0, 0
	}
	return p.number("used "+what, left), p.number("total "+what, right)
}

func (p *fieldParser) mode(field string) Mode {
	switch mode := Mode(field); mode {
	case ModeReadWrite, ModeReadOnly, ModeOutOfDataSpace:
		return mode
	default:
		p.fail(fmt.Errorf("unknown mode %q", field))
		return ""
	}
}

// choice reports whether field is yes; otherwise it must be one of the others.
func (p *fieldParser) choice(field, yes string, others ...string) bool {
	if field == yes {
		return true
	}
	for _, other := range others {
		if field == other {
			return false
		}
	}
	p.fail(fmt.Errorf("unknown word %q", field))
	return false
}
