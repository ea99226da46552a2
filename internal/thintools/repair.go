package thintools

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// Superblock is what a repair needs to be told where the superblock itself is
// lost; otherwise it is zero.
type Superblock struct {
	TransactionID uint64
	BlockSize     int64 // bytes
	DataBlocks    uint64
}

// Repair writes what can be saved of the metadata in from into to, a file or
// device at least as large, and leaves from as it is. What it wrote needs a
// Check, and a comparison with the records: devices may be missing.
func Repair(ctx context.Context, from, to string, lost Superblock) error {
	args := []string{"-i", from, "-o", to}
	if lost != (Superblock{}) {
		args = append(args,
			"--transaction-id", strconv.FormatUint(lost.TransactionID, 10),
			"--data-block-size", strconv.FormatInt(lost.BlockSize/512, 10),
			"--nr-data-blocks", strconv.FormatUint(lost.DataBlocks, 10))
	}
	words, err := run(ctx, "thin_repair", args...)
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() < 0 && ctx.Err() == nil:
		// Release 0.9.0, in Debian 12, does on some pools whose superblock is lost.
		return fmt.Errorf("repair pool metadata of %s: thin_repair crashed (%w); try thin-provisioning-tools 1.0 or later, on another machine if need be", from, err)
	case errors.As(err, &exit):
		return fmt.Errorf("repair pool metadata of %s into %s: %w: %s", from, to, err, strings.Join(lines(words), "; "))
	}
	return fmt.Errorf("repair pool metadata of %s: %w", from, err)
}
