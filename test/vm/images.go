package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/dmthin/dmthin/test/vm/image"
)

// buildImages builds the named images, several at once: unpacking waits for the
// network as much as for the CPU.
func buildImages(ctx context.Context, e environment, args []string) error {
	flags := flag.NewFlagSet("vm image", flag.ExitOnError)
	rebuild := flags.Bool("rebuild", false, "throw the cached image away first, to pick up newer packages")
	_ = flags.Parse(args) // ExitOnError
	names := flags.Args()
	if len(names) == 0 {
		names = image.Names()
	}
	cache := image.Cache{Dir: e.cache, Log: os.Stdout}
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range names {
		d, err := image.Lookup(name)
		if err != nil {
			return err
		}
		group.Go(func() error {
			if *rebuild {
				if err := cache.Remove(d); err != nil {
					return err
				}
			}
			img, err := cache.Get(ctx, d)
			if err == nil {
				fmt.Printf("%s: %s\n", d.Name, img.Dir)
			}
			return err
		})
	}
	return group.Wait()
}
