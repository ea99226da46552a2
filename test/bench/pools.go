package main

import (
	"context"
	"fmt"
	"os/exec"
)

// makePools makes thin pools of equal size of LVM's on the disk, as Docker's
// manual has it, and returns their devices.
func makePools(ctx context.Context, disk string, n int) ([]string, error) {
	const group = "bench"
	steps := [][]string{
		{"pvcreate", "-qq", "-ff", "-y", disk},
		{"vgcreate", "-qq", group, disk},
	}
	share := fmt.Sprintf("%d%%VG", 90/n) // metadata and its spare need some
	var pools []string
	for i := range n {
		name := fmt.Sprintf("pool%d", i)
		steps = append(steps, []string{
			"lvcreate", "-qq", "-y", "--type", "thin-pool", "--zero", "n", "--chunksize", "64K",
			"--poolmetadatasize", "64M", "--extents", share, "--name", name, group,
		})
		pools = append(pools, "/dev/mapper/"+group+"-"+name)
	}
	for _, step := range steps {
		if out, err := exec.CommandContext(ctx, step[0], step[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%q: %w: %s", step, err, out)
		}
	}
	return pools, nil
}
