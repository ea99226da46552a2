package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxBody bounds a JSON body. dockerd's largest is Init with all its options,
// a few KiB, and with ranges of user IDs, of which the kernel takes 340.
const maxBody = 256 << 10

// errNoBody: dockerd sends the body with its first try only. When a plugin
// ends in the middle of a call, the retries of that call come without one.
// Acting on them would create or remove a layer called "".
var errNoBody = badRequest("the request has no body: dockerd repeats a call without its arguments " +
	"when the plugin has ended in the middle of it; nothing was done this time, run the command again")

// readBody reads a whole JSON body. It reads to the end also because net/http
// notices that a client has gone only after that.
func (c *call) readBody() ([]byte, error) {
	conn := http.NewResponseController(c.w)
	_ = conn.SetReadDeadline(time.Now().Add(c.bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if err == nil {
		_ = conn.SetReadDeadline(time.Time{}) // net/http goes on reading, to see the client go
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, badRequest("the request body is larger than %d bytes", maxBody)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, badRequest("the request body did not come within %s", c.bodyTime)
	case err != nil:
		return nil, badRequest("the request body broke off: %v", err)
	case len(bytes.TrimSpace(body)) == 0:
		return nil, errNoBody
	}
	return body, nil
}

// decode reads one JSON object into v. Unknown keys are ignored: a newer
// dockerd may send them. Anything but an object is refused, null above all,
// which encoding/json takes for an empty one.
func decode(body []byte, v any) error {
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] != '{' {
		return badRequest("the request body is not a JSON object")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return badRequest("the request body does not parse: %v", err)
	}
	return nil
}

func decodeEmpty(body []byte) error { return decode(body, &struct{}{}) }

func decodeLayer(body []byte) (layerBody, error) {
	var b layerBody
	if err := decode(body, &b); err != nil {
		return layerBody{}, err
	}
	if err := checkID("ID", b.ID); err != nil {
		return layerBody{}, err
	}
	if err := checkParent(b.Parent); err != nil {
		return layerBody{}, err
	}
	if strings.ContainsRune(b.MountLabel, 0) {
		return layerBody{}, badRequest("MountLabel %q has a NUL character", b.MountLabel)
	}
	return b, nil
}

func decodeInit(body []byte) (InitRequest, error) {
	var b initBody
	if err := decode(body, &b); err != nil {
		return InitRequest{}, err
	}
	if !filepath.IsAbs(b.Home) || strings.ContainsRune(b.Home, 0) {
		return InitRequest{}, badRequest("Home %q is not an absolute path", b.Home)
	}
	if err := checkMap("UIDMaps", b.UIDMaps); err != nil {
		return InitRequest{}, err
	}
	if err := checkMap("GIDMaps", b.GIDMaps); err != nil {
		return InitRequest{}, err
	}
	return InitRequest{Home: b.Home, Options: b.Opts, UIDMaps: b.UIDMaps, GIDMaps: b.GIDMaps}, nil
}

func checkMap(field string, ranges []IDMap) error {
	for i, m := range ranges {
		if m.ContainerID < 0 || m.HostID < 0 || m.Size <= 0 {
			return badRequest("%s[%d] is not a range of IDs: container_id %d, host_id %d, size %d",
				field, i, m.ContainerID, m.HostID, m.Size)
		}
	}
	return nil
}

// parseApplyQuery reads ApplyDiff's arguments. dockerd pastes them into the
// URL without escaping, so they are taken as they are: url.ParseQuery would
// change an ID that has a % or +. Unknown arguments are ignored.
func parseApplyQuery(raw string) (id, parent string, err error) {
	seen := map[string]string{}
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if _, twice := seen[key]; twice && (key == "id" || key == "parent") {
			return "", "", badRequest("%s is given twice in the query %q", key, raw)
		}
		seen[key] = value
	}
	if err := checkID("id", seen["id"]); err != nil {
		return "", "", err
	}
	if err := checkParent(seen["parent"]); err != nil {
		return "", "", err
	}
	return seen["id"], seen["parent"], nil
}
