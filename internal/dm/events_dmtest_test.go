//go:build dmtest

package dm_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/dm"
)

const soon = 5 * time.Second

func listen(t *testing.T) *dm.Events {
	t.Helper()
	events, err := dm.OpenEvents()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = events.Close() })
	return events
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// What happens between two waits must not be lost: the caller looks in between.
func TestEventsAreSeenWhenTheyComeBeforeTheWait(t *testing.T) {
	events := listen(t)
	for range 2 {
		newDevice(t, "dmtest-events")
		if err := events.Wait(within(t, soon)); err != nil {
			t.Fatal(err)
		}
		removeIfThere(t, dm.ID{Name: "dmtest-events"})
		if err := events.Wait(within(t, soon)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEventWakesAWait(t *testing.T) {
	events := listen(t)
	woke := make(chan error, 1)
	go func() { woke <- events.Wait(within(t, soon)) }()
	select {
	case err := <-woke:
		t.Fatalf("woke with nothing to tell: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	newDevice(t, "dmtest-events")
	if err := <-woke; err != nil {
		t.Error(err)
	}
}

func TestWaitForEventsEndsWithItsContext(t *testing.T) {
	events := listen(t)
	for range 3 { // one wait's end must not end the next
		start := time.Now()
		err := events.Wait(within(t, 100*time.Millisecond))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) < 90*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	}
	newDevice(t, "dmtest-events")
	if err := events.Wait(within(t, soon)); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsAWait(t *testing.T) {
	events := listen(t)
	woke := make(chan error, 1)
	go func() { woke <- events.Wait(within(t, soon)) }()
	time.Sleep(50 * time.Millisecond)
	if err := events.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-woke; !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
