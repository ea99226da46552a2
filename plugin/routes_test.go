package plugin

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const hex64 = "3f4b1c2d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809"

// The bodies are what a tracing plugin saw dockerd send.
var protocol = []struct {
	name, call, body string
	answers          answers
	wantCall         string // what the driver was asked; "" for nothing
	wantReply        string
}{
	{
		name: "activation of an unmanaged plugin", call: "Plugin.Activate",
		wantReply: `{"Implements":["GraphDriver"]}`,
	}, {
		name: "init without options and maps", call: "GraphDriver.Init",
		body:      `{"Home":"/var/lib/dmthin/dmthin","Opts":null,"UIDMaps":null,"GIDMaps":null}`,
		wantCall:  `Init {Home:/var/lib/dmthin/dmthin Options:[] UIDMaps:[] GIDMaps:[]}`,
		wantReply: `{}`,
	}, {
		name: "init with options and maps", call: "GraphDriver.Init",
		body: `{"Home":"/h","Opts":["dm.basesize=20G","foo=bar"],` +
			`"UIDMaps":[{"container_id":0,"host_id":100000,"size":65536}],` +
			`"GIDMaps":[{"container_id":0,"host_id":200000,"size":65536}]}`,
		wantCall: `Init {Home:/h Options:[dm.basesize=20G foo=bar] ` +
			`UIDMaps:[{ContainerID:0 HostID:100000 Size:65536}] GIDMaps:[{ContainerID:0 HostID:200000 Size:65536}]}`,
		wantReply: `{}`,
	}, {
		name: "capabilities", call: "GraphDriver.Capabilities", body: `{}`,
		wantReply: `{"Capabilities":{"ReproducesExactDiffs":false}}`,
	}, {
		name: "create on the base", call: "GraphDriver.Create", body: `{"ID":"` + hex64 + `"}`,
		wantCall:  `Create {ID:` + hex64 + ` Parent: MountLabel: StorageOpt:map[] ReadWrite:false}`,
		wantReply: `{}`,
	}, {
		name: "create with a BuildKit ID", call: "GraphDriver.Create", body: `{"ID":"k3xq0v7c1m9p2r8t5w4y6z0ab","Parent":"` + hex64 + `"}`,
		wantCall:  `Create {ID:k3xq0v7c1m9p2r8t5w4y6z0ab Parent:` + hex64 + ` MountLabel: StorageOpt:map[] ReadWrite:false}`,
		wantReply: `{}`,
	}, {
		name: "create an init layer", call: "GraphDriver.CreateReadWrite",
		body: `{"ID":"` + hex64 + `-init","Parent":"p","MountLabel":"system_u:object_r:container_file_t:s0:c1,c2","StorageOpt":{"size":"20G"}}`,
		wantCall: `Create {ID:` + hex64 + `-init Parent:p MountLabel:system_u:object_r:container_file_t:s0:c1,c2 ` +
			`StorageOpt:map[size:20G] ReadWrite:true}`,
		wantReply: `{}`,
	}, {
		name: "keys of a newer dockerd", call: "GraphDriver.Remove", body: `{"ID":"a","Future":{"x":[1]}}`,
		wantCall: `Remove a`, wantReply: `{}`,
	}, {
		name: "get", call: "GraphDriver.Get", body: `{"ID":"a","MountLabel":"l"}`,
		answers:  answers{dir: "/mnt/a/rootfs"},
		wantCall: `Get a "l"`, wantReply: `{"Dir":"/mnt/a/rootfs"}`,
	}, {
		name: "put", call: "GraphDriver.Put", body: `{"ID":"a"}`,
		wantCall: `Put a`, wantReply: `{}`,
	}, {
		name: "exists", call: "GraphDriver.Exists", body: `{"ID":"a"}`,
		answers:  answers{found: true},
		wantCall: `Exists a`, wantReply: `{"Exists":true}`,
	}, {
		name: "exists not", call: "GraphDriver.Exists", body: `{"ID":"a"}`,
		wantCall: `Exists a`, wantReply: `{"Exists":false}`,
	}, {
		name: "status keeps the order", call: "GraphDriver.Status", body: `{}`,
		answers:  answers{rows: [][2]string{{"Pool Name", "p"}, {"Backing Filesystem", "ext4"}}},
		wantCall: `Status`, wantReply: `{"Status":[["Pool Name","p"],["Backing Filesystem","ext4"]]}`,
	}, {
		name: "status without rows", call: "GraphDriver.Status", body: `{}`,
		wantCall: `Status`, wantReply: `{"Status":[]}`,
	}, {
		name: "metadata", call: "GraphDriver.GetMetadata", body: `{"ID":"a"}`,
		answers:  answers{metadata: map[string]string{"DeviceId": "7"}},
		wantCall: `Metadata a`, wantReply: `{"Metadata":{"DeviceId":"7"}}`,
	}, {
		name: "no metadata", call: "GraphDriver.GetMetadata", body: `{"ID":"a"}`,
		wantCall: `Metadata a`, wantReply: `{"Metadata":{}}`,
	}, {
		name: "cleanup", call: "GraphDriver.Cleanup", body: `{}`,
		wantCall: `Cleanup`, wantReply: `{}`,
	}, {
		name: "changes", call: "GraphDriver.Changes", body: `{"ID":"a","Parent":"b"}`,
		answers:  answers{changes: []Change{{"/m", Modified}, {"/a", Added}, {"/d", Deleted}}},
		wantCall: `Changes a "b"`,
		wantReply: `{"Changes":[{"Path":"/m","Kind":0},{"Path":"/a","Kind":1},` +
			`{"Path":"/d","Kind":2}]}`,
	}, {
		name: "no changes", call: "GraphDriver.Changes", body: `{"ID":"a"}`,
		wantCall: `Changes a ""`, wantReply: `{"Changes":[]}`,
	}, {
		name: "diff size", call: "GraphDriver.DiffSize", body: `{"ID":"a","Parent":"b"}`,
		answers:  answers{size: 1 << 40},
		wantCall: `DiffSize a "b"`, wantReply: `{"Size":1099511627776}`,
	}, {
		name: "apply", call: "GraphDriver.ApplyDiff?id=a&parent=b", body: "tar",
		answers:  answers{size: 42},
		wantCall: `ApplyDiff a "b"`, wantReply: `{"Size":42}`,
	}, {
		name: "apply on the base, arguments unescaped", call: "GraphDriver.ApplyDiff?id=a%2Bb+c&parent=", body: "tar",
		wantCall: `ApplyDiff a%2Bb+c ""`, wantReply: `{"Size":0}`,
	},
}

func TestEachCallReachesTheDriverAndIsAnsweredAsDockerdExpects(t *testing.T) {
	for _, tc := range protocol {
		t.Run(tc.name, func(t *testing.T) {
			d := serve(t, &fakeDriver{answers: tc.answers})
			resp := d.open(t, tc.call, strings.NewReader(tc.body))
			defer resp.Body.Close()
			reply, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != http.StatusOK || strings.TrimSpace(string(reply)) != tc.wantReply {
				t.Errorf("answer %d %s, want 200 %s", resp.StatusCode, reply, tc.wantReply)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/vnd.docker.plugins.v1.1+json" {
				t.Errorf("Content-Type %q", got)
			}
			var want []string
			if tc.wantCall != "" {
				want = []string{tc.wantCall}
			}
			if diff := cmp.Diff(want, d.noted()); diff != "" {
				t.Errorf("driver calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryCallOfTheProtocolIsServed(t *testing.T) {
	covered := map[string]bool{"/GraphDriver.Diff": true} // stream_test.go
	for _, tc := range protocol {
		path, _, _ := strings.Cut(tc.call, "?")
		covered["/"+path] = true
	}
	for path := range routes {
		if !covered[path] {
			t.Errorf("%s has no example in this test", path)
		}
	}
	if len(covered) != 16 {
		t.Errorf("%d calls covered, the protocol has 16", len(covered))
	}
}

func TestDriverErrorReachesTheUserWithoutDecoration(t *testing.T) {
	for _, tc := range protocol {
		if tc.wantCall == "" {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			// With any other status dockerd puts the method in front, and for
			// Cleanup drops the error.
			d := serve(t, &fakeDriver{err: errors.New("pool p is full: add space")})
			code, reply := d.post(t, tc.call, strings.NewReader(tc.body))
			if code != http.StatusOK || strings.TrimSpace(reply) != `{"Err":"pool p is full: add space"}` {
				t.Errorf("answer %d %s", code, reply)
			}
		})
	}
}

func TestCallBeforeInitSaysWhatToDo(t *testing.T) {
	d := serve(t, &fakeDriver{err: ErrNotInitialised})
	_, reply := d.post(t, "GraphDriver.Get", strings.NewReader(`{"ID":"a"}`))
	if !strings.Contains(reply, "restart dockerd") {
		t.Errorf("answer %s does not say what to do", reply)
	}
}

func TestJoinedErrorsAreOneLine(t *testing.T) {
	d := serve(t, &fakeDriver{err: errors.Join(errors.New("mount failed"), errors.New("and so did its undoing"))})
	_, reply := d.post(t, "GraphDriver.Put", strings.NewReader(`{"ID":"a"}`))
	if strings.TrimSpace(reply) != `{"Err":"mount failed; and so did its undoing"}` {
		t.Errorf("answer %s", reply)
	}
}

func TestErrorWithoutTextIsStillAnError(t *testing.T) {
	d := serve(t, &fakeDriver{err: errors.New("")})
	_, reply := d.post(t, "GraphDriver.Put", strings.NewReader(`{"ID":"a"}`))
	if strings.TrimSpace(reply) == `{"Err":""}` {
		t.Error("dockerd would take the answer for success")
	}
}

func TestGetRefusesADirectoryThatDockerdWouldMisplace(t *testing.T) {
	for _, dir := range []string{"", "mnt/a"} {
		d := serve(t, &fakeDriver{answers: answers{dir: dir}})
		_, reply := d.post(t, "GraphDriver.Get", strings.NewReader(`{"ID":"a"}`))
		if !strings.Contains(reply, "not an absolute path") {
			t.Errorf("Dir %q: answer %s", dir, reply)
		}
	}
}
