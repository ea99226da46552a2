package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Check has the daemon check its pool. report may be nil here and below.
func (c *Client) Check(ctx context.Context, req CheckRequest, report Progress) (CheckReport, error) {
	return work[CheckReport](ctx, c, "/v1/check", req, report)
}

// Collect has the daemon delete garbage, or say what it would delete.
func (c *Client) Collect(ctx context.Context, req CollectRequest, report Progress) (CollectReport, error) {
	return work[CollectReport](ctx, c, "/v1/collect", req, report)
}

// Trim has the daemon give free space back.
func (c *Client) Trim(ctx context.Context, req TrimRequest, report Progress) (TrimReport, error) {
	return work[TrimReport](ctx, c, "/v1/trim", req, report)
}

// Resize has the daemon enlarge the pool's devices.
func (c *Client) Resize(ctx context.Context, req ResizeRequest, report Progress) (ResizeReport, error) {
	return work[ResizeReport](ctx, c, "/v1/resize", req, report)
}

// Snapshot makes a layer.
func (c *Client) Snapshot(ctx context.Context, req SnapshotRequest) (Layer, error) {
	return call[Layer](ctx, c, http.MethodPost, "/v1/layers", req)
}

// Remove deletes a layer by its whole ID.
func (c *Client) Remove(ctx context.Context, id string, force bool) error {
	path, err := layerPath(id)
	if err != nil {
		return err
	}
	if force {
		path += "?force=true"
	}
	_, err = call[Done](ctx, c, http.MethodDelete, path, nil)
	return err
}

// Hold keeps a layer's device active until Release.
func (c *Client) Hold(ctx context.Context, id string, req HoldRequest) (Held, error) {
	path, err := layerPath(id)
	if err != nil {
		return Held{}, err
	}
	return call[Held](ctx, c, http.MethodPost, path+"/hold", req)
}

// Release undoes one Hold.
func (c *Client) Release(ctx context.Context, id string) error {
	path, err := layerPath(id)
	if err != nil {
		return err
	}
	_, err = call[Done](ctx, c, http.MethodDelete, path+"/hold", nil)
	return err
}

// Backup copies an archive of the records to w. What is written counts only
// once Backup has returned nil.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	return c.copy(ctx, "/v1/backup", w)
}

// Metrics copies the daemon's metrics to w, in Prometheus' text format.
func (c *Client) Metrics(ctx context.Context, w io.Writer) error {
	return c.copy(ctx, "/metrics", w)
}

// layerPath refuses what would name another path; no layer is called so.
func layerPath(id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", fmt.Errorf("%w: %q", ErrNoLayer, id)
	}
	return "/v1/layers/" + url.PathEscape(id), nil
}

func (c *Client) copy(ctx context.Context, path string, w io.Writer) error {
	body, err := c.open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("copy %s from the daemon: %w", path, err)
	}
	return nil
}

// work sends a request and passes on progress until the last line comes.
func work[T any](ctx context.Context, c *Client, path string, req any, report Progress) (T, error) {
	var result T
	body, err := c.open(ctx, http.MethodPost, path, req)
	if err != nil {
		return result, err
	}
	defer body.Close()
	lines := bufio.NewReader(body)
	for {
		raw, err := lines.ReadBytes('\n')
		if err != nil {
			return result, c.transportError(ctx, fmt.Errorf("the daemon stopped before its work ended: %w", err))
		}
		var line workLine
		if err := json.Unmarshal(raw, &line); err != nil {
			return result, fmt.Errorf("the answer of %s to %s is not a daemon's: %w", c.path, path, err)
		}
		switch {
		case line.ErrorBody != nil && line.Error != "":
			return result, &ResponseError{StatusCode: http.StatusOK, Kind: line.Kind, Message: line.Error}
		case line.Result != nil:
			return result, json.NewDecoder(bytes.NewReader(line.Result)).Decode(&result)
		case report != nil:
			report(line.Progress)
		}
	}
}
