//go:build e2e

package e2e

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/test/writelog"
)

// replayedBuild changes what lower layers hold, as builds do.
const replayedBuild = `FROM busybox
RUN mkdir -p /made/sub && echo one >/made/one && echo two >/made/two
COPY context.txt /
RUN rm /made/one && mv /made/two /made/moved && rmdir /made/sub
`

var replayedFiles = map[string]string{
	"made": "dir 755 moved", "made/moved": "file 644 two", "context.txt": "file 644 context",
}

// keptScript writes a file that is synced, or shows it where it is there.
const keptScript = `cat /kept 2>/dev/null || echo kept | dd of=/kept conv=fsync 2>/dev/null`

// replayedSteps are the commands between which the state is known.
var replayedSteps = []func(*testing.T, *stack){
	func(t *testing.T, s *stack) { importImage(t, s.docker, "busybox", busyboxFiles(t)...) },
	func(t *testing.T, s *stack) {
		context := tarOf(t, regular("Dockerfile", replayedBuild), regular("context.txt", "context"))
		s.runWith(t, nil, bytes.NewReader(context), "build", "-q", "--network", "none", "-t", "built", "-")
	},
	func(t *testing.T, s *stack) { s.run(t, container("kept", "busybox", keptScript)...) },
	func(t *testing.T, s *stack) { s.run(t, "commit", "kept", "committed") },
	func(t *testing.T, s *stack) { s.run(t, container("gone", "committed", "echo x >/x")...) },
	func(t *testing.T, s *stack) { s.run(t, "rm", "gone") },
	func(t *testing.T, s *stack) { s.run(t, "rmi", "committed") },
}

func container(name, image, script string) []string {
	return append(append([]string{"run", "--name", name}, offline...), image, "sh", "-c", script)
}

// replayFacts is what was there at a moment: "image NAME" to its ID, "container NAME"
// and "layer ID" of those that dockerd has in use.
type replayFacts map[string]string

func readReplayFacts(t *testing.T, s *stack) replayFacts {
	t.Helper()
	found := replayFacts{}
	var images []struct {
		ID       string `json:"Id"`
		RepoTags []string
	}
	s.ask(t, "/images/json", &images)
	for _, i := range images {
		for _, name := range i.RepoTags {
			found["image "+name] = i.ID
		}
	}
	var containers []struct{ Names []string }
	s.ask(t, "/containers/json?all=1", &containers)
	for _, c := range containers {
		found["container "+c.Names[0][1:]] = ""
	}
	for _, id := range layerIDs(t, s.dockerd) {
		found["layer "+id] = ""
	}
	return found
}

// replayedWork is what the recorded work came to.
type replayedWork struct {
	writes *writelog.Log
	states []replayFacts   // before the first step, and after each
	layers map[string]tree // of all images, by the driver's ID
}

// The marks of each step.
const (
	markBegun   = "begun"
	markAnswer  = "answered"
	markSettled = "settled" // what dockerd wrote and did not sync is on disk too
)

func recordWork(t *testing.T, lab replayLab) replayedWork {
	t.Helper()
	defer timed(t, "record")()
	w := replayedWork{states: []replayFacts{{}}, layers: map[string]tree{}}
	w.writes = lab.recorded(t, func(mark func(string)) {
		s := replayStack(t, lab)
		for _, step := range replayedSteps {
			mark(markBegun)
			step(t, s)
			mark(markAnswer)
			w.states = append(w.states, readReplayFacts(t, s))
			for _, id := range imageLayers(t, s) {
				if w.layers[id] == nil {
					w.layers[id] = s.client(t).readLayer(t, id)
				}
			}
			unix.Sync()
			mark(markSettled)
		}
		requireFiles(t, s, "built", replayedFiles)
		s.stop(t)
	})
	return w
}

func replayStack(t *testing.T, lab replayLab) *stack {
	t.Helper()
	// A power cut takes what is in memory.
	shell(t, "rm -rf /run/dmthin "+filepath.Join(env.run, "replay"))
	host := startHostDaemon(t)
	return &stack{host: host, dockerd: startDockerd(t, dockerdConfig{
		Name: "replay", Root: lab.point, Driver: "dmthin",
		Options: []string{"dm.loopdatasize=1G", "dm.loopmetadatasize=16M", "dm.basesize=128M"},
	})}
}

// imageLayers names the layers that dockerd has a record of, but containers'.
func imageLayers(t *testing.T, s *stack) (ids []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Root, "image", s.Driver, "layerdb/sha256/*/cache-id"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		id, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, string(id))
	}
	return ids
}

// at counts the steps that had come to a mark when the power went.
func (w replayedWork) at(c writelog.Cut, mark string) (steps int) {
	for _, e := range w.writes.Entries[:c.Entry] {
		if e.Mark == mark {
			steps++
		}
	}
	return steps
}

// since are the facts that hold from after a step on, until after another.
func (w replayedWork) since(step, until int) replayFacts {
	kept := maps.Clone(w.states[step])
	for _, later := range w.states[step : until+1] {
		maps.DeleteFunc(kept, func(key, value string) bool {
			now, ok := later[key]
			return !ok || now != value
		})
	}
	return kept
}

// dropped are the facts of some time before a step that do not hold after it.
func (w replayedWork) dropped(step int) replayFacts {
	all := replayFacts{}
	for _, earlier := range w.states[:step] {
		maps.Copy(all, earlier)
	}
	maps.DeleteFunc(all, func(key, value string) bool { now, ok := w.states[step][key]; return ok && now == value })
	return all
}
