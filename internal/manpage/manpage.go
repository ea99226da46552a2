// Package manpage writes man pages of commands, from the same text as --help.
package manpage

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Write writes one page for the command and for each below it into dir, dated
// epoch, which is SOURCE_DATE_EPOCH or empty for today.
func Write(cmd *cobra.Command, section, dir, epoch string) error {
	date, err := parseDate(epoch)
	if err != nil {
		return err
	}
	cmd.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: section, Date: &date, Source: "dmthin", Manual: "dmthin manual"}
	if err := doc.GenManTree(cmd, header, dir); err != nil {
		return fmt.Errorf("write man pages: %w", err)
	}
	return nil
}

func parseDate(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Now(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number of seconds", epoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
