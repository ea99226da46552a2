//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// facts are what users see of images and containers, by the command that shows
// it.
type facts map[string]string

// readFacts asks the running dockerd.
func readFacts(t *testing.T, d *dockerd) facts {
	t.Helper()
	defer timed(t, "read what docker shows")()
	f := facts{}
	for _, command := range [][]string{
		{"images", "--all", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"},
		{"ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Image}} {{.Names}} {{.Command}}"},
	} {
		lines := strings.Split(d.run(t, command...), "\n")
		slices.Sort(lines)
		f[command[0]] = strings.Join(lines, "\n")
	}
	for _, line := range strings.Split(f["images"], "\n") {
		id, _, _ := strings.Cut(line, " ")
		f["image "+id] = inspected(t, d, "/images/"+id+"/json")
	}
	for _, line := range strings.Split(f["ps"], "\n") {
		id, _, _ := strings.Cut(line, " ")
		f["container "+id] = inspected(t, d, "/containers/"+id+"/json")
		var changes []struct {
			Path string
			Kind int
		}
		d.ask(t, "/containers/"+id+"/changes", &changes)
		slices.SortFunc(changes, func(a, b struct {
			Path string
			Kind int
		}) int {
			return strings.Compare(a.Path, b.Path)
		})
		f["diff "+id] = fmt.Sprint(changes) // the same for none, however dockerd says it
	}
	return f
}

// noTime is what Docker 20.10 says of an image without a time; later ones say
// nothing.
const noTime = `"0001-01-01T00:00:00Z"`

// inspectedKeys are what docker inspect says, less what is the driver's, what a
// start changes, and what only one of two Dockers says.
var inspectedKeys = []string{
	"Id", "Created", "Path", "Args", "Image", "Name", "Mounts", "RepoTags", "Parent", "Comment", "Architecture", "Os", "Size", "RootFS", "RestartCount",
	"Config.Hostname", "Config.User", "Config.Env", "Config.Cmd", "Config.Entrypoint", "Config.Labels", "Config.WorkingDir", "Config.StopTimeout",
	"HostConfig.NetworkMode", "HostConfig.StorageOpt", "HostConfig.RestartPolicy", "HostConfig.Privileged",
}

func inspected(t *testing.T, d *dockerd, path string) string {
	t.Helper()
	var object map[string]json.RawMessage
	d.ask(t, path, &object)
	for _, part := range []string{"Config", "HostConfig"} {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(object[part], &members); object[part] != nil && err != nil {
			t.Fatalf("%s of %s: %v", part, path, err)
		}
		for key, value := range members {
			object[part+"."+key] = value
		}
	}
	rest := map[string]json.RawMessage{}
	for _, key := range inspectedKeys {
		// One Docker says nothing where another says that there is nothing.
		if value := string(object[key]); !slices.Contains([]string{"", noTime, "null", "{}", "[]", `""`}, value) {
			rest[key] = object[key]
		}
	}
	return encode(t, rest)
}

func requireSameFacts(t *testing.T, when string, want, got facts) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s, docker doesn't show what it did (-before +after):\n%s", when, diff)
	}
}
