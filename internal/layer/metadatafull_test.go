package layer

import (
	"testing"

	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// The daemon is whom the operator asks for more metadata.
func TestAStartWithoutRoomForMetadataServesWhatThereIs(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	create(t, d, "gone", "")
	d.kill()
	w.fillMetadata(true)
	larger := w.options()
	larger.BaseSize, larger.BaseSizeGiven = 2<<30, true
	d = w.mustStartWith(t, larger)
	mustFail(t, d.Ready(t.Context()), thinpool.ErrOutOfMetadataSpace)
	mustFail(t, d.Create(t.Context(), "b", "a", 0), thinpool.ErrOutOfMetadataSpace)
	get(t, d, "a")
	must(t, d.Remove(t.Context(), "gone"))
	w.fillMetadata(false)
	must(t, d.Ready(t.Context()))
	create(t, d, "b", "a")
	d.reclaimer.wake()
	checkWhole(t, w, d, map[string]string{"a": "", "b": ""})
}

// A pool that was just made active is called writable up to its first commit.
func TestAPoolThatTurnsReadOnlyWhenItIsReadIsServed(t *testing.T) {
	w := newWorld(t)
	w.mustStart(t).kill()
	w.full = true
	asked := 0
	w.before = func(call string) error {
		if asked++; call == "status" && asked > 1 {
			w.fillMetadata(true)
		}
		return nil
	}
	mustFail(t, w.mustStart(t).Ready(t.Context()), thinpool.ErrOutOfMetadataSpace)
}

func TestAChangeThatACrashCutShortIsEndedOnceThereIsRoomForMetadata(t *testing.T) {
	for name, cut := range map[string]func(t *testing.T, w *world, d *daemon){
		"a layer was made": func(t *testing.T, w *world, d *daemon) {
			must(t, d.records.WriteIntent(state.Intent{OpenTransactionID: w.tid + 1, Name: "half", DeviceID: 9, Op: state.OpCreate}))
			w.devices[9] = thinDev{made: w.tid}
			must(t, d.records.Add("half", state.Record{DeviceID: 9, Size: 1 << 30, TransactionID: w.tid + 1}))
		},
		"a layer was about to be made": func(t *testing.T, w *world, d *daemon) {
			must(t, d.records.WriteIntent(state.Intent{OpenTransactionID: w.tid + 1, Name: "half", DeviceID: 9, Op: state.OpCreate}))
		},
		"a layer was deleted": func(t *testing.T, w *world, d *daemon) {
			d.reclaimer.stop()
			w.fillMetadata(true)
			must(t, d.Remove(t.Context(), "half"))
			for tombstone, r := range d.pending() {
				mustFail(t, d.reclaim(t.Context(), tombstone, r), thinpool.ErrReadOnly)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.mustStart(t)
			create(t, d, "a", "")
			if name == "a layer was deleted" {
				create(t, d, "half", "a")
			}
			cut(t, w, d)
			d.kill()
			w.fillMetadata(true)
			d = w.mustStart(t)
			if d.Exists("half") {
				t.Error("a layer that nobody was promised is shown")
			}
			get(t, d, "a")
			mustFail(t, d.Create(t.Context(), "half", "a", 0), thinpool.ErrOutOfMetadataSpace)
			w.fillMetadata(false)
			create(t, d, "half", "a")
			checkWhole(t, w, d, map[string]string{"a": "", "half": ""})
			if d.Recovery() == RecoveryClean {
				t.Error("recovery found nothing to do")
			}
		})
	}
}
