package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/dmthin/dmthin/internal/version"
	"github.com/dmthin/dmthin/plugin"
)

var errNotRoot = errors.New("dmthind must run as root: device-mapper and mounts need it")

// shutdownGrace bounds how long calls under way may take to end. dockerd kills
// a managed plugin 10 s after SIGTERM.
const shutdownGrace = 7 * time.Second

// serve runs the daemon until ctx ends. The socket is there before any slow
// pool work, since dockerd gives up on a plugin's socket after seconds but
// waits for Init as long as it takes.
func serve(ctx context.Context, set settings) (err error) {
	logger, err := newLogger(set)
	if err != nil {
		return err
	}
	log := logrus.NewEntry(logger)
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	listener, err := plugin.ListenUnix(set.socket)
	if err != nil {
		return err
	}
	scrapes, err := listenMetrics(set.metrics)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	log.WithField("socket", set.socket).Infof("dmthind %s is listening", version.Get().Version)
	d := newDriver(set, log)
	defer func() { err = errors.Join(err, d.stop()) }()
	return runServers(ctx, d, listener, scrapes, log)
}

// listenMetrics returns nil where no address is set.
func listenMetrics(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--metrics-address: %w", err)
	}
	return l, nil
}

func runServers(ctx context.Context, d *driver, listener, scrapes net.Listener, log *logrus.Entry) error {
	server := plugin.New(d, log, plugin.WithObserver(d.metrics.ObserveCall))
	g, ctx := errgroup.WithContext(ctx)
	if scrapes != nil {
		log.Infof("metrics are served on http://%s/metrics", scrapes.Addr())
		g.Go(func() error { return d.serveMetrics(ctx, scrapes) })
	}
	g.Go(func() error { return server.Serve(ctx, listener) })
	g.Go(func() error {
		d.resume(ctx)
		notify(log, daemon.SdNotifyReady)
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		notify(log, daemon.SdNotifyStopping)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			return fmt.Errorf("stop serving: %w", err)
		}
		return nil
	})
	return g.Wait()
}

// notify tells systemd, where it runs the daemon.
func notify(log *logrus.Entry, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.WithError(err).Warn("systemd can't be told about the daemon's state")
	}
}
