package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzParse(f *testing.F) {
	for _, opt := range Table() {
		f.Add(opt.Name + "=" + opt.Default)
		for value := range badValues[opt.Name] {
			f.Add(opt.Name + "=" + value)
		}
	}
	f.Add("dm.directlvm_device=/dev/sdb\ndm.thinp_percent=95\ndm.thinp_metapercent=5%\ndm.thinp_autoextend_percent=20")
	f.Add("dm.datadev=/dev/sdb\ndm.metadatadev=/dev/sdc")
	f.Add("dm.fs=xfs\ndm.basesize=300M\ndm.use_deferred_removal=false\ndm.use_deferred_deletion=true")
	f.Fuzz(func(t *testing.T, lines string) {
		given := strings.Split(lines, "\n")
		got, err := Parse(given)
		if err != nil {
			if diff := cmp.Diff(Options{}, got); diff != "" {
				t.Fatalf("an error and options:\n%s", diff)
			}
			if strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Fatalf("the error is not one clean line: %q", err)
			}
			return
		}
		checkRanges(t, got)
	})
}

func FuzzParseLayerSize(f *testing.F) {
	for _, value := range []string{"20G", "0", "1", "-1", "1e30P", "16 mib"} {
		f.Add("size", value)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		size, err := ParseLayerSize(map[string]string{key: value})
		if err != nil && size != 0 || size%sector != 0 || size != 0 && (size < minExt4 || size > maxSize) {
			t.Fatalf("%q=%q: %d, %v", key, value, size, err)
		}
	})
}

// checkRanges is what Parse promises of Options.
func checkRanges(t *testing.T, o Options) {
	t.Helper()
	for name, size := range map[string]int64{"base": o.BaseSize, "data": o.LoopDataSize, "metadata": o.LoopMetadataSize, "block": o.BlockSize} {
		if size < 64<<10 || size > maxSize || size%sector != 0 {
			t.Errorf("%s size %d", name, size)
		}
	}
	if o.BlockSize > 1<<30 || o.BlockSize%(64<<10) != 0 {
		t.Errorf("block size %d", o.BlockSize)
	}
	if o.Filesystem != "" && o.Filesystem != "ext4" && o.Filesystem != "xfs" {
		t.Errorf("filesystem %q", o.Filesystem)
	}
	for _, arg := range append(append([]string(nil), o.MkfsArgs...), o.MountOptions...) {
		if arg == "" || strings.ContainsRune(arg, 0) {
			t.Errorf("argument %q", arg)
		}
	}
	if o.MinFreeSpacePercent < 0 || o.MinFreeSpacePercent > 99 || o.LibDMLogLevel < 2 || o.LibDMLogLevel > 7 {
		t.Errorf("min free space %d, log level %d", o.MinFreeSpacePercent, o.LibDMLogLevel)
	}
	if o.DeferredRemoval != nil && !*o.DeferredRemoval && (o.DeferredDeletion == nil || *o.DeferredDeletion) {
		t.Error("deferred deletion without deferred removal")
	}
	checkPool(t, o)
}

func checkPool(t *testing.T, o Options) {
	t.Helper()
	if o.XFSNoSpaceMaxRetries == nil {
		t.Error("no number of retries for xfs")
	}
	kinds := 0
	for _, given := range []bool{o.ThinPoolDevice != "", o.DirectLVM.Device != "", o.DataDevice+o.MetadataDevice != ""} {
		if given {
			kinds++
		}
	}
	d := o.DirectLVM
	if kinds > 1 || d.Device == "" && d != (DirectLVM{}) {
		t.Errorf("%d kinds of pool: %+v", kinds, o)
	}
	if d.DataPercent+d.MetadataPercent > 100 || d.AutoextendThreshold > 100 || d.AutoextendPercent > 100 {
		t.Errorf("percentages %+v", d)
	}
}
