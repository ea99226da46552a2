package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/takeover"
)

func newAdoptCommand(a *app) *cobra.Command {
	var o takeoverFlags
	var undo, commit bool
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Make the pool of Docker's devicemapper driver dmthin's, in place",
		Long: `Take over a host whose Docker runs on its built-in devicemapper driver: images,
containers, records and pool stay where they are, and dmthin goes on with them.
Docker must not run, and no container.

First all is looked at: records against the pool, Docker's stores against the
records, the filesystem of each device, room, what is active. --dry-run stops
there. What is wrong is listed by name; nothing is changed until it is corrected
or, where that can't be, each NAME is given up with --accept-loss.

Then records and settings are copied to DATA-ROOT/dmthin-takeover, and the
folders of the driver, the driver's name in each container and daemon.json
become dmthin's. No data of the pool is copied or changed. While it is at work
daemon.json names a driver that doesn't exist, so that dockerd can't start on a
half. After a crash, run it again: it finishes, and with --undo it goes back.

Until --commit removes the copies, --undo takes all back, with what was made
under dmthin meanwhile. After that, dmthin release does.`,
		Example: `  # What is there, and what would be done?
  dmthin adopt --dry-run

  dmthin adopt --yes

  # Once all works
  dmthin adopt --commit`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case undo && commit:
				return errors.New("--undo and --commit exclude each other")
			case commit && o.dryRun:
				return errors.New("--commit has no --dry-run: all it does is remove the backups")
			}
			return o.check(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case commit:
				return a.commitAdoption(o)
			case undo:
				return a.takeOver(cmd, o, "undo", (*takeover.Takeover).PlanUndo)
			}
			return a.takeOver(cmd, o, "adopt", (*takeover.Takeover).PlanAdopt)
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&undo, "undo", false, "go back to Docker's driver, and to the daemon.json of before")
	cmd.Flags().BoolVar(&commit, "commit", false, "remove the backups; then there is no --undo any more")
	return cmd
}

func newReleaseCommand(a *app) *cobra.Command {
	var o takeoverFlags
	cmd := &cobra.Command{
		Use:   "release",
		Short: "Hand the pool back to Docker's devicemapper driver, in place",
		Long: `The reverse of dmthin adopt, at any time: the built-in driver of Docker 24 and
earlier goes on with the pool and all that was made under dmthin, or was there
from the start. Neither Docker nor dmthind may run, and no container.

What that driver can't read is found first and named, such as layers that were
never finished. The rest is as with dmthin adopt: --dry-run, backups, a journal,
and after a crash the same command again.`,
		Example: `  dmthin release --dry-run

  dmthin release --yes`,
		Args: o.check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.takeOver(cmd, o, "release", (*takeover.Takeover).PlanRelease)
		},
	}
	o.add(cmd)
	return cmd
}

// takeoverFlags are those of adopt and release.
type takeoverFlags struct {
	host        takeover.Host
	accepted    []string
	dryRun, yes bool
}

func (o *takeoverFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.host.DataRoot, "data-root", "", "Docker's data-root `DIR` (default: what daemon.json says, else /var/lib/docker)")
	flags.StringVar(&o.host.ConfigFile, "config-file", takeover.DefaultConfigFile, "dockerd's settings, `FILE`")
	flags.StringArrayVar(&o.host.StorageOpts, "storage-opt", nil, "storage option `KEY=VALUE` that dockerd has on its command line; may be repeated")
	flags.StringVar(&o.host.Dockerd, "dockerd", "", "dockerd's `PATH` (default: the one in $PATH)")
	flags.StringSliceVar(&o.accepted, "accept-loss", nil, "`NAME` of a finding to go on in spite of; may be repeated")
	flags.BoolVar(&o.host.Thorough, "thorough", false, "check which blocks each device has in a large pool too")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what is there and what would be done")
	flags.BoolVarP(&o.yes, "yes", "y", false, "don't ask")
	must(cmd.MarkFlagDirname("data-root"))
	must(cmd.MarkFlagFilename("config-file"))
}

// check refuses the flags of other commands that say where dmthin is: who gives
// one means another data-root than this would find. And settings that aren't
// there: new ones would be made, and dockerd would go on by its own.
func (o *takeoverFlags) check(cmd *cobra.Command, args []string) error {
	for _, name := range []string{"state", "socket"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is not for %s: name Docker's data-root with --data-root", name, cmd.Name())
		}
	}
	if _, err := os.Stat(o.host.ConfigFile); cmd.Flags().Changed("config-file") && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--config-file %s: there is no such file; give the one that dockerd reads, or leave the flag out for %s", o.host.ConfigFile, takeover.DefaultConfigFile)
	}
	return noArguments(cmd, args)
}

// takeOver plans, shows, asks and does.
func (a *app) takeOver(cmd *cobra.Command, o takeoverFlags, operation string, plan func(*takeover.Takeover, context.Context, []string) (takeover.Plan, error)) error {
	t, err := takeover.Open(o.host)
	if err != nil {
		return err
	}
	defer func() { _ = t.Close() }() // lets go of locks
	p, planErr := plan(t, cmd.Context(), o.accepted)
	r := takeoverOf(operation, p)
	if planErr != nil && len(p.Findings) == 0 {
		return planErr
	}
	if planErr != nil || o.dryRun {
		return errors.Join(a.print(r, func(c *columns) { takeoverTable(c, r) }), planErr)
	}
	if !o.yes {
		c := newColumns(a.errOut)
		takeoverTable(c, r)
		if err := c.w.Flush(); err != nil {
			return err
		}
	}
	if err := confirm(cmd, "Go on?", o.yes); err != nil {
		return err
	}
	stop := context.AfterFunc(cmd.Context(), func() {
		a.step("it goes on to its end, in some seconds; another Ctrl-C ends it at once, and the same command finishes it later")
	})
	err = t.Apply(p, a.step)
	stop()
	if err != nil {
		return err
	}
	r.Done = true
	return a.print(r, func(c *columns) { takeoverTable(c, r) })
}

func (a *app) commitAdoption(o takeoverFlags) error {
	t, err := takeover.Open(o.host)
	if err != nil {
		return err
	}
	defer func() { _ = t.Close() }() // lets go of locks
	if err := t.Commit(); err != nil {
		return err
	}
	r := takeoverReport{Operation: "commit", DataRoot: t.Root(), Done: true, Findings: []takeoverFinding{}, Notes: []string{}, Steps: []string{}}
	return a.print(r, func(c *columns) { takeoverTable(c, r) })
}
