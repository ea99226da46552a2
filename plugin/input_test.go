package plugin

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// jsonCalls are the calls that carry a JSON body.
func jsonCalls() []string {
	var calls []string
	for path := range routes {
		if path != "/Plugin.Activate" && path != "/GraphDriver.ApplyDiff" {
			calls = append(calls, strings.TrimPrefix(path, "/"))
		}
	}
	return calls
}

// refused checks for a 400 with a text that has want in it, and that the
// driver was never asked.
func refused(t *testing.T, d *daemon, call string, body io.Reader, want string) {
	t.Helper()
	code, reply := d.post(t, call, body)
	var answer errorReply
	if err := json.Unmarshal([]byte(reply), &answer); err != nil {
		t.Errorf("%s: the answer is not JSON: %s", call, reply)
	}
	if code != http.StatusBadRequest || !strings.Contains(answer.Err, want) {
		t.Errorf("%s: answer %d %q, want 400 and %q in it", call, code, answer.Err, want)
	}
	if calls := d.noted(); len(calls) > 0 {
		t.Errorf("%s: the driver was asked %q", call, calls)
	}
}

func TestBodyThatIsNoRequestIsNeverActedOn(t *testing.T) {
	bad := map[string]struct{ body, want string }{
		"empty":            {"", "has no body"},
		"blank":            {" \n", "has no body"},
		"cut off":          {`{"ID":"a"`, "does not parse"},
		"not JSON":         {"ID=a", "not a JSON object"},
		"null":             {"null", "not a JSON object"},
		"array":            {`["a"]`, "not a JSON object"},
		"string":           {`"a"`, "not a JSON object"},
		"trailing garbage": {`{"ID":"a","Home":"/h"}x`, "does not parse"},
		"second object":    {`{"ID":"a","Home":"/h"}{}`, "does not parse"},
		"too large":        {`{"ID":"a","Home":"/h","X":"` + strings.Repeat("x", maxBody) + `"}`, "larger than"},
		"too deep":         {`{"ID":"a","Home":"/h","X":` + strings.Repeat("[", 20000) + `}`, "does not parse"},
	}
	d := serve(t, &fakeDriver{})
	for name, tc := range bad {
		t.Run(name, func(t *testing.T) {
			for _, call := range jsonCalls() {
				refused(t, d, call, strings.NewReader(tc.body), tc.want)
			}
		})
	}
}

func TestLargestBodyIsStillAccepted(t *testing.T) {
	d := serve(t, &fakeDriver{})
	const head, tail = `{"ID":"a","X":"`, `"}`
	body := head + strings.Repeat("x", maxBody-len(head)-len(tail)) + tail
	if code, reply := d.post(t, "GraphDriver.Put", strings.NewReader(body)); code != http.StatusOK {
		t.Errorf("answer %d %s", code, reply)
	}
}

func TestBodyThatBreaksOffIsNeverActedOn(t *testing.T) {
	d := serve(t, &fakeDriver{})
	got := d.raw(t, "POST /GraphDriver.Remove HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"+`{"ID":"a"}`)
	if !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "broke off") {
		t.Errorf("answer %q", got)
	}
	if calls := d.noted(); len(calls) > 0 {
		t.Errorf("the driver was asked %q", calls)
	}
}

func TestABodyThatNeverEndsGivesItsPlaceUp(t *testing.T) {
	d := serve(t, &fakeDriver{}, WithMaxInFlight(1), func(s *Server) { s.bodyTime = 50 * time.Millisecond })
	conn, err := net.Dial("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /GraphDriver.Remove HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"+`{"ID":"a"}`); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	got, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 400 ") || !strings.Contains(string(got), "did not come within") {
		t.Errorf("answer %q, %v", got, err)
	}
	if code, reply := d.post(t, "GraphDriver.Put", strings.NewReader(`{"ID":"b"}`)); code != http.StatusOK {
		t.Errorf("the next call: %d %s", code, reply)
	}
	if calls := d.noted(); len(calls) != 1 {
		t.Errorf("the driver was asked %q", calls)
	}
}

// The limit is for the body: what the driver does may take long.
func TestACallMayTakeLongerThanItsBody(t *testing.T) {
	const limit = 50 * time.Millisecond
	f := &fakeDriver{hook: func(ctx context.Context) {
		select {
		case <-time.After(3 * limit):
		case <-ctx.Done():
			t.Errorf("the call was cancelled: %v", ctx.Err())
		}
	}}
	d := serve(t, f, func(s *Server) { s.bodyTime = limit })
	for range 2 { // on one connection
		if code, reply := d.post(t, "GraphDriver.Put", strings.NewReader(`{"ID":"a"}`)); code != http.StatusOK {
			t.Errorf("answer %d %s", code, reply)
		}
		time.Sleep(3 * limit)
	}
}

func TestValuesOfTheWrongTypeAreRefused(t *testing.T) {
	for call, bodies := range map[string][]string{
		"GraphDriver.Create": {
			`{"ID":7}`, `{"ID":["a"]}`, `{"ID":{"a":1}}`, `{"ID":true}`, `{"ID":"a","Parent":1}`,
			`{"ID":"a","MountLabel":[]}`, `{"ID":"a","StorageOpt":{"size":10}}`, `{"ID":"a","StorageOpt":["size"]}`,
		},
		"GraphDriver.Init": {
			`{"Home":1}`, `{"Home":"/h","Opts":"dm.fs=xfs"}`, `{"Home":"/h","Opts":[1]}`, `{"Home":"/h","UIDMaps":{}}`,
			`{"Home":"/h","UIDMaps":[{"container_id":"0"}]}`, `{"Home":"/h","GIDMaps":[{"container_id":0.5}]}`,
		},
	} {
		for _, body := range bodies {
			refused(t, serve(t, &fakeDriver{}), call, strings.NewReader(body), "does not parse")
		}
	}
}

func TestInitRefusesWhatDockerdNeverSends(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                      "not an absolute path",
		`{"Home":""}`:             "not an absolute path",
		`{"Home":"var/lib"}`:      "not an absolute path",
		`{"Home":"/h\u0000/etc"}`: "not an absolute path",
		`{"Home":"/h","UIDMaps":[{"container_id":0,"host_id":1,"size":1},{"container_id":1,"host_id":2,"size":0}]}`: "UIDMaps[1]",
		`{"Home":"/h","GIDMaps":[{"container_id":-1,"host_id":1,"size":1}]}`:                                        "GIDMaps[0]",
		`{"Home":"/h","GIDMaps":[{"container_id":0,"host_id":-5,"size":1}]}`:                                        "GIDMaps[0]",
	} {
		refused(t, serve(t, &fakeDriver{}), "GraphDriver.Init", strings.NewReader(body), want)
	}
}

var badIDs = map[string]string{
	"":                               "missing or empty",
	".":                              "directory name",
	"..":                             "directory name",
	"a/b":                            "slash",
	"/":                              "slash",
	"../../etc":                      "slash",
	"a\x00b":                         "control character",
	"a\nb":                           "control character",
	"a\x7fb":                         "control character",
	"a\u0085b":                       "control character",
	"a\xffb":                         "UTF-8",
	strings.Repeat("x", 97):          "at most 96",
	strings.Repeat("x", maxBody-100): "at most 96",
}

func TestMalformedIDIsRefusedByEveryCall(t *testing.T) {
	d := serve(t, &fakeDriver{})
	for id, want := range badIDs {
		// JSON can't carry raw control characters; dockerd's encoder would
		// write them as escapes.
		quoted, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		for path, r := range routes {
			call := strings.TrimPrefix(path, "/")
			switch r.method {
			case "Activate", "Init", "Capabilities", "Status", "Cleanup", "ApplyDiff":
				continue
			}
			refused(t, d, call, strings.NewReader(`{"ID":`+string(quoted)+`}`), want)
			if id != "" {
				refused(t, d, call, strings.NewReader(`{"ID":"a","Parent":`+string(quoted)+`}`), want)
			}
		}
	}
	refused(t, d, "GraphDriver.Remove", strings.NewReader(`{}`), "missing or empty")
	refused(t, d, "GraphDriver.Remove", strings.NewReader("{\"ID\":\"a\xffb\"}"), "UTF-8")
	refused(t, d, "GraphDriver.Get", strings.NewReader(`{"ID":"a","MountLabel":"l\u0000"}`), "MountLabel")
}

func TestOddButHarmlessIDsAreAccepted(t *testing.T) {
	d := serve(t, &fakeDriver{})
	for _, id := range []string{
		"a", hex64, hex64 + "-init", hex64 + "-removing", "k3xq0v7c1m9p2r8t5w4y6z0ab", "...", ".a", "-", "a b", "ümläut", "a:b@c+d=e",
		strings.Repeat("x", MaxIDLength),
	} {
		body, err := json.Marshal(map[string]string{"ID": id})
		if err != nil {
			t.Fatal(err)
		}
		if code, reply := d.post(t, "GraphDriver.Remove", strings.NewReader(string(body))); code != http.StatusOK {
			t.Errorf("ID %q: answer %d %s", id, code, reply)
		}
	}
}

func TestApplyDiffRefusesMalformedArguments(t *testing.T) {
	d := serve(t, &fakeDriver{})
	for query, want := range map[string]string{
		"":                      "missing or empty",
		"?":                     "missing or empty",
		"?parent=b":             "missing or empty",
		"?id":                   "missing or empty",
		"?id=&parent=b":         "missing or empty",
		"?id=..&parent=":        "directory name",
		"?id=a/b&parent=":       "slash",
		"?id=a&parent=../b":     "slash",
		"?id=a&id=b&parent=":    "twice",
		"?id=a&parent=&parent=": "twice",
		"?id=" + strings.Repeat("x", 97) + "&parent=": "at most 96",
	} {
		refused(t, d, "GraphDriver.ApplyDiff"+query, chunked("tar"), want)
	}
}

func TestApplyDiffWithoutABodyIsARetryAndNeverActs(t *testing.T) {
	d := serve(t, &fakeDriver{})
	refused(t, d, "GraphDriver.ApplyDiff?id=a&parent=b", http.NoBody, "has no body")
}

func TestOnlyPostToAKnownPathIsAnswered(t *testing.T) {
	d := serve(t, &fakeDriver{})
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{http.MethodPost, "/GraphDriver.Nothing", http.StatusNotFound},
		{http.MethodPost, "/", http.StatusNotFound},
		{http.MethodPost, "//GraphDriver.Get", http.StatusNotFound},
		{http.MethodPost, "/graphdriver.get", http.StatusNotFound},
		{http.MethodGet, "/GraphDriver.Get", http.StatusMethodNotAllowed},
		{http.MethodGet, "/Plugin.Activate", http.StatusMethodNotAllowed},
		{http.MethodPut, "/GraphDriver.Create", http.StatusMethodNotAllowed},
	} {
		req, err := http.NewRequest(tc.method, "http://x"+tc.path, strings.NewReader(`{"ID":"a"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := d.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var answer errorReply
		err = json.NewDecoder(resp.Body).Decode(&answer)
		resp.Body.Close()
		if resp.StatusCode != tc.want || err != nil || answer.Err == "" {
			t.Errorf("%s %s: answer %d %+v %v, want %d with a text", tc.method, tc.path, resp.StatusCode, answer, err, tc.want)
		}
	}
	if calls := d.noted(); len(calls) > 0 {
		t.Errorf("the driver was asked %q", calls)
	}
}
