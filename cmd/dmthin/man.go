package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newManCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man pages into a directory",
		Hidden: true, // for packagers
		Long: `Write one man page for each command into DIR, which must exist. Their date is
SOURCE_DATE_EPOCH where that is set, else today.`,
		Example: `  SOURCE_DATE_EPOCH=1795489200 dmthin man build/man`,
		Args:    exactlyOne("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := sourceDate(a.getenv("SOURCE_DATE_EPOCH"))
			if err != nil {
				return err
			}
			header := &doc.GenManHeader{
				Section: "1",
				Date:    &date,
				Source:  "dmthin",
				Manual:  "dmthin manual",
			}
			if err := doc.GenManTree(cmd.Root(), header, args[0]); err != nil {
				return fmt.Errorf("write man pages: %w", err)
			}
			return nil
		},
	}
}

func sourceDate(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Now(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number of seconds", epoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
