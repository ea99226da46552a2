package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/dmthin/dmthin/internal/manpage"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/version"
	"github.com/dmthin/dmthin/plugin"
)

// Exit codes. The systemd unit does not restart the daemon after exitRefused:
// only an operator can help then.
const (
	exitFailure = 1
	exitUsage   = 2
	exitRefused = 3
)

// settings are the daemon's own; how the pool is made comes from dockerd.
type settings struct {
	socket      string
	state       string
	initRecord  string
	adminSocket string
	logLevel    string
	logFormat   string
	metrics     string
	trim        string
	verifyDiff  string

	trimInterval time.Duration // of trim
	verifyShare  float64       // of verifyDiff, 0 to 1
}

// stateDir is where records and loop files lie.
func (s settings) stateDir(req plugin.InitRequest) string {
	if s.state != "" {
		return s.state
	}
	return req.Home
}

func run(args []string) int {
	var set settings
	ran := false
	cmd := newCommand(&set, func(ctx context.Context) error {
		ran = true
		return serve(ctx, set)
	})
	cmd.SetArgs(args)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := cmd.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case !ran:
		fmt.Fprintf(os.Stderr, "dmthind: %v; see dmthind --help\n", err)
		return exitUsage
	case errors.Is(err, errNotRoot), errors.Is(err, plugin.ErrSocketInUse), errors.Is(err, state.ErrLocked):
		logrus.Error(err)
		return exitRefused
	default:
		logrus.Error(err)
		return exitFailure
	}
}

func newCommand(set *settings, serve func(context.Context) error) *cobra.Command {
	var man string
	cmd := &cobra.Command{
		Use:   "dmthind",
		Short: "Docker's devicemapper storage as a graphdriver plugin",
		Long: `dmthind keeps image layers and containers as thin devices in a device-mapper
thin pool, and serves them to dockerd as the storage driver "dmthin".

Without flags it is the host daemon. dockerd, started with
--experimental --storage-driver=dmthin, finds it by its socket and tells it
where its data lives and which dm.* options to use. It ends with SIGTERM and
leaves mounts and devices to the containers that use them.

Exit codes:
  0  stopped
  1  failed
  2  wrong usage
  3  refused: not root, or another daemon has the socket or the state`,
		Example: `  # The host daemon, as the systemd unit runs it
  dmthind

  # A second instance for tests, apart from everything else
  dmthind --socket /run/docker/plugins/try.sock --state /srv/try --init-record /run/try.json`,
		Args:          cobra.NoArgs,
		Version:       version.Get().Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		PreRunE:       func(*cobra.Command, []string) error { return set.check() },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if man != "" {
				return manpage.Write(cmd, "8", man, os.Getenv("SOURCE_DATE_EPOCH"))
			}
			return serve(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&set.socket, "socket", "/run/docker/plugins/dmthin.sock", "`PATH` of the socket for dockerd; its name is the driver's name")
	f.StringVar(&set.state, "state", "", "`DIR` of records and loop files (default: the one dockerd names in Init, DATA-ROOT/dmthin)")
	f.StringVar(&set.initRecord, "init-record", "/run/dmthin/init.json", "`FILE` that remembers dockerd's Init, which it never repeats after a crash of dmthind")
	f.StringVar(&set.adminSocket, "admin-socket", "", "`PATH` of the socket for the dmthin command (default: admin.sock in the state directory)")
	f.StringVar(&set.logLevel, "log-level", env("DMTHIN_LOG_LEVEL", "info"), "`LEVEL`: error, warning, info, debug or trace; also DMTHIN_LOG_LEVEL")
	f.StringVar(&set.logFormat, "log-format", env("DMTHIN_LOG_FORMAT", "text"), "`FORMAT`: text or json; also DMTHIN_LOG_FORMAT")
	f.StringVar(&set.metrics, "metrics-address", os.Getenv("DMTHIN_METRICS_ADDRESS"), "`HOST:PORT` on which to serve /metrics, /healthz and /readyz over HTTP, without a password: 127.0.0.1:9323 for instance (default: on the admin socket only); also DMTHIN_METRICS_ADDRESS")
	f.StringVar(&set.trim, "trim-interval", env("DMTHIN_TRIM_INTERVAL", "168h"), "`TIME` between two rounds that give space which running containers have freed back to the pool, 0 for never; also DMTHIN_TRIM_INTERVAL")
	f.StringVar(&set.verifyDiff, "verify-diff", env("DMTHIN_VERIFY_DIFF", "0%"), "`PERCENT` of the comparisons of layers to be done in the slow way too, as a check on the fast one; also DMTHIN_VERIFY_DIFF")
	f.StringVar(&man, "man", "", "write the man page into `DIR` and do nothing else")
	if err := f.MarkHidden("man"); err != nil { // for packagers
		panic(err)
	}
	return cmd
}

// check refuses what a restart would not mend.
func (s *settings) check() (err error) {
	for _, p := range []struct{ flag, path string }{
		{"--socket", s.socket}, {"--init-record", s.initRecord},
		{"--state", cmp.Or(s.state, "/")}, {"--admin-socket", cmp.Or(s.adminSocket, "/")},
	} {
		if !filepath.IsAbs(p.path) {
			return fmt.Errorf("%s %q: use an absolute path", p.flag, p.path)
		}
	}
	if _, err := newLogger(*s); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(cmp.Or(s.metrics, ":0")); err != nil {
		return fmt.Errorf("--metrics-address (DMTHIN_METRICS_ADDRESS) %q: use HOST:PORT, 127.0.0.1:9323 for instance", s.metrics)
	}
	if s.trimInterval, err = parseTrimInterval(s.trim); err != nil {
		return err
	}
	s.verifyShare, err = parseShare(s.verifyDiff)
	return err
}

// parseShare reads a percentage, with or without its sign.
func parseShare(text string) (float64, error) {
	percent, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !(percent >= 0 && percent <= 100) {
		return 0, fmt.Errorf("--verify-diff (DMTHIN_VERIFY_DIFF) %q: use a percentage such as 5%%, from 0%% to 100%%", text)
	}
	return percent / 100, nil
}

// parseTrimInterval reads the flag, whose default is that of systemd's
// fstrim.timer for other filesystems.
func parseTrimInterval(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("--trim-interval (DMTHIN_TRIM_INTERVAL) %q: use a time such as 24h, or 0 for never", text)
	}
	return d, nil
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

func newLogger(set settings) (*logrus.Logger, error) {
	log := logrus.StandardLogger()
	level, err := logrus.ParseLevel(set.logLevel)
	if err != nil {
		return nil, fmt.Errorf("--log-level (DMTHIN_LOG_LEVEL) %q: use error, warning, info, debug or trace", set.logLevel)
	}
	log.SetLevel(level)
	// dockerd logs what a managed plugin writes to its standard error as errors.
	log.SetOutput(os.Stdout)
	switch set.logFormat {
	case "text":
		log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true})
	case "json":
		log.SetFormatter(&logrus.JSONFormatter{})
	default:
		return nil, fmt.Errorf("--log-format (DMTHIN_LOG_FORMAT) %q: use text or json", set.logFormat)
	}
	return log, nil
}
