package lvm

import (
	"strings"
)

// Command is one command, not yet run. Its String is what an operator would
// type, so that a plan shows exactly what will run.
type Command struct {
	Program string
	Args    []string
	Target  string // the device or volume it is about, for errors

	settings string // for --config
}

func command(target, program string, args ...string) Command {
	return Command{Program: program, Args: args, Target: target}
}

// String quotes for a shell where that is needed.
func (c Command) String() string {
	words := []string{c.Program}
	if c.settings != "" {
		words = append(words, "--config", quote(c.settings))
	}
	for _, arg := range c.Args {
		words = append(words, quote(arg))
	}
	return strings.Join(words, " ")
}

const plainCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_"

func quote(arg string) string {
	if arg != "" && strings.Trim(arg, plainCharacters) == "" {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// WipeSignatures erases all signatures from a device that nobody uses.
func WipeSignatures(device string) Command {
	return command(device, "wipefs", "--all", device)
}

// CreatePV makes a device a physical volume. A uuid that is not empty is given
// to it.
func CreatePV(device, uuid string) Command {
	if uuid == "" {
		return command(device, "pvcreate", device)
	}
	return command(device, "pvcreate", "--uuid", uuid, "--norestorefile", device)
}

// RemovePV takes the physical volume's label off a device.
func RemovePV(device string) Command { return command(device, "pvremove", "--yes", device) }

// CreateVG makes a volume group of devices, made physical volumes where they
// are none.
func CreateVG(name, tag string, devices ...string) Command {
	args := append(tagArgs(tag), name)
	return command(name, "vgcreate", append(args, devices...)...)
}

// ExtendVG adds devices to a volume group.
func ExtendVG(name string, devices ...string) Command {
	return command(name, "vgextend", append([]string{name}, devices...)...)
}

// RemoveVG removes a volume group with all that is in it.
func RemoveVG(name string) Command { return command(name, "vgremove", "--force", "--yes", name) }

// TagVG adds a tag to a volume group.
func TagVG(name, tag string) Command {
	return command(name, "vgchange", append(tagArgs(tag), name)...)
}

func tagArgs(tag string) []string {
	if tag == "" {
		return nil
	}
	return []string{"--addtag", tag}
}

// CreateLV makes a plain volume. extents is LVM's notation: 95%VG, 1234.
func CreateLV(vg, name, extents string) Command {
	return command(FullName(vg, name), "lvcreate", "--yes", "--wipesignatures", "y", "-n", name, vg, "-l", extents)
}

// CreateLVOfSize is CreateLV with a size in bytes.
func CreateLVOfSize(vg, name string, size int64) Command {
	return command(FullName(vg, name), "lvcreate", "--yes", "--wipesignatures", "y", "-n", name, vg, "-L", bytesArg(size))
}

// ConvertToPool makes two plain volumes a thin pool, which takes the data
// volume's name. chunkSize is in bytes. spare is whether LVM keeps a volume of
// the metadata's size for repairs.
func ConvertToPool(vg, data, metadata string, chunkSize int64, spare bool) Command {
	args := []string{
		"--yes", "--zero", "n", "-c", bytesArg(chunkSize),
		"--thinpool", FullName(vg, data), "--poolmetadata", FullName(vg, metadata),
	}
	if !spare {
		args = append(args, "--poolmetadataspare", "n")
	}
	return command(FullName(vg, data), "lvconvert", args...)
}

// SetProfile attaches a metadata profile to a volume.
func SetProfile(vg, name, profile string) Command {
	return command(FullName(vg, name), "lvchange", "--metadataprofile", profile, FullName(vg, name))
}

// TagLV adds a tag to a volume.
func TagLV(vg, name, tag string) Command {
	return command(FullName(vg, name), "lvchange", append(tagArgs(tag), FullName(vg, name))...)
}

// Activate makes a volume usable. It is for one that is marked to be skipped
// too: whoever calls this wants the volume.
func Activate(vg, name string) Command {
	return command(FullName(vg, name), "lvchange", "--activate", "y", "--ignoreactivationskip", FullName(vg, name))
}

// Deactivate ends what Activate began.
func Deactivate(vg, name string) Command {
	return command(FullName(vg, name), "lvchange", "--activate", "n", FullName(vg, name))
}

// RemoveLV removes a volume and what is on it.
func RemoveLV(vg, name string) Command {
	return command(FullName(vg, name), "lvremove", "--yes", FullName(vg, name))
}

// ExtendLV makes a volume larger by size bytes.
func ExtendLV(vg, name string, size int64) Command {
	return command(FullName(vg, name), "lvextend", "-L", "+"+bytesArg(size), FullName(vg, name))
}

// ExtendLVByRest makes a volume larger by all that the volume group has free.
func ExtendLVByRest(vg, name string) Command {
	return command(FullName(vg, name), "lvextend", "-l", "+100%FREE", FullName(vg, name))
}

// ExtendMetadata makes a pool's metadata larger by size bytes.
func ExtendMetadata(vg, name string, size int64) Command {
	return command(FullName(vg, name), "lvextend", "--poolmetadatasize", "+"+bytesArg(size), FullName(vg, name))
}

// UntagVG takes a tag off a volume group.
func UntagVG(name, tag string) Command { return command(name, "vgchange", "--deltag", tag, name) }
