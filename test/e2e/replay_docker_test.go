//go:build e2e

package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dmthin/dmthin/test/writelog"
)

// TestDockerSurvivesAPowerCutAtAnyFlush records all that dockerd and dmthind
// write, and has both start on what power cuts would have left. DMTHIN_CUTS says
// how many are replayed, spread over the log; 0 takes all.
//
// dockerd does not sync the folders of its records: those of the last command
// may be lost. Whatever they name must be in the pool, whole.
//
//vm:once
//vm:long
func TestDockerSurvivesAPowerCutAtAnyFlush(t *testing.T) {
	before := kernelObjects(t)
	count, err := strconv.Atoi(variable("DMTHIN_CUTS", "8"))
	if err != nil {
		t.Fatal(err)
	}
	seed, err := strconv.ParseUint(variable("DMTHIN_SEED", strconv.FormatInt(time.Now().UnixNano()%1e9, 10)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	lab := newReplayLab(t)
	w := recordWork(t, lab)
	if t.Failed() {
		return
	}
	all := w.writes.Cuts()
	t.Logf("DMTHIN_SEED=%d: %d entries in the log, %d different cuts", seed, len(w.writes.Entries), len(all))
	lab.replay(t, w.writes, spread(all, count, seed), seed, func(t *testing.T, c writelog.Cut) { requireRecovery(t, lab, w, c) })
	if !t.Failed() {
		requireNothingLeft(t, before)
	}
}

// spread picks so many of the cuts, each at random of an equal share.
func spread(all []writelog.Cut, count int, seed uint64) (cuts []writelog.Cut) {
	if count == 0 || count >= len(all) {
		return all
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for n := range count {
		from, to := n*len(all)/count, (n+1)*len(all)/count
		cuts = append(cuts, all[from+random.IntN(to-from)])
	}
	return cuts
}

// requireRecovery starts the daemons on what a cut left.
func requireRecovery(t *testing.T, lab replayLab, w replayedWork, c writelog.Cut) {
	begun, answered, settled := w.at(c, markBegun), w.at(c, markAnswer), w.at(c, markSettled)
	t.Logf("of %d steps %d had begun, %d were answered, %d settled", len(replayedSteps), begun, answered, settled)
	s := replayStack(t, lab)
	requireLayers(t, s, w, begun, answered)
	requireObjects(t, s, w.since(settled, begun))
	requireSound(t, s)
	s.stop(t)
	shell(t, "thin_check "+filepath.Join(s.Root, "dmthin/devicemapper/metadata"))
}

// requireLayers finds in the pool what was acknowledged, and nothing that was
// removed, and each layer whole that a record of dockerd's names.
func requireLayers(t *testing.T, s *stack, w replayedWork, begun, answered int) {
	t.Helper()
	client := s.client(t)
	exists := func(id string) bool {
		var answer struct{ Exists bool }
		if err := client.Call("Exists", layerRequest{ID: id}, &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Exists
	}
	must := w.since(answered, begun)
	for key := range must {
		if id, ok := strings.CutPrefix(key, "layer "); ok && !exists(id) {
			t.Errorf("%s is gone", key)
		}
	}
	for key := range w.dropped(answered) {
		if id, ok := strings.CutPrefix(key, "layer "); ok && exists(id) {
			t.Errorf("%s is back", key)
		}
	}
	removed, named := w.dropped(begun), imageLayers(t, s)
	t.Logf("%d images, containers and layers must be there, dockerd names %d images' layers", len(must), len(named))
	for _, id := range named {
		if _, ok := removed["layer "+id]; !ok {
			requireSameTree(t, "layer "+id, w.layers[id], client.readLayer(t, id))
		}
	}
}

// requireObjects finds images and containers, and has them work.
func requireObjects(t *testing.T, s *stack, want replayFacts) {
	t.Helper()
	got := readReplayFacts(t, s)
	for key, value := range want {
		if now, ok := got[key]; !strings.HasPrefix(key, "layer ") && (!ok || now != value) {
			t.Errorf("%s was %q, is %q", key, value, now)
		}
	}
	if _, ok := want["image built:latest"]; ok {
		requireFiles(t, s, "built", replayedFiles)
	}
	if _, ok := want["container kept"]; ok {
		if said := s.run(t, "start", "-a", "kept"); said != "kept" {
			t.Errorf("the container's file holds %q", said)
		}
	}
	importImage(t, s.docker, "busybox", busyboxFiles(t)...)
	if said := s.foreground(t, "busybox", "echo runs"); said != "runs" {
		t.Errorf("a new container says %q", said)
	}
}

// finding is what the tests read of dmthin check.
type finding struct{ Kind, Subject, Message string }

// requireSound has dmthin check find nothing but layers whose making was cut
// short, and of which dockerd knows nothing.
func requireSound(t *testing.T, s *stack) {
	t.Helper()
	var found []finding
	eventually(t, reclaimLimit, "no deletion waits", func() bool {
		found = checkFindings(t, s)
		return !slices.ContainsFunc(found, func(f finding) bool { return f.Kind == "waiting_deletion" })
	})
	known := layerIDs(t, s.dockerd)
	for _, f := range found {
		if f.Kind != "unfinished_layer" && f.Kind != "not_checked" || slices.Contains(known, f.Subject) {
			t.Errorf("dmthin check finds %+v", f)
		}
	}
}

func checkFindings(t *testing.T, s *stack) []finding {
	t.Helper()
	// It fails where it finds anything.
	out, err := exec.Command(env.dmthin, "check", "--filesystems", "--format", "json", "--socket", filepath.Join(s.Root, "dmthin/admin.sock")).Output()
	var report struct{ Findings []finding }
	if jsonErr := json.Unmarshal(out, &report); jsonErr != nil {
		t.Fatalf("dmthin check: %v: %v: %s", err, jsonErr, out)
	}
	return report.Findings
}
