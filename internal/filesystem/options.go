package filesystem

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// MountOptions are what a caller may choose for one mount.
type MountOptions struct {
	ReadOnly bool
	// NoReplay, with ReadOnly only, mounts without looking at the journal. Use
	// it on a filesystem known to be clean: a dirty one is shown as it was in
	// the middle of a change. An ordinary read-only mount of xfs writes 2 MiB of
	// log into the device; this one writes nothing, but can't be made writable.
	NoReplay bool
	Label    string   // SELinux label for every file: context="…"
	Extra    []string // dm.mountopt; each may be a comma-separated list
	// ProjectQuota makes xfs enforce project quotas, see LimitTree. Mounting
	// without it makes xfs forget the usage, and count it anew at the next mount
	// with it.
	ProjectQuota bool
}

// flag is what a generic option does to mount(2)'s flags.
type flag struct{ set, clear uintptr }

// genericOptions are those that mount(8) turns into flags instead of passing
// them on to the filesystem.
var genericOptions = map[string]flag{
	"ro":            {set: unix.MS_RDONLY},
	"rw":            {clear: unix.MS_RDONLY},
	"nosuid":        {set: unix.MS_NOSUID},
	"suid":          {clear: unix.MS_NOSUID},
	"nodev":         {set: unix.MS_NODEV},
	"dev":           {clear: unix.MS_NODEV},
	"noexec":        {set: unix.MS_NOEXEC},
	"exec":          {clear: unix.MS_NOEXEC},
	"sync":          {set: unix.MS_SYNCHRONOUS},
	"async":         {clear: unix.MS_SYNCHRONOUS},
	"dirsync":       {set: unix.MS_DIRSYNC},
	"mand":          {set: unix.MS_MANDLOCK},
	"nomand":        {clear: unix.MS_MANDLOCK},
	"noatime":       {set: unix.MS_NOATIME},
	"atime":         {clear: unix.MS_NOATIME},
	"nodiratime":    {set: unix.MS_NODIRATIME},
	"diratime":      {clear: unix.MS_NODIRATIME},
	"relatime":      {set: unix.MS_RELATIME},
	"norelatime":    {clear: unix.MS_RELATIME},
	"strictatime":   {set: unix.MS_STRICTATIME},
	"nostrictatime": {clear: unix.MS_STRICTATIME},
	"lazytime":      {set: unix.MS_LAZYTIME},
	"nolazytime":    {clear: unix.MS_LAZYTIME},
	"iversion":      {set: unix.MS_I_VERSION},
	"noiversion":    {clear: unix.MS_I_VERSION},
	"nosymfollow":   {set: unix.MS_NOSYMFOLLOW},
	"symfollow":     {clear: unix.MS_NOSYMFOLLOW},
	"silent":        {set: unix.MS_SILENT},
	"loud":          {clear: unix.MS_SILENT},
}

// ignoredOptions mean something to mount(8) and fstab only.
var ignoredOptions = map[string]bool{
	"defaults": true, "auto": true, "noauto": true, "nofail": true, "_netdev": true,
}

// refusedOptions would make mount(2) do something other than mount a device.
var refusedOptions = map[string]bool{
	"bind": true, "rbind": true, "move": true, "remount": true, "loop": true,
	"shared": true, "rshared": true, "private": true, "rprivate": true,
	"slave": true, "rslave": true, "unbindable": true, "runbindable": true,
}

// CheckMountOptions tells whether a dm.mountopt value can be used at all. What
// the filesystem thinks of it is known only at the first mount.
func CheckMountOptions(value string) error {
	_, _, err := mountArguments(Ext4, MountOptions{Extra: []string{value}})
	return err
}

// mountArguments builds mount(2)'s flags and data. Where options contradict
// each other the last wins, so ours come before the user's, except for those a
// caller relies on.
func mountArguments(t Type, o MountOptions) (flags uintptr, data string, err error) {
	words, err := ownOptions(t, o)
	if err != nil {
		return 0, "", err
	}
	for _, list := range o.Extra {
		for _, word := range splitOptions(list) {
			generic, ok := genericOptions[word]
			switch {
			case ok:
				flags = flags&^generic.clear | generic.set
			case refusedOptions[word], strings.HasPrefix(word, "offset="):
				return 0, "", fmt.Errorf("%w: %q", ErrMountOption, word)
			case ignoredOptions[word], strings.HasPrefix(word, "comment="), strings.HasPrefix(strings.ToLower(word), "x-"):
			default:
				words = append(words, word)
			}
		}
	}
	if o.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	if o.Label != "" {
		if strings.ContainsAny(o.Label, "\"\x00") {
			return 0, "", fmt.Errorf("%w: mount label %q", ErrMountOption, o.Label)
		}
		// Quoted, because the categories of a label are separated by commas.
		words = append(words, `context="`+o.Label+`"`)
	}
	return flags, strings.Join(words, ","), nil
}

// ownOptions are those every mount of the type gets.
func ownOptions(t Type, o MountOptions) ([]string, error) {
	if o.NoReplay && !o.ReadOnly {
		return nil, fmt.Errorf("%w: no journal replay without read-only", ErrMountOption)
	}
	var words []string
	switch t {
	case Ext4:
		if o.ProjectQuota {
			return nil, fmt.Errorf("%w: project quota on ext4", ErrMountOption)
		}
		// Without it the kernel would fill the inode tables of every layer with
		// zeros in the background, a copy for each.
		words = append(words, "noinit_itable")
		if o.NoReplay {
			words = append(words, "noload")
		}
	case XFS:
		// All snapshots of one base have one UUID.
		words = append(words, "nouuid")
		if o.NoReplay {
			words = append(words, "norecovery")
		}
		if o.ProjectQuota {
			words = append(words, "prjquota")
		}
	default:
		return nil, fmt.Errorf("mount as %q: %w", t, ErrUnsupported)
	}
	return words, nil
}

// splitOptions splits at commas outside double quotes and drops empty words.
func splitOptions(list string) []string {
	quoted := false
	return strings.FieldsFunc(list, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ',' && !quoted
	})
}
