//go:build e2e

package e2e

import (
	"os"
	"strings"
	"testing"
)

// installPlugin installs the managed plugin on the running Docker, for later.
func (h *adoptHost) installPlugin(t *testing.T) {
	t.Helper()
	h.builtIn.run(t, "plugin", "create", "dmthin", env.plugin)
	h.builtIn.run(t, "plugin", "set", "dmthin", "data-root.source="+h.root)
	h.builtIn.run(t, "plugin", "enable", "dmthin")
	h.plugin = h.builtIn.run(t, "plugin", "inspect", "--format", "{{.ID}}", "dmthin")
}

// TestAdoptRemapped takes over the data of one user namespace, which is a folder
// in the data-root.
//
//vm:last
//vm:long
func TestAdoptRemapped(t *testing.T) {
	const remapped = "231072.231072"
	shell(t, `echo nobody:231072:65536 >>/etc/subuid; echo nobody:231072:65536 >>/etc/subgid; echo nogroup:231072:65536 >>/etc/subgid`)
	t.Cleanup(func() { shell(t, `sed -i /:231072:/d /etc/subuid /etc/subgid`) })
	h := stoppedAdoptHost(t, "adopt-remapped", loopPool(), poolOptions...)
	h.builtIn.Flags = []string{"--userns-remap=nobody:nogroup"}
	h.external.Flags = h.builtIn.Flags
	h.builtIn.start(t)
	h.keepFile(t)
	docker := readFacts(t, h.builtIn)
	h.builtIn.stop(t)
	if r := h.dmthin(t, "adopt", "--yes"); !strings.Contains(strings.Join(r.Notes, "\n"), "userns-remap") {
		t.Errorf("adopt doesn't speak of userns-remap: %q", r.Notes)
	}
	if _, err := os.Stat(h.root + "/" + remapped + "/dmthin/metadata/base"); err != nil {
		t.Error(err)
	}
	s := h.startDMThin(t)
	requireSameFacts(t, "adopted", docker, readFacts(t, h.external))
	h.requireKept(t, h.external)
	s.stop(t)
	h.goesBack(t, docker)
	h.builtIn.stop(t)
}
