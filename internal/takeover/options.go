package takeover

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmthin/dmthin/internal/config"
	"github.com/dmthin/dmthin/internal/lvm"
)

// settings are the storage options before and after.
type settings struct {
	options config.Options // as the driver that takes over reads them
	after   []string       // for daemon.json
	notes   []string       // what changed, for the operator
	onLine  bool           // they are on dockerd's command line, which is not ours to change
}

// poolOptions say where the pool is.
var poolOptions = []string{"dm.directlvm_device", "dm.thinpooldev", "dm.datadev", "dm.metadatadev"}

// dmthinOnly are options that Docker's driver doesn't know.
var dmthinOnly = []string{"dm.error_if_no_space"}

// translate works out the options for the driver that takes over from another.
func (t *Takeover) translate(from Driver) (settings, error) {
	var before []string
	t.config.get("storage-opts", &before)
	s := settings{onLine: len(t.host.StorageOpts) > 0}
	before = append(before, t.host.StorageOpts...)
	before, err := t.addSetup(from, &s, before)
	if err != nil {
		return s, err
	}
	for {
		s.options, err = config.Parse(before)
		unfit, ok := unfitOption(err, before)
		if !ok || slices.Contains(poolOptions, unfit) { // without it another pool would be taken for the one
			break
		}
		before = slices.DeleteFunc(before, func(opt string) bool { return optionKey(opt) == unfit })
		s.notes = append(s.notes, fmt.Sprintf("storage option %s goes: %v", unfit, err))
	}
	if err != nil {
		return s, fmt.Errorf("storage options: %w; correct them in %s first", err, t.host.ConfigFile)
	}
	for _, opt := range before {
		if opt, note := translateOption(opt, from.other()); note != "" {
			s.notes = append(s.notes, note)
			if opt == "" {
				continue
			}
		}
		s.after = append(s.after, opt)
	}
	if off := s.options.DeferredRemoval; from == DMThin && off != nil && !*off && !hasOption(before, "dm.use_deferred_deletion") {
		s.after = append(s.after, "dm.use_deferred_deletion=false")
		s.notes = append(s.notes, "storage option dm.use_deferred_deletion=false comes in: Docker's driver doesn't start with dm.use_deferred_removal=false alone")
	}
	return s, nil
}

func hasOption(opts []string, keys ...string) bool {
	return slices.ContainsFunc(opts, func(opt string) bool { return slices.Contains(keys, optionKey(opt)) })
}

func optionKey(opt string) string {
	key, _, _ := strings.Cut(opt, "=")
	return strings.ToLower(strings.TrimSpace(key))
}

// unfitOption finds the option that err is about. Of options that contradict
// each other there is no telling which one is wrong.
func unfitOption(err error, opts []string) (key string, ok bool) {
	var value *config.ValueError
	if errors.As(err, &value) {
		return value.Option, true
	}
	if errors.Is(err, config.ErrUnknownOption) {
		for _, opt := range opts {
			if _, err := config.Parse([]string{opt}); errors.Is(err, config.ErrUnknownOption) {
				return optionKey(opt), true
			}
		}
	}
	return "", false
}

// translateOption returns what becomes of one option, "" if it goes, and why.
func translateOption(opt string, to Driver) (after, note string) {
	key, value, _ := strings.Cut(opt, "=")
	key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
	switch {
	case to == DMThin && (key == "dm.datadev" || key == "dm.metadatadev"):
		return opt, "storage option " + key + " stays, but is deprecated"
	case to == BuiltIn && slices.Contains(dmthinOnly, key):
		return "", "storage option " + opt + " goes: Docker's driver doesn't know it"
	case to == BuiltIn && key == "dm.thinpooldev":
		if name := poolDMName(value); name != strings.TrimPrefix(value, "/dev/mapper/") {
			return "dm.thinpooldev=/dev/mapper/" + name, "storage option " + opt + " becomes /dev/mapper/" + name + ": Docker's driver takes no other form"
		}
	}
	return opt, ""
}

// poolDMName is the device-mapper name of a pool, given as NAME,
// /dev/mapper/NAME, VG/LV or /dev/VG/LV.
func poolDMName(value string) string {
	short := strings.TrimPrefix(strings.TrimPrefix(value, "/dev/"), "mapper/")
	if vg, lv, ok := strings.Cut(short, "/"); ok {
		return lvm.DMName(vg, lv)
	}
	return short
}

// setup is what automatic direct-lvm was set up with; numbers are 0 where they
// were not given.
type setup struct {
	Device              string
	ThinpPercent        uint64
	ThinpMetaPercent    uint64
	AutoExtendPercent   uint64
	AutoExtendThreshold uint64
}

const setupFile = "setup-config.json"

// readSetup reads the record of an automatic direct-lvm set-up.
func readSetup(stateDir string) (s setup, ok bool, err error) {
	path := filepath.Join(stateDir, setupFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, false, fmt.Errorf("read %s: %w", path, err)
	}
	return s, s.Device != "", nil
}

// addSetup gives the options of an automatic direct-lvm set-up again where
// nothing says what the pool is: without them both drivers would begin an empty
// pool on loop devices.
func (t *Takeover) addSetup(from Driver, s *settings, opts []string) ([]string, error) {
	if hasOption(opts, poolOptions...) {
		return opts, nil
	}
	made, ok, err := readSetup(from.state(t.root))
	if err != nil || !ok {
		return opts, err
	}
	added := []string{"dm.directlvm_device=" + made.Device}
	for key, n := range map[string]uint64{
		"dm.thinp_percent": made.ThinpPercent, "dm.thinp_metapercent": made.ThinpMetaPercent,
		"dm.thinp_autoextend_percent": made.AutoExtendPercent, "dm.thinp_autoextend_threshold": made.AutoExtendThreshold,
	} {
		if n != 0 {
			added = append(added, fmt.Sprintf("%s=%d", key, n))
		}
	}
	slices.Sort(added)
	s.notes = append(s.notes, "storage options "+strings.Join(added, ", ")+" come in: "+setupFile+" says that the pool was made so, and nothing else does")
	return append(slices.Clone(opts), added...), nil
}
