package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"golang.org/x/sys/unix"
)

// transportError keeps the kernel's word and drops net/http's layers, which
// name a host and a method that mean nothing to the reader.
func (c *Client) transportError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &UnreachableError{Path: c.path, Err: errors.New("no answer in time")}
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		return &UnreachableError{Path: c.path, Err: errno}
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &UnreachableError{Path: c.path, Err: err}
}

func responseError(status int, body []byte) error {
	var e ErrorBody
	if err := json.Unmarshal(body, &e); err != nil || e.Error == "" {
		e = ErrorBody{
			Error: fmt.Sprintf("unexpected answer %d %s", status, http.StatusText(status)),
			Kind:  KindInternal,
		}
	}
	return &ResponseError{StatusCode: status, Kind: e.Kind, Message: e.Error}
}
