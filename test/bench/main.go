// Bench measures dmthin against what Docker stored layers in before and stores
// them in now: Docker's built-in devicemapper driver and overlay2. All do the
// same work through the same interface, in turn, in one boot: dmthin behind its
// socket, by Docker's proxy client; the others in this process, as they run in
// dockerd.
//
//	bench run -dmthind PATH -out DIR      as root, where device-mapper is
//	bench report -in DIR                  tables and plots, anywhere
//
// It is a module of its own because the built-in driver needs the dependencies
// of the last Docker that had it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/docker/docker/pkg/reexec"
)

func main() {
	if reexec.Init() { // overlay2 runs this binary to mount long lists of layers
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: bench run|report [flags]")
	}
	switch args[0] {
	case "run":
		return run(ctx, args[1:])
	case "report":
		return report(args[1:])
	}
	return fmt.Errorf("unknown command %q: run or report", args[0])
}
