package main

import (
	"errors"
	"fmt"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/admin"
)

func newResizeCommand(a *app) *cobra.Command {
	var metadata sizeFlag
	var req admin.ResizeRequest
	cmd := &cobra.Command{
		Use:   "resize [SIZE]",
		Short: "Make a pool on loop files larger",
		Long: `Make loop-lvm's data file SIZE large, and with --metadata its metadata file,
while containers run. Writes that wait for space go on. A pool can't be made
smaller. Sizes are binary: 200GB is 200 GiB, as with dm.loopdatasize.

Nothing is allocated: the file grows as layers are written, and the filesystem
it lies on must have the room then.

A pool of LVM's is extended with dmthin pool extend or lvextend; the daemon
takes either up. Without a daemon set dm.loopdatasize, which the next start
follows.`,
		Example: `  dmthin resize 200GB

  # Room for more and larger layers in the metadata
  dmthin resize --metadata 4GB`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return fmt.Errorf("takes one SIZE, got %d", len(args))
			case len(args) == 0 && metadata == 0:
				return errors.New("needs a SIZE or --metadata")
			}
			if len(args) == 1 {
				size, err := units.RAMInBytes(args[0])
				if err != nil || size <= 0 {
					return fmt.Errorf("%q is no size; 200GB for instance", args[0])
				}
				req.Data = size
			}
			req.Metadata = int64(metadata)
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, done := a.progress()
			resized, err := a.client().Resize(cmd.Context(), req, report)
			done()
			if err != nil {
				return err
			}
			return a.print(resized, func(c *columns) {
				c.field("Data", was(resized.DataBefore, resized.Data))
				c.field("Metadata", was(resized.MetadataBefore, resized.Metadata))
			})
		},
	}
	cmd.Flags().Var(&metadata, "metadata", "the metadata file's new `SIZE`; the kernel uses 16 GiB at most")
	return cmd
}

func was(before, now int64) string {
	if before == now {
		return size(now) + ", as before"
	}
	return fmt.Sprintf("%s, was %s", size(now), size(before))
}
