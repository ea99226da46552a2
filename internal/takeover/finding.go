package takeover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dmthin/dmthin/internal/check"
	"github.com/dmthin/dmthin/internal/state"
)

// Finding is one thing that is wrong.
type Finding struct {
	Name    string // what to accept it by
	Message string
	Fatal   bool // it can't be accepted: the other driver would not start, or lose more
}

// accept returns the findings that stand in the way after those that the
// operator gave up by name.
func accept(found []Finding, names []string) ([]Finding, error) {
	for _, name := range names {
		if !slices.ContainsFunc(found, func(f Finding) bool { return f.Name == name }) {
			return nil, fmt.Errorf("%w: there is no finding %q to accept", ErrFound, name)
		}
	}
	return slices.DeleteFunc(slices.Clone(found), func(f Finding) bool {
		return !f.Fatal && slices.Contains(names, f.Name)
	}), nil
}

// refuse makes the error of findings that stand in the way.
func refuse(found []Finding) error {
	var fatal, open []string
	for _, f := range found {
		if f.Fatal {
			fatal = append(fatal, f.Name+": "+f.Message)
		} else if !slices.Contains(open, f.Name) {
			open = append(open, f.Name)
		}
	}
	switch {
	case len(fatal) > 0:
		return fmt.Errorf("%w: %s; nothing was changed", ErrFound, strings.Join(fatal, "; "))
	case len(open) > 0:
		return fmt.Errorf("%w, see the findings; nothing was changed; correct it, or give up what is lost by --accept-loss %s", ErrFound, strings.Join(open, ","))
	}
	return nil
}

func (s *survey) find(name, format string, args ...any) {
	s.findings = append(s.findings, Finding{Name: name, Message: fmt.Sprintf(format, args...)})
}

func (s *survey) fatal(name, format string, args ...any) {
	s.findings = append(s.findings, Finding{Name: name, Message: fmt.Sprintf(format, args...), Fatal: true})
}

func (s *survey) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// translateFindings takes over what is wrong between records and pool, in words
// for a host that has no dmthin yet.
func (s *survey) translateFindings(found []check.Finding) {
	waiting := 0
	for _, f := range found {
		name := strings.ReplaceAll(f.Subject, " ", "-")
		switch f.Kind {
		case check.WaitingDeletion:
			waiting++
		case check.NeedsCheck:
			s.fatal(name, "a write of its metadata failed, and the kernel writes no more until thin_check has been run: %s", s.howToCheck())
		case check.Metadata:
			s.fatal(name, "%s", f.Message)
		case check.NoBase:
			s.fatal(name, "there is no record of the base device, and no driver starts without it: restore %s/base from a backup", s.records.dir)
		case check.TransactionID:
			s.transactionFinding(f)
		case check.LeakedDevice:
			s.find(name, "it is in the pool and in no record that can be read: a removal that a crash cut short, or the content of a record that is missing; its space comes back with dmthin gc")
		case check.DamagedRecord:
			s.damagedFinding(f)
		case check.LostDevice:
			s.find(name, "%s%s", f.Message, s.namedBy(f.Subject))
		default:
			s.find(name, "%s", f.Message)
		}
	}
	if waiting > 0 {
		s.note("%d removed layers still have their blocks (deferred deletion); the driver that starts next finishes that", waiting)
	}
}

// damagedFinding is about a record that can't be read, or contradicts another.
func (s *survey) damagedFinding(f check.Finding) {
	switch f.Subject {
	case state.BaseName:
		s.fatal(f.Subject, "%s; no driver starts without it", f.Message)
	case intentName:
		s.adjustIntent()
		s.find(f.Subject, "%s; giving it up means that no change of the pool was under way", f.Message)
	default:
		s.find(f.Subject, "%s%s", f.Message, s.namedBy(f.Subject))
	}
}

func (s *survey) namedBy(id string) string {
	if owner, ok := s.stores.layers[id]; ok {
		return " (docker's " + owner + ")"
	}
	return ""
}

func (s *survey) howToCheck() string {
	if s.pool.name != "" {
		return "deactivate and activate it (lvchange -an VG/POOL; lvchange -ay VG/POOL), and see lvconvert --repair if that doesn't help"
	}
	return "thin_check --clear-needs-check-flag " + s.pool.metadata
}

// transactionFinding allows for what Docker's driver does: it removes its
// record after it has taken back a change that a crash cut short.
func (s *survey) transactionFinding(f check.Finding) {
	if !s.records.HasIntent && s.from == BuiltIn {
		s.adjustIntent()
		s.note("there is no record of the last transaction, which Docker's driver removes after a crash; it is written anew from the pool's (%d)", s.metadata.TransactionID)
		return
	}
	s.find(f.Subject, "%s; giving it up means that the records are right", f.Message)
	s.adjustIntent()
}

func sortFindings(found []Finding) {
	slices.SortFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Message, b.Message))
	})
}
