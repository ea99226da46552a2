package main

import (
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/version"
)

const defaultState = "/var/lib/docker/dmthin"

// app is one invocation: where it writes, and the flags all commands share.
type app struct {
	out, errOut io.Writer
	getenv      func(string) string
	uid         int

	state, socket string
	format        outputFormat
	pools         poolMaker // nil for LVM's
	mounter       mounter
	daemons       []string // patterns of the sockets on which dmthind waits for dockerd

	// started is set when arguments and flags are accepted. What fails before
	// is the caller's mistake, whichever part of cobra found it.
	started bool
}

func newApp(out, errOut io.Writer, getenv func(string) string) *app {
	return &app{out: out, errOut: errOut, getenv: getenv, uid: os.Geteuid(), format: formatTable, mounter: kernel{}, daemons: daemonSockets}
}

// run returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	out := &output{w: a.out}
	a.out = out
	root := newRootCommand(a)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		unquoteUsages(root)
	}
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = out.err
	}
	if err != nil && !a.started && out.err == nil {
		if cmd.Name() == "help" {
			cmd = root
		}
		err = &usageError{command: cmd.CommandPath(), err: err}
		// Cobra may have stopped before it came to the flag.
		if asksForJSON(args) {
			a.format = formatJSON
		}
	}
	return a.report(ctx, err)
}

func (a *app) client() *admin.Client { return admin.NewClient(a.socketPath()) }

func (a *app) socketPath() string {
	return cmp.Or(a.socket, filepath.Join(a.stateDir(), admin.SocketName))
}

func newRootCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dmthin COMMAND",
		Short: "Look into and steer dmthind, Docker's device-mapper storage",
		Long: `dmthin asks a running dmthind about its thin pool and layers, and has it work
on them.

It connects to admin.sock in the daemon's state directory, which is
DATA-ROOT/dmthin for the managed plugin and for the host daemon alike. check,
repair, restore, remove, adopt and release also work, or only work, while no
daemon runs; they hold its lock meanwhile.

Exit codes:
    0  done
    1  failed
    2  wrong usage
    3  the daemon or its pool is not ready
    4  the daemon can't be reached
    5  no such layer
    6  check, adopt or release found something wrong, or repair lost something
    7  refused: it would be unsafe now
  130  interrupted

With --format json, what a command finds is JSON on standard output and an
error is {"error": TEXT, "code": EXIT CODE} on standard error. Sizes are bytes.
Releases add keys and neither rename nor remove any.`,
		Example: `  # Is the pool all right?
  dmthin status

  # The daemon of a Docker with another data-root
  dmthin --state /srv/docker/dmthin ls`,
		Version:          version.Get().Version,
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(*cobra.Command, []string) { a.started = true },
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&a.state, "state", "", "state `DIR` of the daemon (default: $DMTHIN_STATE, else "+defaultState+")")
	flags.StringVar(&a.socket, "socket", "", "admin socket `PATH` (default: admin.sock in the state directory)")
	flags.Var(&a.format, "format", "output format: table or json")
	must(cmd.RegisterFlagCompletionFunc("format", completeFormat))
	must(cmd.MarkPersistentFlagDirname("state"))
	cmd.AddCommand(
		newVersionCommand(a),
		newStatusCommand(a),
		newListCommand(a),
		newInspectCommand(a),
		newLogLevelCommand(a),
		newMetricsCommand(a),
		newCheckCommand(a),
		newCollectCommand(a),
		newTrimCommand(a),
		newResizeCommand(a),
		newSnapCommand(a),
		newRemoveCommand(a),
		newMountCommand(a),
		newUnmountCommand(a),
		newBackupCommand(a),
		newRestoreCommand(a),
		newRepairCommand(a),
		newPoolCommand(a),
		newAdoptCommand(a),
		newReleaseCommand(a),
		newCompletionCommand(a),
		newManCommand(a),
	)
	cmd.InitDefaultHelpCmd()
	if help, _, err := cmd.Find([]string{"help"}); err == nil {
		help.Args = existingCommand
	}
	return cmd
}
