package lvm

import (
	"strconv"
	"strings"
)

// FullName is a volume as LVM's commands take it: VG/LV.
func FullName(vg, lv string) string { return vg + "/" + lv }

// DMName is the name that LVM gives to a volume's device-mapper device: a
// hyphen in a name is doubled, a single one stands between the two.
func DMName(vg, lv string) string {
	return strings.ReplaceAll(vg, "-", "--") + "-" + strings.ReplaceAll(lv, "-", "--")
}

// SplitDMName is the reverse of DMName. ok is false for what can't be the name
// of a volume's device.
func SplitDMName(name string) (vg, lv string, ok bool) {
	at := -1
	for i := 0; i < len(name); i++ {
		if name[i] != '-' {
			continue
		}
		if i+1 < len(name) && name[i+1] == '-' {
			i++ // a hyphen of the name itself
			continue
		}
		if at >= 0 {
			return "", "", false
		}
		at = i
	}
	if at <= 0 || at == len(name)-1 {
		return "", "", false
	}
	single := strings.NewReplacer("--", "-")
	return single.Replace(name[:at]), single.Replace(name[at+1:]), true
}

// bytesArg writes bytes in the largest unit of LVM's that needs no fraction.
func bytesArg(n int64) string {
	for i, unit := range []string{"T", "G", "M", "K"} {
		if size := int64(1) << (40 - 10*i); n%size == 0 && n > 0 {
			return strconv.FormatInt(n/size, 10) + unit
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
