package takeover

import (
	"context"
	"fmt"
	"time"
)

// Plan is what an operation found, and what it will do.
type Plan struct {
	Root       string
	Docker     string // the installed release; "" if there is none in PATH
	Pool       PoolKind
	PoolAt     string // file, device or device-mapper name
	Filesystem string // of the base device
	// TransactionID is the pool's.
	TransactionID uint64
	Layers        int // records, the base device's among them
	Devices       int // in the pool
	Images        int
	Containers    int
	Findings      []Finding
	Notes         []string
	Steps         []string
	Resumed       bool // it goes on with what was cut short, and looks at nothing again

	to      Driver
	survey  *survey // nil where the backups exist already
	journal journal
}

// PlanAdopt plans the way from Docker's driver to dmthin. accepted are names of
// findings whose loss the operator takes. An error of kind ErrFound comes with
// the plan, to show what was found.
func (t *Takeover) PlanAdopt(ctx context.Context, accepted []string) (Plan, error) {
	j, err := t.readJournal()
	if err != nil {
		return Plan{}, err
	}
	switch {
	case j == nil:
	case j.To == BuiltIn:
		return Plan{}, fmt.Errorf("%w: the way back to Docker's driver; finish it with dmthin release", ErrUnfinished)
	case j.Done:
		return Plan{}, fmt.Errorf("%w: %s is adopted since %s; dmthin adopt --commit removes the backups, dmthin adopt --undo takes it back", ErrNothing, t.root, j.Began.Format(time.DateTime))
	default:
		return t.goOn(ctx, *j, false, accepted)
	}
	if !exists(BuiltIn.state(t.root)) {
		return Plan{}, fmt.Errorf("%w: %s has no folder %s; it is dmthin's already", ErrNothing, t.root, BuiltIn)
	}
	return t.plan(ctx, BuiltIn, accepted)
}

// PlanRelease plans the way from dmthin to Docker's driver. It also takes back
// an adoption that is not committed.
func (t *Takeover) PlanRelease(ctx context.Context, accepted []string) (Plan, error) {
	j, err := t.readJournal()
	if err != nil {
		return Plan{}, err
	}
	switch {
	case j != nil && j.To == BuiltIn:
		return t.goOn(ctx, *j, false, accepted)
	case j != nil && !j.Done:
		return Plan{}, fmt.Errorf("%w: the way to dmthin; dmthin adopt finishes it, dmthin adopt --undo takes it back", ErrUnfinished)
	case j == nil && !exists(DMThin.state(t.root)):
		return Plan{}, fmt.Errorf("%w: %s has no folder %s; it is Docker's already", ErrNothing, t.root, DMThin)
	}
	return t.planBack(ctx, j, false, accepted)
}

// PlanUndo plans to take back an adoption that is not committed, finished or
// not.
func (t *Takeover) PlanUndo(ctx context.Context, accepted []string) (Plan, error) {
	j, err := t.readJournal()
	if err != nil {
		return Plan{}, err
	}
	switch {
	case j == nil:
		return Plan{}, fmt.Errorf("%w: no adoption of %s waits to be committed; dmthin release hands a pool back at any time", ErrNothing, t.root)
	case j.To == BuiltIn:
		return t.goOn(ctx, *j, true, accepted)
	}
	now, err := readDocument(j.ConfigFile)
	if err != nil {
		return Plan{}, err
	}
	if j.Done || t.complete(*j, now) {
		return t.planBack(ctx, j, true, accepted)
	}
	// Nobody has used the half of it: what was checked then still holds.
	back, err := t.reverse(*j)
	if err != nil {
		return Plan{}, err
	}
	return t.resume(back)
}

// Commit ends the time in which an adoption can be undone.
func (t *Takeover) Commit() error {
	j, err := t.readJournal()
	switch {
	case err != nil:
		return err
	case j == nil:
		return fmt.Errorf("%w: no adoption of %s waits to be committed", ErrNothing, t.root)
	case !j.Done:
		return fmt.Errorf("%w: finish it first, with dmthin %s", ErrUnfinished, map[Driver]string{DMThin: "adopt", BuiltIn: "release"}[j.To])
	}
	return t.end()
}

// goOn is for an operation that was cut short. Where its first step never was,
// docker has had the data since, and all is looked at again.
func (t *Takeover) goOn(ctx context.Context, j journal, whole bool, accepted []string) (Plan, error) {
	now, err := readDocument(j.ConfigFile)
	switch {
	case err != nil:
		return Plan{}, err
	case t.begun(j, now):
		return t.resume(j)
	case j.Adoption != nil:
		return t.planBack(ctx, j.Adoption, whole, accepted)
	}
	return t.plan(ctx, j.To.other(), accepted)
}

func (t *Takeover) resume(j journal) (Plan, error) {
	p := Plan{Root: t.root, Resumed: true, to: j.To, journal: j}
	return p, t.listSteps(&p)
}

func (t *Takeover) listSteps(p *Plan) error {
	steps, err := t.steps(p.journal)
	for _, s := range steps {
		p.Steps = append(p.Steps, s.name)
	}
	return err
}

// Apply does what a plan says. report is told each step. A crash, or an error
// on the way, is finished by the same operation again, and an adoption also
// taken back.
func (t *Takeover) Apply(p Plan, report func(step string)) error {
	switch {
	case p.survey != nil:
		if err := t.pause("begin"); err != nil {
			return err
		}
		report("back up records and settings to " + journalDir(t.root))
		if err := t.begin(p.journal, p.survey); err != nil {
			return err
		}
	default:
		if err := writeJournal(journalDir(t.root), p.journal); err != nil {
			return err
		}
	}
	return t.carryOut(p.journal, report)
}
