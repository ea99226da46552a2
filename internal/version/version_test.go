package version

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLinkerValuesWinOverRecordedOnes(t *testing.T) {
	build := &debug.BuildInfo{
		Main: debug.Module{Version: "v0.9.0"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "feed"},
			{Key: "vcs.modified", Value: "true"},
		},
	}
	tests := []struct {
		name, version, commit   string
		build                   *debug.BuildInfo
		wantVersion, wantCommit string
	}{
		{"linker", "v1.2.3", "cafe", build, "v1.2.3", "cafe"},
		{"recorded", "", "", build, "v0.9.0", "feed+dirty"},
		{"linker version only", "v1.2.3", "", build, "v1.2.3", "feed+dirty"},
		{"work tree without vcs", "", "", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "devel", "unknown"},
		{"no build info", "", "", nil, "devel", "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := Info{Version: tt.wantVersion, Commit: tt.wantCommit, GoVersion: runtime.Version()}
			if diff := cmp.Diff(want, describe(tt.version, tt.commit, tt.build)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestGetNeverLeavesAFieldEmpty(t *testing.T) {
	if got := Get(); got.Version == "" || got.Commit == "" || got.GoVersion == "" {
		t.Errorf("Get() = %+v, want every field set", got)
	}
}
