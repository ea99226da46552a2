package offline

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/check"
)

// TestLayersThatARepairTookBackAreNamed compares metadata with what thin_repair may
// have made of them.
func TestLayersThatARepairTookBackAreNamed(t *testing.T) {
	// The last layer has other blocks, or fewer of them.
	i := strings.LastIndex(poolXML, "data_begin=")
	moved := poolXML[:i] + strings.Replace(poolXML[i:], `data_begin="0"`, `data_begin="500"`, 1)
	i = strings.LastIndex(poolXML, "<device")
	less := poolXML[:i] + strings.ReplaceAll(poolXML[i:], `="10"`, `="9"`)
	for name, c := range map[string]struct {
		after  string
		damage func(*host, *testing.T)
		want   []string
	}{
		"all is as it was":         {after: poolXML},
		"a layer has other blocks": {after: moved, want: []string{"b"}},
		"a layer has fewer":        {after: less, want: []string{"b"}},
		"nobody knows what it was": {after: poolXML, damage: (*host).damageMappings, want: []string{"a", "b", "base"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			if c.damage != nil {
				c.damage(h, t)
			}
			saved := filepath.Join(t.TempDir(), "saved")
			if err := os.Rename(h.metadata(), saved); err != nil {
				t.Fatal(err)
			}
			h.writePool(t, c.after)
			found, err := h.open(t).older(t.Context(), Diagnosis{Metadata: h.metadata(), saved: saved})
			if err != nil {
				t.Fatal(err)
			}
			check.Sort(found)
			var named []string
			for _, f := range found {
				named = append(named, f.Subject)
				if f.Severity != check.Error || f.Kind != check.OlderContent || !strings.Contains(f.Message, "may be missing") {
					t.Errorf("%+v", f)
				}
			}
			if !slices.Equal(named, c.want) {
				t.Errorf("named are %q, want %q", named, c.want)
			}
		})
	}
}

// damageMappings makes the root of all mappings unreadable.
func (h *host) damageMappings(t *testing.T) {
	t.Helper()
	const rootAt = 320 // in the superblock, behind two space maps
	var block int64
	h.changeBlock(t, 0, func(b []byte) { block = int64(binary.LittleEndian.Uint64(b[rootAt:])) })
	h.changeBlock(t, block, func(b []byte) { b[100] ^= 1 })
}
