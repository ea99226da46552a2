package check

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/internal/state"
)

const gib = 1 << 30

// whole is records and pool that agree: a base device and two layers.
func whole() (Records, Pool) {
	records := Records{
		Records: state.Records{
			Layers: map[string]state.Record{
				"base": {DeviceID: 1, Size: 10 * gib, TransactionID: 1, Initialized: true},
				"a":    {DeviceID: 2, Size: 10 * gib, TransactionID: 2},
				"b":    {DeviceID: 3, Size: 10 * gib, TransactionID: 3, Parent: "a"},
			},
			Tombstones: map[string]state.Record{},
			Damaged:    map[string]error{},
		},
		Intent:    state.Intent{OpenTransactionID: 3},
		HasIntent: true,
	}
	pool := Pool{TransactionID: 3, Devices: map[uint32]Device{
		1: {TransactionID: 0, MappedBytes: gib}, 2: {TransactionID: 1}, 3: {TransactionID: 2},
	}}
	return records, pool
}

func TestCompareFindsEachFaultAndNothingElse(t *testing.T) {
	change := func(r *Records, name string, f func(*state.Record)) {
		record := r.Layers[name]
		f(&record)
		r.Layers[name] = record
	}
	tests := map[string]struct {
		fault   func(*Records, *Pool)
		kind    Kind
		subject string
		level   Severity
	}{
		"lost device":    {func(_ *Records, p *Pool) { delete(p.Devices, 3) }, LostDevice, "b", Error},
		"leaked device":  {func(_ *Records, p *Pool) { p.Devices[9] = Device{} }, LeakedDevice, "device 9", Warning},
		"foreign device": {func(_ *Records, p *Pool) { p.Devices[3] = Device{TransactionID: 7} }, ForeignDevice, "b", Error},
		"damaged record": {func(r *Records, _ *Pool) { r.Damaged["c"] = errors.New("empty") }, DamagedRecord, "c", Error},
		"no base": {func(r *Records, p *Pool) { delete(r.Layers, "base"); delete(p.Devices, 1) },
			NoBase, "base", Error},
		"base not formatted": {func(r *Records, _ *Pool) {
			change(r, "base", func(r *state.Record) { r.Initialized = false })
		}, UnfinishedLayer, "base", Warning},
		"no parent": {func(r *Records, _ *Pool) { change(r, "b", func(r *state.Record) { r.Parent = "z" }) }, MissingParent, "b", Warning},
		"unfinished": {func(r *Records, _ *Pool) {
			change(r, "b", func(r *state.Record) { r.Stage = state.StageApplying })
		}, UnfinishedLayer, "b", Warning},
		"quota above size": {func(r *Records, _ *Pool) { change(r, "b", func(r *state.Record) { r.Limit = 11 * gib }) }, WrongSize, "b", Error},
		"more mapped than there is": {func(_ *Records, p *Pool) {
			p.Devices[3] = Device{TransactionID: 2, MappedBytes: 12 * gib}
		}, WrongSize, "b", Error},
		"pool ahead":    {func(_ *Records, p *Pool) { p.TransactionID = 5 }, TransactionID, "pool", Error},
		"pool behind":   {func(_ *Records, p *Pool) { p.TransactionID = 1 }, TransactionID, "pool", Error},
		"no intent":     {func(r *Records, _ *Pool) { r.HasIntent = false; r.Intent = state.Intent{} }, TransactionID, "pool", Error},
		"damage intent": {func(r *Records, _ *Pool) { r.IntentErr = errors.New("cut") }, DamagedRecord, "transaction-metadata", Error},
		"needs check":   {func(_ *Records, p *Pool) { p.NeedsCheck = true }, NeedsCheck, "pool", Error},
		"waiting deletion": {func(r *Records, p *Pool) {
			r.Tombstones["c-deleted-4"] = state.Record{DeviceID: 4}
			p.Devices[4] = Device{}
		}, WaitingDeletion, "c-deleted-4", Warning},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			records, pool := whole()
			tt.fault(&records, &pool)
			found := Compare(records, pool)
			if len(found) != 1 || found[0].Kind != tt.kind || found[0].Subject != tt.subject || found[0].Severity != tt.level {
				t.Errorf("found %+v, want one %s about %s", found, tt.kind, tt.subject)
			}
		})
	}
}

func TestCompareFindsNothingWrongWithWhatIsAllRight(t *testing.T) {
	for name, change := range map[string]func(*Records, *Pool){
		"nothing changed":        func(*Records, *Pool) {},
		"a change under way":     func(r *Records, _ *Pool) { r.Intent.OpenTransactionID = 4 },
		"a deletion nearly over": func(r *Records, _ *Pool) { r.Tombstones["c-deleted-4"] = state.Record{DeviceID: 4} },
		"nothing ever made":      func(r *Records, p *Pool) { *r, *p = Records{}, Pool{} },
		"a layer that is being made": func(r *Records, _ *Pool) {
			record := r.Layers["b"]
			record.Stage = state.StageApplying
			r.Layers["b"] = record
			r.Busy = func(name string) bool { return name == "b" }
		},
		"blocks behind a smaller layer's end": func(r *Records, p *Pool) {
			record := r.Layers["b"]
			record.Size = gib
			r.Layers["b"] = record
			p.Devices[3] = Device{TransactionID: 2, MappedBytes: 9 * gib}
		},
	} {
		t.Run(name, func(t *testing.T) {
			records, pool := whole()
			change(&records, &pool)
			if found := Compare(records, pool); len(found) != 0 {
				t.Errorf("found %+v", found)
			}
		})
	}
}

func TestTheWorstComesFirst(t *testing.T) {
	records, pool := whole()
	pool.Devices[9] = Device{}
	delete(pool.Devices, 3)
	delete(pool.Devices, 2)
	var subjects []string
	for _, f := range Compare(records, pool) {
		subjects = append(subjects, f.Subject)
	}
	if diff := cmp.Diff([]string{"a", "b", "device 9"}, subjects); diff != "" {
		t.Error(diff)
	}
}

func TestUnnamedLayersGoUnlessANamedOneStemsFromThem(t *testing.T) {
	layers := []Layer{
		{"image", ""}, {"middle", "image"}, {"top", "middle"}, // top is named, so all stay
		{"old", ""}, {"older-child", "old"}, {"grandchild", "older-child"},
		{"loop1", "loop2"}, {"loop2", "loop1"},
	}
	got := Unnamed(layers, func(id string) bool { return id == "top" })
	want := []string{"grandchild", "loop1", "loop2", "older-child", "old"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
