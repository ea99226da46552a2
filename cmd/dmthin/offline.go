package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/offline"
	"github.com/dmthin/dmthin/internal/state"
)

func (a *app) stateDir() string {
	return cmp.Or(a.state, a.getenv("DMTHIN_STATE"), defaultState)
}

func (a *app) metadataFlag(cmd *cobra.Command, device *string) {
	cmd.Flags().StringVar(device, "metadata-device", "", "the inactive pool's metadata `DEVICE`, for work without a daemon on a pool that is not on loop files")
	must(cmd.MarkFlagFilename("metadata-device"))
}

// offlineInstead reports whether no daemon answers, so that the tool may do the
// work itself. A socket of its own names a daemon, and no state directory.
func (a *app) offlineInstead(err error) bool {
	var unreachable *admin.UnreachableError
	return errors.As(err, &unreachable) && a.socket == ""
}

// openOffline opens the pool for the tool itself. unreachable is why no daemon
// answers; it is the error where there is no pool either.
func (a *app) openOffline(metadataDevice string, unreachable error) (*offline.Pool, error) {
	pool, err := offline.Open(a.stateDir(), metadataDevice)
	switch {
	case errors.Is(err, offline.ErrNoState) && unreachable != nil:
		return nil, unreachable
	case errors.Is(err, state.ErrLocked):
		return nil, fmt.Errorf("%w: dmthind runs on %s, but its socket is not there; name it with --socket", admin.ErrRefused, a.stateDir())
	}
	return pool, err
}

// requireNoDaemon is for commands that only work offline.
func (a *app) requireNoDaemon(metadataDevice string) (*offline.Pool, error) {
	pool, err := offline.Open(a.stateDir(), metadataDevice)
	if errors.Is(err, state.ErrLocked) {
		return nil, fmt.Errorf("%w: dmthind runs on %s; stop docker and dmthind first (systemctl stop docker dmthin, or docker plugin disable)", admin.ErrRefused, a.stateDir())
	}
	return pool, err
}
