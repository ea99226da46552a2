#!/bin/bash
# Process 1 of the test machine, started by the initramfs with the shares
# mounted at /vm. Brings the machine up, runs the agent, powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
. /vm/in/env # REPO, DISTRO: plain words written by the runner

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/lock /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for c in $(cat /sys/fs/cgroup/cgroup.controllers); do
	echo "+$c" >/sys/fs/cgroup/cgroup.subtree_control
done
# The first group of processes has the kernel patch its page allocator. QEMU's
# emulation now and then runs a half-patched instruction if another CPU is in it,
# and the kernel panics: let that be now, while there is nothing else to run.
mkdir /sys/fs/cgroup/first
mount -t debugfs debugfs /sys/kernel/debug
mount --make-rshared / # as systemd does; dockerd's mounts rely on it
hostname "vm-$DISTRO"
ip link set lo up
# The modules the tests stand on; one that is missing shows in the first test that needs it.
modprobe -a dm-thin-pool dm-flakey loop overlay xfs

/lib/systemd/systemd-udevd --daemon
udevadm trigger --subsystem-match=block --subsystem-match=misc --subsystem-match=mem
udevadm settle

# Real disk space for tests: image and mount roots, and /tmp. Formatted on the
# first boot only, so that a scenario finds its data again after a power cut.
data=/var/lib/dmthin-test
mkdir -p $data
if ! blkid /dev/vdb >/dev/null; then
	mkfs.ext4 -q -E nodiscard,lazy_itable_init=1,lazy_journal_init=1 /dev/vdb
fi
mount /dev/vdb $data
install -d -m 1777 $data/tmp
mount --bind $data/tmp /tmp

# The source tree read-only, under the same path as on the host.
mkdir -p "$REPO"
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=mmap repo "$REPO"

export DMTHIN_VM=$DISTRO
/vm/in/guest /vm/in /vm/out
sync
echo o >/proc/sysrq-trigger
sleep 30
