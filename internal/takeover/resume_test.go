package takeover

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/state"
)

// crashBefore ends an operation before the step that begins so.
func (h *dockerHost) crashBefore(t *testing.T, o operation, begins string) {
	t.Helper()
	_, err := h.try(t, o, nil, func(step string) error {
		if strings.HasPrefix(step, begins) {
			return errCrash
		}
		return nil
	})
	if !errors.Is(err, errCrash) {
		t.Fatalf("%s before %q: %v", o.name, begins, err)
	}
}

// work changes the pool as a driver does, and daemon.json as its owner does.
func (h *dockerHost) work(t *testing.T, d Driver) (lastTransaction string) {
	t.Helper()
	h.tid++
	now := *h
	if d == DMThin {
		h.changePlace(t, d, func() { now.writeMetadata(t) })
	} else {
		now.writeMetadata(t)
	}
	lastTransaction = `{"open_transaction_id":8,"device_hash":"` + layer + `","device_id":5}`
	write(t, filepath.Join(d.state(h.root), "metadata", intentName), lastTransaction)
	text, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, h.config, strings.Replace(string(text), `"debug":true`, `"debug":false`, 1))
	return lastTransaction
}

// changePlace has the fixture, which knows Docker's folder only, work on another.
func (h *dockerHost) changePlace(t *testing.T, d Driver, change func()) {
	t.Helper()
	for _, names := range [][2]string{{d.state(h.root), h.home()}, {h.home(), d.state(h.root)}} {
		if err := os.Rename(names[0], names[1]); err != nil {
			t.Fatal(err)
		}
		if names[1] == h.home() {
			change()
		}
	}
}

// activate has a driver's device outlive it.
func (h *dockerHost) activate(t *testing.T, d Driver) (stop func()) {
	t.Helper()
	prefix, err := (&Takeover{root: h.root}).devicePrefix(d)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(h.sys, "block/dm-3/dm/name")
	write(t, file, prefix+"x\n")
	return func() {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}

// identify does what the first start of dmthind does.
func (h *dockerHost) identify(t *testing.T) {
	t.Helper()
	records, err := state.Open(DMThin.state(h.root))
	if err != nil {
		t.Fatal(err)
	}
	_, err = records.Identity()
	if err := errors.Join(err, records.Close()); err != nil {
		t.Fatal(err)
	}
}

// A crash between the journal and the first step leaves dockerd free to start.
func TestAnAdoptionThatNeverBeganIsPlannedAnew(t *testing.T) {
	adopt, undo, _ := operations(t)
	h := newDockerHost(t)
	if err := os.Remove(h.home("metadata", intentName)); err != nil {
		t.Fatal(err)
	}
	h.crashBefore(t, adopt, "keep dockerd from starting")
	transaction := h.work(t, BuiltIn)
	write(t, containerFile(h.root, "new"), `{"ID":"new","Driver":"devicemapper"}`)
	before := h.files(t)
	stop := h.activate(t, BuiltIn)
	if _, err := h.try(t, adopt, nil, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("with an active device: %v", err)
	}
	stop()
	requireSame(t, "refused", before, h.files(t))
	h.do(t, adopt)
	if got, _ := os.ReadFile(filepath.Join(DMThin.state(h.root), "metadata", intentName)); string(got) != transaction {
		t.Errorf("the last transaction: %s", got)
	}
	if s := h.settings(t); s.Debug || s.StorageDriver != "dmthin" {
		t.Errorf("daemon.json: %+v", s)
	}
	h.do(t, undo)
	requireSame(t, "files", without(before, "docker/dmthin-takeover"), h.files(t))
}

func TestUndoOfAnAdoptionThatNeverBeganLeavesSettingsAlone(t *testing.T) {
	adopt, undo, _ := operations(t)
	h := newDockerHost(t)
	h.crashBefore(t, adopt, "keep dockerd from starting")
	write(t, h.config, `{"storage-driver":"overlay2"}`)
	before := h.files(t)
	h.do(t, undo)
	requireSame(t, "files", without(before, "docker/dmthin-takeover"), h.files(t))
}

// A crash after the last step leaves dockerd free to start, on dmthin.
func TestAnAdoptionThatLacksItsEndLeavesWhatDMThinDid(t *testing.T) {
	adopt, undo, _ := operations(t)
	for _, o := range []operation{adopt, undo} {
		h := newDockerHost(t)
		if err := os.Remove(h.home("metadata", intentName)); err != nil {
			t.Fatal(err)
		}
		h.crashBefore(t, adopt, "end")
		h.identify(t)
		transaction := h.work(t, DMThin)
		stop := h.activate(t, DMThin)
		if o.name == "undo" {
			if _, err := h.try(t, o, nil, nil); !errors.Is(err, ErrBusy) {
				t.Errorf("%s with an active device: %v", o.name, err)
			}
		}
		stop()
		h.do(t, o)
		d := map[string]Driver{"adopt": DMThin, "undo": BuiltIn}[o.name]
		if got, _ := os.ReadFile(filepath.Join(d.state(h.root), "metadata", intentName)); string(got) != transaction {
			t.Errorf("%s: the last transaction: %s", o.name, got)
		}
		if s := h.settings(t); s.Debug || s.StorageDriver != string(d) {
			t.Errorf("%s: daemon.json: %+v", o.name, s)
		}
	}
}

func TestAWayBackThatNeverBeganIsPlannedAnew(t *testing.T) {
	adopt, undo, release := operations(t)
	for _, committed := range []bool{false, true} {
		for _, first := range []operation{undo, release} {
			for _, then := range []operation{undo, release} {
				h := newDockerHost(t)
				before := h.files(t)
				h.do(t, adopt)
				if committed {
					tk := h.begin(t)
					if err := errors.Join(tk.Commit(), tk.Close()); err != nil {
						t.Fatal(err)
					}
					if first.name == "undo" || then.name == "undo" {
						continue
					}
				}
				h.identify(t)
				h.crashBefore(t, first, "keep dockerd from starting")
				what := first.name + ", then " + then.name
				stop := h.activate(t, DMThin)
				if _, err := h.try(t, then, nil, nil); !errors.Is(err, ErrBusy) {
					t.Errorf("%s with an active device: %v", what, err)
				}
				stop()
				h.do(t, then)
				if committed {
					continue // the way there is no more
				}
				got := h.files(t)
				for name := range got {
					if _, was := before[name]; !was {
						delete(got, name) // dmthin's own
					}
				}
				requireSame(t, what, before, got)
			}
		}
	}
}

// Somebody took the guard away by hand and started docker, which made a store of
// images anew: neither of the two is to be taken for rubbish.
func TestImagesMadeInTheMiddleOfAnAdoptionAreInItsWay(t *testing.T) {
	adopt, undo, _ := operations(t)
	for _, o := range []operation{adopt, undo} {
		h := newDockerHost(t)
		settings, err := os.ReadFile(h.config)
		if err != nil {
			t.Fatal(err)
		}
		h.crashBefore(t, adopt, "container")
		write(t, h.config, string(settings))
		write(t, filepath.Join(h.root, "image/devicemapper/repositories.json"), "{}")
		before := without(h.files(t), "daemon.json")
		p, err := h.try(t, o, nil, nil)
		if err == nil || len(p.Findings) > 0 || !strings.Contains(err.Error(), "run this again") {
			t.Errorf("%s: %v, findings %+v", o.name, err, p.Findings)
		}
		requireSame(t, o.name, without(before, "docker/dmthin-takeover"), without(without(h.files(t), "daemon.json"), "docker/dmthin-takeover"))
		if err := os.RemoveAll(filepath.Join(h.root, "image/devicemapper")); err != nil {
			t.Fatal(err)
		}
		h.do(t, o)
	}
}
