package plugin

import (
	"net/http"
	"time"
)

// call is one request on its way through the server.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	method  string // without the "GraphDriver." in front
	layer   string // for the log; empty when the call is about no layer
	started bool   // a stream's first byte is out: an error can't be sent any more

	bodyTime time.Duration // for a JSON body
	object   []byte        // the JSON body
}

// hasObject tells whether the body is a JSON object: Activate comes without one,
// and ApplyDiff's is a tar.
func (c *call) hasObject() bool { return c.method != methodActivate && c.method != methodApplyDiff }

func (c *call) isStream() bool { return c.method == methodDiff || c.method == methodApplyDiff }

// layerBody decodes the arguments of a call about one layer.
func (c *call) layerBody() (layerBody, error) {
	b, err := decodeLayer(c.object)
	c.layer = b.ID
	return b, err
}
