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
}

// body decodes the request's JSON object.
func body[T any](c *call, decode func([]byte) (T, error)) (T, error) {
	raw, err := c.readBody()
	if err != nil {
		var none T
		return none, err
	}
	return decode(raw)
}

// layerBody decodes the arguments of a call about one layer.
func (c *call) layerBody() (layerBody, error) {
	b, err := body(c, decodeLayer)
	c.layer = b.ID
	return b, err
}
