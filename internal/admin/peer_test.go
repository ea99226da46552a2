package admin

import (
	"context"
	"errors"
	"os"
	"testing"
)

func TestOnlyRootAndTheDaemonsUserMayChange(t *testing.T) {
	other := uint32(os.Geteuid()) + 1
	as := func(p peer) context.Context { return context.WithValue(context.Background(), peerKey{}, p) }
	if err := requireOwner(as(peer{uid: 0})); err != nil {
		t.Errorf("root: %v", err)
	}
	for name, ctx := range map[string]context.Context{
		"another user":   as(peer{uid: other}),
		"no credentials": as(peer{err: errors.New("bad socket")}),
		"not on a peer":  context.Background(),
	} {
		if err := requireOwner(ctx); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: %v, want ErrForbidden", name, err)
		}
	}
}

func TestForbiddenPeerReadsButChangesNothing(t *testing.T) {
	source := &fakeSource{status: fullStatus}
	server := NewServer(source, quietLog())
	server.allowed = func(context.Context) error { return ErrForbidden }
	c := NewClient(serve(t, server))
	if _, err := c.SetLogLevel(t.Context(), "debug"); !errors.Is(err, ErrForbidden) {
		t.Errorf("SetLogLevel = %v, want ErrForbidden", err)
	}
	if got := source.logLevel(); got != "" {
		t.Errorf("the level was set to %q", got)
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("Status = %v, want nil", err)
	}
}
