package takeover

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dmthin/dmthin/internal/state"
)

// step is one change. Doing it again changes nothing.
type step struct {
	name string
	do   func() error
}

// guardPrefix begins the storage driver's name in daemon.json while an
// operation is under way: dockerd would take the half of it for the whole, and
// with a driver that doesn't exist it doesn't start. The rest of the name tells
// why.
const guardPrefix = "unfinished-"

func guardName(to Driver) string {
	if to == DMThin {
		return guardPrefix + "run-dmthin-adopt"
	}
	return guardPrefix + "run-dmthin-release"
}

// steps is all that an operation does, from daemon.json that keeps dockerd from
// starting to daemon.json that lets it.
func (t *Takeover) steps(j journal) ([]step, error) {
	from, to := j.To.other(), j.To
	now, err := readDocument(j.ConfigFile)
	if err != nil {
		return nil, err
	}
	var steps []step
	add := func(name string, do func() error) { steps = append(steps, step{name, do}) }
	complete := t.complete(j, now)
	if !complete {
		add("keep dockerd from starting, by "+j.ConfigFile, func() error { return t.guard(j) })
	}
	if j.MakeRoom {
		add("move the empty folders of "+string(to)+" aside", func() error { return t.makeRoom(from, to) })
	}
	add("image/"+string(from)+" becomes image/"+string(to), func() error { return t.moveImages(from, to) })
	containers, err := readContainers(t.root, from)
	if err != nil {
		return nil, err
	}
	for _, id := range containers {
		add("container "+short(id)+" gets storage driver "+string(to), func() error { return t.setContainerDriver(id, to) })
	}
	if from == DMThin && exists(t.initRecord()) {
		add("have the host daemon forget this data-root", t.forgetInit)
	}
	add(string(from)+" becomes "+string(to), func() error { return move(from.state(t.root), to.state(t.root)) })
	for _, name := range j.Aside {
		add("move record "+name+" aside", func() error { return t.setAside(to, name) })
	}
	for _, name := range j.Return {
		add("bring back record "+name, func() error { return t.bringBack(to, name) })
	}
	if j.Intent != nil {
		add("write the last transaction", func() error { return t.writeIntent(to, *j.Intent) })
	}
	if j.Forget != nil {
		add("take back what was written of the last transaction", func() error { return t.forgetIntent(to, *j.Forget) })
	}
	if !complete {
		add("write "+j.ConfigFile, func() error { return t.writeConfig(j) })
	}
	return steps, nil
}

// carryOut does all steps and, unless the operation is to be undone some time, ends
// the journal.
func (t *Takeover) carryOut(j journal, report func(step string)) error {
	steps, err := t.steps(j)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if err := t.pause(s.name); err != nil {
			return err
		}
		report(s.name)
		if err := s.do(); err != nil {
			return err
		}
	}
	if err := t.pause("end"); err != nil {
		return err
	}
	if j.To == BuiltIn {
		return t.end()
	}
	j.Done = true
	return writeJournal(journalDir(t.root), j)
}

func (t *Takeover) pause(step string) error {
	if t.interrupt == nil {
		return nil
	}
	return t.interrupt(step)
}

// guard takes the settings there were: what is in the file now may be a guard.
func (t *Takeover) guard(j journal) error {
	if err := t.removeUnfinished(); err != nil {
		return err
	}
	guarded, err := parseDocument(j.ConfigFile, j.Before)
	if err == nil {
		guarded, err = guarded.set("storage-driver", guardName(j.To))
	}
	if err != nil {
		return err
	}
	return t.putConfig(j, guarded.content)
}

// removeUnfinished removes what a crash left in containers that no step will
// touch again: those of which the way back finds the old content.
func (t *Takeover) removeUnfinished() error {
	files, err := filepath.Glob(freshName(containerFile(t.root, "*")))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("remove unfinished new content: %w", err)
		}
	}
	return nil
}

func (t *Takeover) writeConfig(j journal) error {
	if j.After != nil {
		return t.putConfig(j, []byte(*j.After))
	}
	if err := removeFile(j.ConfigFile); err != nil {
		return fmt.Errorf("remove settings: %w", err)
	}
	return nil
}

func (t *Takeover) putConfig(j journal, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(j.ConfigFile), 0o755); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return replaceFile(j.ConfigFile, content, 0o644)
}

// makeRoom moves what the other driver made when it was started with nothing in
// it. Once the data is in its place there is nothing left to do.
func (t *Takeover) makeRoom(from, to Driver) error {
	for _, m := range []struct{ source, target, aside string }{
		{from.state(t.root), to.state(t.root), t.asideState(to)},
		{from.images(t.root), to.images(t.root), t.asideImages(to)},
	} {
		if !exists(m.source) || !exists(m.target) || exists(m.aside) {
			continue
		}
		if err := move(m.target, m.aside); err != nil {
			return err
		}
	}
	return nil
}

func (t *Takeover) asideState(d Driver) string {
	return filepath.Join(asideDir(t.root), "state-of-"+string(d))
}

func (t *Takeover) asideImages(d Driver) string {
	return filepath.Join(asideDir(t.root), "images-of-"+string(d))
}

// moveImages copes with a Docker that never had an image.
func (t *Takeover) moveImages(from, to Driver) error {
	if !exists(from.images(t.root)) && !exists(to.images(t.root)) {
		return nil
	}
	return move(from.images(t.root), to.images(t.root))
}

func (t *Takeover) setContainerDriver(id string, to Driver) error {
	d, err := readDocument(containerFile(t.root, id))
	if err != nil {
		return err
	}
	next, err := d.set("Driver", to)
	if err != nil {
		return err
	}
	return replaceFile(d.path, next.content, 0o600)
}

func (t *Takeover) recordFile(d Driver, name string) string {
	return filepath.Join(d.state(t.root), "metadata", name)
}

func (t *Takeover) setAside(d Driver, name string) error {
	dir := filepath.Join(asideDir(t.root), "metadata")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a place for records that were given up: %w", err)
	}
	return move(t.recordFile(d, name), filepath.Join(dir, name))
}

// bringBack leaves a record be that was made anew since.
func (t *Takeover) bringBack(d Driver, name string) error {
	aside := filepath.Join(asideDir(t.root), "metadata", name)
	if !exists(aside) || exists(t.recordFile(d, name)) {
		return nil
	}
	return move(aside, t.recordFile(d, name))
}

const intentName = "transaction-metadata"

// writeIntent leaves one be that came after: the driver was at work since.
func (t *Takeover) writeIntent(d Driver, i state.Intent) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	before, errBefore := os.ReadFile(t.backup("metadata", intentName))
	now, errNow := os.ReadFile(t.recordFile(d, intentName))
	for _, err := range []error{errBefore, errNow} {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("write the last transaction: %w", err)
		}
	}
	if !bytes.Equal(before, now) && !bytes.Equal(text, now) {
		return nil
	}
	return replaceFile(t.recordFile(d, intentName), text, 0o600)
}

// forgetIntent puts back what was there before, if nothing came after.
func (t *Takeover) forgetIntent(d Driver, written state.Intent) error {
	if err := removeFresh(t.recordFile(d, intentName)); err != nil {
		return err
	}
	now, ok, err := state.Look(d.state(t.root)).Intent()
	if err != nil || !ok || now != written {
		return nil //nolint:nilerr // it is not what was written, and so not ours
	}
	before, err := os.ReadFile(t.backup("metadata", intentName))
	if err == nil {
		return replaceFile(t.recordFile(d, intentName), before, 0o600)
	}
	if err := removeFile(t.recordFile(d, intentName)); err != nil {
		return fmt.Errorf("take back the last transaction: %w", err)
	}
	return nil
}

// initRecord is where the host daemon remembers what dockerd told it, for as long
// as the host is up.
func (t *Takeover) initRecord() string { return filepath.Join(t.run, "dmthin", "init.json") }

// forgetInit keeps a host daemon that starts again from making an empty pool
// where it had one. Docker's clean stop does the same.
func (t *Takeover) forgetInit() error {
	text, err := os.ReadFile(t.initRecord())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var record struct{ Request struct{ Home string } }
	if err == nil {
		err = json.Unmarshal(text, &record)
	}
	if err != nil {
		return fmt.Errorf("read what the host daemon remembers: %w", err)
	}
	if record.Request.Home != DMThin.state(t.root) {
		return nil
	}
	if err := os.Remove(t.initRecord()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("have the host daemon forget: %w", err)
	}
	return nil
}
