package takeover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dmthin/dmthin/internal/state"
)

// journal says what is being done, all of it, before anything is. While it
// exists the data-root belongs to it.
type journal struct {
	Version int       `json:"version"`
	To      Driver    `json:"to"`   // the driver that gets the data
	Done    bool      `json:"done"` // all steps were; it waits for commit or undo
	Began   time.Time `json:"began"`

	// Records that were given up, by file name: they go aside on the way to
	// dmthin and come back on the way from it, or the other way round.
	Aside    []string `json:"aside,omitempty"`
	Return   []string `json:"return,omitempty"`
	Accepted []string `json:"accepted,omitempty"` // findings that were given up
	// Empty folders of To that make room.
	MakeRoom bool `json:"make_room,omitempty"`

	Intent *state.Intent `json:"intent,omitempty"` // to write
	Forget *state.Intent `json:"forget,omitempty"` // to take back if it is still there

	ConfigFile string  `json:"config_file"`
	Before     *string `json:"config_before"` // daemon.json's content; nil: there was none
	After      *string `json:"config_after"`

	// Adoption is what this goes back on; nil for data that were dmthin's.
	Adoption *journal `json:"adoption,omitempty"`
}

const (
	journalVersion = 1
	journalName    = "journal.json"
)

// journalDir holds the journal and the backups.
func journalDir(root string) string { return filepath.Join(root, "dmthin-takeover") }

// asideDir holds what was taken out of the way.
func asideDir(root string) string { return filepath.Join(journalDir(root), "aside") }

// backup is a file's copy of before.
func (t *Takeover) backup(elements ...string) string {
	return filepath.Join(append([]string{journalDir(t.root), backupName}, elements...)...)
}

// readJournal returns nil where there is none.
func (t *Takeover) readJournal() (*journal, error) {
	path := filepath.Join(journalDir(t.root), journalName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var j journal
	if err == nil {
		err = json.Unmarshal(text, &j)
	}
	if err == nil && j.Version != journalVersion {
		err = fmt.Errorf("it is of version %d, this dmthin knows %d: use the dmthin that began", j.Version, journalVersion)
	}
	if err != nil {
		return nil, fmt.Errorf("read journal %s: %w", path, err)
	}
	return &j, nil
}

// writeJournal replaces the journal in a folder that exists.
func writeJournal(dir string, j journal) error {
	text, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, journalName), append(text, '\n'), 0o600)
}

// begin makes backups and journal durable, all at once: the folder gets its
// name when it is whole.
func (t *Takeover) begin(j journal, s *survey) error {
	dir := journalDir(t.root)
	fresh := dir + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove an unfinished backup: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(fresh, "aside"), 0o700); err != nil {
		return fmt.Errorf("make the journal's folder: %w", err)
	}
	if err := t.backUp(filepath.Join(fresh, backupName), s.from, s.stores.containers); err != nil {
		return err
	}
	if err := writeJournal(fresh, j); err != nil {
		return err
	}
	if err := syncAll(fresh); err != nil {
		return err
	}
	// One that was never begun on is of no use any more.
	if exists(dir) {
		if err := t.end(); err != nil {
			return err
		}
	}
	return move(fresh, dir)
}

// backUp copies all that is going to change, and the records besides.
func (t *Takeover) backUp(dir string, from Driver, containers []string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	if t.config.exists {
		if err := copyFile(t.config.path, filepath.Join(dir, "daemon.json")); err != nil {
			return err
		}
	}
	for _, id := range containers {
		if err := copyFile(containerFile(t.root, id), filepath.Join(dir, "containers", id, "config.v2.json")); err != nil {
			return err
		}
	}
	if setup := filepath.Join(from.state(t.root), setupFile); exists(setup) {
		if err := copyFile(setup, filepath.Join(dir, setupFile)); err != nil {
			return err
		}
	}
	metadata := filepath.Join(from.state(t.root), "metadata")
	files, err := names(metadata)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	for _, name := range files {
		info, err := os.Stat(filepath.Join(metadata, name))
		if err != nil || !info.Mode().IsRegular() || name[0] == '.' {
			continue
		}
		if err := copyFile(filepath.Join(metadata, name), filepath.Join(dir, "metadata", name)); err != nil {
			return err
		}
	}
	return nil
}

// keepGivenUp spares the records that were given up: there is no other copy.
func (t *Takeover) keepGivenUp(now time.Time) error {
	records := filepath.Join(asideDir(t.root), "metadata")
	if left, err := names(records); err != nil || len(left) == 0 {
		return err
	}
	return move(records, filepath.Join(t.root, "dmthin-given-up-"+now.UTC().Format("20060102T150405Z")))
}

// end forgets the journal and its backups. A crash leaves a folder under a name
// that means nothing.
func (t *Takeover) end() error {
	dir := journalDir(t.root)
	old := dir + ".old"
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("remove old backups: %w", err)
	}
	if err := t.keepGivenUp(time.Now()); err != nil {
		return err
	}
	if err := move(dir, old); err != nil {
		return err
	}
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("remove the backups: %w", err)
	}
	return syncDir(t.root)
}
