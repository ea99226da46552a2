//go:build e2e

package e2e

import (
	"testing"
)

// A host of Docker's real built-in driver, 20.10's, is taken over and handed
// back. On Debian 13 Docker 26 is the one that runs on dmthin, on Debian 12 the
// same 20.10. Each start of a daemon takes long on an emulated machine, so these
// are the smallest hosts, one for each kind of pool; TestAdoptLarge… have more.

//vm:once
func TestAdoptLoopLVM(t *testing.T) {
	before := kernelObjects(t)
	h := newAdoptHost(t, "adopt-loop", loopPool(), append(poolOptions[:len(poolOptions):len(poolOptions)], "dm.fs=ext4")...)
	h.shortThereAndBack(t)
	requireNothingLeft(t, before)
}

// TestAdoptManualDirectLVM has a pool that an operator made, and that a reboot
// left inactive.
//
//vm:once
//vm:long
func TestAdoptManualDirectLVM(t *testing.T) {
	h := manualAdoptHost(t, "adopt-manual", "dm.fs=xfs")
	h.keepFile(t)
	docker := readFacts(t, h.builtIn)
	h.builtIn.stop(t)
	h.stopped()
	h.host.start(t) // before, as the manual says
	h.adoptHealthy(t)
	h.external.start(t)
	requireSameFacts(t, "adopted", docker, readFacts(t, h.external))
	h.requireKept(t, h.external)
	h.external.stop(t)
	h.host.proc.stop(t)
}

//vm:last
//vm:long
func TestAdoptAutomaticDirectLVM(t *testing.T) {
	automaticAdoptHost(t, "adopt-automatic").shortThereAndBack(t)
}

// automaticAdoptHost has a thin pool that Docker's driver set up.
func automaticAdoptHost(t *testing.T, name string) *adoptHost {
	t.Helper()
	expectKernel(t, suspendedPool)
	t.Cleanup(func() { blankDisk(t, spareDisk) })
	return newAdoptHost(t, name, lvmPool("/dev/mapper/docker-thinpool"), "dm.directlvm_device="+spareDisk, "dm.basesize=1G", "dm.fs=xfs")
}

// manualAdoptHost has a thin pool that an operator made, as a reboot leaves it
// once Docker has stopped.
func manualAdoptHost(t *testing.T, name string, options ...string) *adoptHost {
	t.Helper()
	expectKernel(t, suspendedPool)
	t.Cleanup(func() { blankDisk(t, spareDisk) })
	shell(t, "vgcreate --yes docker "+spareDisk+"; lvcreate --yes --type thin-pool --zero n --chunksize 512K --extents 80%VG --poolmetadatasize 64M -n thinpool docker")
	h := newAdoptHost(t, name, lvmPool("/dev/mapper/docker-thinpool"), append(options, "dm.thinpooldev=/dev/mapper/docker-thinpool", "dm.basesize=1G")...)
	h.stopped = func() { shell(t, "lvchange -an docker/thinpool") }
	return h
}

// adoptHealthy adopts, and nothing is found to be wrong or worth a note.
func (h *adoptHost) adoptHealthy(t *testing.T) {
	t.Helper()
	if r := h.dmthin(t, "adopt", "--yes"); len(r.Notes)+len(r.Findings) > 0 {
		t.Errorf("adopt says of a healthy host: %q, %+v", r.Notes, r.Findings)
	}
}

// shortThereAndBack has one image and one container.
func (h *adoptHost) shortThereAndBack(t *testing.T) {
	t.Helper()
	h.keepFile(t)
	docker := readFacts(t, h.builtIn)
	h.builtIn.stop(t)
	if r := h.dmthin(t, "adopt", "--yes"); len(r.Findings) > 0 {
		t.Errorf("findings on a healthy host: %+v", r.Findings)
	}
	s := h.startDMThin(t)
	requireSameFacts(t, "adopted", docker, readFacts(t, h.external))
	h.requireKept(t, h.external)
	s.stop(t)
	h.goesBack(t, docker)
	h.builtIn.stop(t)
}

// goesBack hands the pool back, and finds all as Docker's driver left it.
func (h *adoptHost) goesBack(t *testing.T, docker facts) {
	t.Helper()
	h.dmthin(t, "release", "--yes")
	h.builtIn.start(t)
	requireSameFacts(t, "released", docker, readFacts(t, h.builtIn))
	h.requireKept(t, h.builtIn)
}
