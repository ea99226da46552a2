package takeover

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// DefaultConfigFile is where dockerd looks for its settings.
const DefaultConfigFile = "/etc/docker/daemon.json"

// defaultRoot is dockerd's own data-root.
const defaultRoot = "/var/lib/docker"

// Host says where Docker is, how it is run, and how hard to look at it.
type Host struct {
	DataRoot    string   // "" for the one in daemon.json, else Docker's own
	ConfigFile  string   // daemon.json; "" for DefaultConfigFile
	StorageOpts []string // on dockerd's command line
	Dockerd     string   // the program; "" for the one in PATH
	Thorough    bool     // check the pool's metadata whole, however much it is
}

// Takeover is a data-root that neither dockerd nor dmthind uses, until Close.
type Takeover struct {
	host   Host
	root   string // below which the driver's folders are
	config *document
	locks  []*os.File

	folders

	// interrupt, if set, is asked before each step; tests crash there.
	interrupt func(step string) error
}

// Open finds the data-root and locks it. ErrBusy: somebody uses it.
func Open(h Host) (*Takeover, error) { return open(h, kernelFolders) }

// folders are those that the kernel and the daemons tell of themselves in.
type folders struct{ sys, dev, run, top string }

var kernelFolders = folders{"/sys", "/dev", "/run", "/"}

func open(h Host, f folders) (*Takeover, error) {
	var err error
	// The journal keeps the name, for runs from other folders.
	if h.ConfigFile, err = filepath.Abs(cmp.Or(h.ConfigFile, DefaultConfigFile)); err != nil {
		return nil, fmt.Errorf("find daemon.json: %w", err)
	}
	config, err := readDocument(h.ConfigFile)
	if err != nil {
		return nil, err
	}
	configured := cmp.Or(config.text("data-root"), config.text("graph"))
	h.DataRoot = cmp.Or(h.DataRoot, configured, defaultRoot)
	root, err := findRoot(h.DataRoot, config.text("userns-remap") != "")
	if err != nil {
		return nil, err
	}
	if err := sameDocker(root, configured); err != nil {
		return nil, fmt.Errorf("%w: %s: %w; name the settings of the one that is meant with --config-file", ErrNothing, h.ConfigFile, err)
	}
	t := &Takeover{host: h, root: root, config: config, folders: f}
	if err := t.lock(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Root is the folder below which the driver's folders are: the data-root, or
// with userns-remap a folder in it.
func (t *Takeover) Root() string { return t.root }

// Close lets the daemons in again.
func (t *Takeover) Close() error {
	var errs []error
	for _, lock := range t.locks {
		errs = append(errs, lock.Close())
	}
	t.locks = nil
	return errors.Join(errs...)
}

// findRoot looks for the driver's folders where dockerd has them: by the
// data-root's own name, not by a link to it, and with userns-remap in UID.GID
// below.
func findRoot(dataRoot string, remap bool) (string, error) {
	dataRoot, err := realPath(dataRoot)
	if err != nil {
		return "", fmt.Errorf("find the data-root: %w", err)
	}
	plain := isRoot(dataRoot)
	if plain && !remap {
		return dataRoot, nil
	}
	remapped, err := filepath.Glob(filepath.Join(dataRoot, remappedPattern))
	if err != nil {
		return "", err
	}
	remapped = slices.DeleteFunc(remapped, func(dir string) bool { return !isRoot(dir) })
	switch {
	case len(remapped) == 1:
		return remapped[0], nil
	case len(remapped) > 1:
		return "", fmt.Errorf("%w: %s holds data of several user namespaces, %s and %s for two; name one of these folders as the data-root", ErrNothing, dataRoot, remapped[0], remapped[1])
	case plain:
		return dataRoot, nil
	}
	return "", fmt.Errorf("%w: %s holds no data of Docker's devicemapper driver, nor of dmthin; name the data-root (docker info shows it as Docker Root Dir)", ErrNothing, dataRoot)
}

// sameDocker refuses the settings of another dockerd: they would become dmthin's,
// and keep that one from starting, not the one whose data it is.
func sameDocker(root, configured string) error {
	if configured == "" {
		return nil // the flag says it, or the default is right
	}
	named, err := realPath(configured)
	if err == nil && named != root && !(isRemapped(root) && named == filepath.Dir(root)) {
		err = fmt.Errorf("they are of a docker whose data-root is %s, and not %s", configured, root)
	}
	return err
}

// remappedPattern is that of UID.GID.
const remappedPattern = "[0-9]*.[0-9]*"

func isRemapped(root string) bool {
	ok, err := filepath.Match(remappedPattern, filepath.Base(root))
	return ok && err == nil
}

// realPath follows links as far as there is something.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	found, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return found, err
}

func isRoot(dir string) bool {
	for _, path := range []string{BuiltIn.state(dir), DMThin.state(dir), journalDir(dir)} {
		if exists(path) {
			return true
		}
	}
	return false
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
