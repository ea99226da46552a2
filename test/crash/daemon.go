//go:build dmtest

package crash

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/docker/go-units"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/test/driverclient"
)

// setting is what a daemon works on.
type setting struct {
	state     string // folder; Home too
	options   []string
	metadata  string // the pool's: device or file
	stateSize int64  // of the lab's part
}

// onLab is the setting of most tests: the parts of the lab's disk.
var onLab = setting{
	state: stateDir, stateSize: stateSize, metadata: partPath("metadata"), options: []string{
		"dm.datadev=" + partPath("data"), "dm.metadatadev=" + partPath("metadata"),
		"dm.basesize=64M", "dm.min_free_space=0%", "dm.blkdiscard=true",
	},
}

// onLabXFS is onLab with layers of xfs, which is made no smaller than this.
var onLabXFS = onLab.with("dm.fs=xfs", "dm.basesize=320M")

// inLoopFiles has the pool in two files on the state's filesystem.
var inLoopFiles = setting{
	state: stateDir, stateSize: 512 << 20, metadata: stateDir + "/devicemapper/metadata", options: []string{
		"dm.loopdatasize=" + units.BytesSize(loopData), "dm.loopmetadatasize=" + units.BytesSize(loopMetadata),
		"dm.basesize=64M", "dm.min_free_space=0%",
	},
}

// with adds options.
func (s setting) with(options ...string) setting {
	s.options = append(slices.Clone(s.options), options...)
	return s
}

// daemon is a dmthind with failpoints.
type daemon struct {
	setting
	*driverclient.Client

	cmd    *exec.Cmd
	log    string        // file; this daemon's words begin at logged
	logged int64         //
	exited chan struct{} // closed once the process is gone

	mu   sync.Mutex
	busy []*os.File // in removed layers
}

// callLimit bounds most calls. An emulated machine is slow, a hang is longer.
const callLimit = 2 * time.Minute

const socket = runDir + "/dmthin.sock"

// startDaemon runs the daemon on the lab's disk.
func startDaemon(failpoints string) (*daemon, error) { return onLab.start(failpoints) }

// start runs the daemon and returns once it listens.
func (s setting) start(failpoints string) (*daemon, error) {
	program := filepath.Join(filepath.Dir(os.Getenv("DMTHIND")), "crash", "dmthind")
	dir := os.Getenv("DMTHIN_ARTIFACTS")
	if dir == "" {
		dir = os.TempDir()
	}
	d := &daemon{setting: s, Client: driverclient.New(socket, callLimit), log: filepath.Join(dir, "dmthind.log"), exited: make(chan struct{})}
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if d.logged, err = log.Seek(0, io.SeekEnd); err != nil {
		return nil, err
	}
	d.cmd = exec.Command(program, "--socket", socket, "--state", s.state, "--init-record", runDir+"/init.json")
	d.cmd.Env = append(os.Environ(), "DMTHIN_FAILPOINTS="+failpoints)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (make crash-build builds it)", err)
	}
	go func() { _ = d.cmd.Wait(); close(d.exited) }()
	return d, d.waitListening()
}

func (d *daemon) waitListening() error {
	for range 600 {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return conn.Close()
		}
		if d.dead() {
			return errors.New("the daemon ended at its start: " + d.tail())
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the daemon does not listen")
}

func (d *daemon) dead() bool {
	select {
	case <-d.exited:
		return true
	default:
		return false
	}
}

// end sends a signal and waits for the process to be gone.
func (d *daemon) end(signal syscall.Signal) error {
	d.CloseIdleConnections()
	if err := d.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.exited:
		return nil
	case <-time.After(callLimit):
		_ = d.cmd.Process.Kill() // what it hangs on is in its log
		return fmt.Errorf("the daemon did not end after %s: %s", signal, d.tail())
	}
}

// said is the log of this daemon.
func (d *daemon) said() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text[min(d.logged, int64(len(text))):])
}

func (d *daemon) tail() string {
	lines := strings.Split(strings.TrimSpace(d.said()), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

func (d *daemon) init() error {
	return d.Call("Init", map[string]any{"Home": d.state, "Opts": d.options}, nil)
}

func (d *daemon) create(id, parent, size string) error {
	request := map[string]any{"ID": id, "Parent": parent}
	if size != "" {
		request["StorageOpt"] = map[string]string{"size": size}
	}
	return d.Call("CreateReadWrite", request, nil)
}

func (d *daemon) remove(id string) error { return d.Call("Remove", map[string]string{"ID": id}, nil) }

func (d *daemon) put(id string) error { return d.Call("Put", map[string]string{"ID": id}, nil) }

// get mounts a layer and returns its folder.
func (d *daemon) get(id string) (string, error) {
	var answer struct{ Dir string }
	err := d.Call("Get", map[string]string{"ID": id}, &answer)
	return answer.Dir, err
}

func (d *daemon) fill(id string, tar io.Reader) error {
	return d.Send("ApplyDiff?id="+url.QueryEscape(id)+"&parent=", tar, nil)
}

func (d *daemon) cleanup() error { return d.Call("Cleanup", struct{}{}, nil) }

func (d *daemon) admin() *admin.Client { return admin.NewClient(filepath.Join(d.state, "admin.sock")) }
