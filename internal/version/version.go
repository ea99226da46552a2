// Package version says which build this is. Both binaries print it; what the
// daemon finds out about the kernel or libdevmapper at run time doesn't belong
// here.
package version

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// Set by the linker only:
//
//	-ldflags "-X github.com/dmthin/dmthin/internal/version.Version=v1.2.3
//	          -X github.com/dmthin/dmthin/internal/version.Commit=0123abc"
var (
	Version string
	Commit  string
)

// Info identifies a build. No field is empty.
type Info struct {
	Version   string // "v1.2.3", or "devel" when nobody said
	Commit    string // Git commit, "+dirty" appended for a changed tree; or "unknown"
	GoVersion string // of the toolchain, "go1.26.8"
}

// Get returns what the linker was told, and for the rest what `go build` or
// `go install` recorded in the binary.
func Get() Info {
	build, _ := debug.ReadBuildInfo()
	return describe(Version, Commit, build)
}

// describe takes a nil build for a binary made without module support.
func describe(version, commit string, build *debug.BuildInfo) Info {
	var recordedVersion, recordedCommit string
	if build != nil {
		recordedVersion = moduleVersion(build)
		recordedCommit = vcsCommit(build)
	}
	return Info{
		Version:   cmp.Or(version, recordedVersion, "devel"),
		Commit:    cmp.Or(commit, recordedCommit, "unknown"),
		GoVersion: runtime.Version(),
	}
}

// moduleVersion treats Go's placeholder for "built in a work tree" as unknown.
func moduleVersion(build *debug.BuildInfo) string {
	if build.Main.Version == "(devel)" {
		return ""
	}
	return build.Main.Version
}

func vcsCommit(build *debug.BuildInfo) string {
	var commit, dirty string
	for _, s := range build.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if commit == "" {
		return ""
	}
	return commit + dirty
}
