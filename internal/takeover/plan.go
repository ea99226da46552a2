package takeover

import (
	"context"
	"fmt"
	"slices"
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
		return t.resume(*j)
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
		return t.resume(*j)
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
		return t.resume(*j)
	case j.Done:
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

// plan is for an operation that nothing came before.
func (t *Takeover) plan(ctx context.Context, from Driver, accepted []string) (Plan, error) {
	p, s, err := t.examine(ctx, from)
	if err != nil {
		return p, err
	}
	after, err := t.configFor(p.to, t.config, s.settings.after)
	if err != nil {
		return p, err
	}
	p.survey = s
	p.journal = journal{
		Version: journalVersion, To: p.to, Began: time.Now().UTC(), Intent: s.intent,
		MakeRoom:   t.occupied(p.to),
		ConfigFile: t.config.path, Before: t.config.textOrNil(), After: after.textOrNil(),
	}
	return t.decide(p, s, accepted)
}

// planBack is the way back, of an adoption if there is a journal of one. whole
// brings records back too that were given up: Docker's driver doesn't start
// with one that it can't read, but so it was.
func (t *Takeover) planBack(ctx context.Context, j *journal, whole bool, accepted []string) (Plan, error) {
	if j == nil {
		return t.plan(ctx, DMThin, accepted)
	}
	p, s, err := t.examine(ctx, DMThin)
	if err != nil {
		return p, err
	}
	if p.journal, err = t.reverse(*j); err != nil {
		return p, err
	}
	p.journal.MakeRoom = t.occupied(p.to)
	if !whole {
		p.journal.Return = nil
	}
	// What was given up on the way here is no news; of that only what is found
	// again counts.
	for _, name := range j.Accepted {
		if isOpen(p.Findings, name) {
			accepted = append(accepted, name)
		}
	}
	return t.decide(p, s, accepted)
}

// examine looks at all there is.
func (t *Takeover) examine(ctx context.Context, from Driver) (Plan, *survey, error) {
	p := Plan{Root: t.root, to: from.other()}
	if err := t.examineDocker(ctx, &p); err != nil {
		return p, nil, err
	}
	t.examineForms(&p)
	s, err := t.look(ctx, from)
	if err != nil {
		return p, nil, err
	}
	s.examineFit()
	sortFindings(s.findings)
	p.Pool, p.PoolAt = s.pool.kind, s.pool.data
	if s.pool.name != "" {
		p.PoolAt = s.pool.name
	}
	p.Filesystem, p.TransactionID = string(s.base.Type), s.metadata.TransactionID
	p.Layers, p.Devices, p.Images, p.Containers = len(s.records.Layers), len(s.devices), s.stores.images, len(s.stores.containers)
	p.Findings, p.Notes = s.findings, append(p.Notes, s.notes...)
	return p, s, nil
}

// decide takes in what the operator gives up, and refuses the rest.
func (t *Takeover) decide(p Plan, s *survey, accepted []string) (Plan, error) {
	left, err := accept(p.Findings, accepted)
	if err != nil {
		return p, err
	}
	for name := range s.records.Damaged {
		if !isOpen(left, name) {
			// Docker's driver doesn't start with one, dmthin would go on about it.
			p.journal.Aside = append(p.journal.Aside, name)
		}
	}
	slices.Sort(p.journal.Aside)
	p.journal.Accepted = accepted
	if err := t.listSteps(&p); err != nil {
		return p, err
	}
	return p, refuse(left)
}

func isOpen(found []Finding, name string) bool {
	return slices.ContainsFunc(found, func(f Finding) bool { return f.Name == name })
}

// configFor makes daemon.json for a driver.
func (t *Takeover) configFor(to Driver, now *document, opts []string) (*document, error) {
	next, err := now.set("storage-driver", to)
	if err == nil && (len(opts) > 0 || now.has("storage-opts")) {
		next, err = next.set("storage-opts", append([]string{}, opts...))
	}
	if err == nil && to == DMThin {
		next, err = next.set("experimental", true)
	}
	if err != nil {
		return nil, err
	}
	next.exists = true
	return next, nil
}

// reverse makes the journal of the way back from an adoption.
func (t *Takeover) reverse(j journal) (journal, error) {
	back := journal{
		Version: journalVersion, To: j.To.other(), Began: time.Now().UTC(),
		Return: j.Aside, Forget: j.Intent, ConfigFile: j.ConfigFile, Before: j.Before, After: j.Before,
	}
	now, err := readDocument(j.ConfigFile)
	if err != nil {
		return back, err
	}
	if isGuard(now) || same(now.textOrNil(), j.After) || same(now.textOrNil(), j.Before) {
		return back, nil
	}
	// Somebody changed it since: that stays.
	s, err := t.translate(j.To)
	if err != nil {
		return back, err
	}
	after, err := t.configFor(back.To, now, s.after)
	if err != nil {
		return back, err
	}
	back.Before, back.After = now.textOrNil(), after.textOrNil()
	return back, nil
}

// occupied tells whether there are folders of a driver; examineTarget refuses
// those that have something in them.
func (t *Takeover) occupied(d Driver) bool {
	return exists(d.state(t.root)) || exists(d.images(t.root))
}

func same(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
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
