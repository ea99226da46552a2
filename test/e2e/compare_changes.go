//go:build e2e

package e2e

import (
	"archive/tar"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"
)

// The changes by which two storage drivers are compared: an image, and scripts
// that run in containers of it. Some are not among them, because Docker sees
// them in overlayfs's upper folder only and not where it compares folders, or
// because overlayfs itself does something else:
//   - what ends as it was, which overlayfs has copied by then;
//   - a folder's time alone, which is no change between two folders;
//   - a write to one of two names, where overlayfs breaks the link.

// firstChanges ends with a time for everything it made or wrote. Its argument
// makes a layer of its own of what would else be the same layer, which Docker
// keeps once.
const firstChanges = `set -e
umask 022
cd /data

echo "$1" >made-by
echo new >added
: >empty
echo changed >modified
echo changed >dir/deep/modified
: >truncated
echo more >>appended
rm removed
mv renamed renamed-to
rm replaced
echo "of another inode" >replaced
chmod 600 mode
chown 1000:70000 owner
chmod 6755 setuid
touch -d @86400 time

mkdir -p new/deep/er
echo new >new/deep/er/file
rm -r removed-dir
mv moved-dir moved-to
chown 7:8 mode-dir
chmod 1777 mode-dir
rm emptied/*
rm -r opaque
mkdir -p opaque/sub
echo fresh >opaque/fresh
echo again >opaque/again
echo again >opaque/sub/again

rm -r dir-to-file dir-to-link file-to-dir file-to-link file-to-fifo fifo-to-file device-to-device link-to-dir
echo file >dir-to-file
ln -s modified dir-to-link
mkdir file-to-dir link-to-dir
echo inside >file-to-dir/inside
echo inside >link-to-dir/inside
ln -s dir/deep file-to-link
busybox mkfifo -m 640 file-to-fifo
echo file >fifo-to-file
busybox mknod device-to-device b 7 201

mkdir hard
ln added hard-one
ln added hard/two
ln linked hard/to-the-image
rm unlinked-a
ln -s dir/deep relative
ln -s /data/modified absolute
ln -s nowhere dangling
ln -sf "a new target" link

busybox mkfifo -m 622 fifo
busybox mknod -m 666 char c 1 3
chown 5:6 char
busybox mknod -m 600 block b 7 200
busybox mknod wide c 4095 1048575

echo new >capable-new
setcap cap_net_bind_service+ep capable-new
chmod 750 capable-kept
chown 3:4 capable-owner
setcap -r capable-lost
echo more >>capable-written
mv capable-moved capable-moved-to

echo start >sparse
busybox truncate -s 4M sparse
echo end >>sparse

long=$(printf %0200d 0)
echo long >$long
mkdir -p long/$long/$long/$long
echo long >long/$long/$long/$long/file
bytes=$(printf 'not \377\376 utf-8')
echo bytes >"$bytes"
mkdir "$bytes-dir"
echo bytes >"$bytes-dir/file"
echo line >"$(printf 'new\nline')"
for name in ' ' -dash 'back\slash' '"' '*' ... .hidden ünïcödé; do
	echo "$name" >"./$name"
done

find /data -newer /change/first -exec touch -h -d '2020-02-02 02:02:02' {} +
touch -d @0 empty
touch -d @4102444801 replaced
touch -h -d @1 dangling
`

// secondChanges undo some of the first, in a layer above.
const secondChanges = `set -e
umask 022
cd /data

echo "changed again" >modified
mv renamed-to renamed
echo back >removed
mkdir removed-dir
echo back >removed-dir/back
echo full >emptied/full
mv new/deep new/shallow
rm -r opaque moved-to long replaced
mkdir opaque
echo third >opaque/third

rm -r dir-to-file dir-to-link file-to-dir file-to-link link-to-dir
mkdir dir-to-file dir-to-link
echo back >dir-to-file/inside
echo back >file-to-dir
echo back >file-to-link
ln -s modified link-to-dir

rm added
rm fifo char
busybox mknod -m 600 char c 1 5
chmod 700 capable-new
rm "$(printf 'not \377\376 utf-8')" ./-dash

find /data -newer appended -exec touch -h -d '2021-03-03 03:03:03' {} +
`

// changedDockerfile makes a layer a line, in both ways in which builders do.
// The verb is for the argument of the first script.
const changedDockerfile = `FROM changed
RUN ["sh", "/change/first", "%s"]
RUN ["sh", "/change/second"]
COPY --from=changed /data /copied
COPY context /context
`

// changedImage holds what the scripts change, and the scripts. The files that
// Docker and runc put into containers are there already, or they would be made
// at some time of the run.
func changedImage(tb testing.TB) []tarFile {
	tb.Helper()
	files := append(busyboxFiles(tb), program(tb, "/sbin/setcap")...)
	files = append(files, dirs("dev etc proc sys change")...)
	files = append(files, regulars("etc/hosts etc/hostname etc/resolv.conf")...)
	files = append(files, regular("change/first", firstChanges), regular("change/second", secondChanges))
	return append(append(files, oddFiles()...), changedFiles()...)
}

// changedFiles are named for what the first script does to them.
func changedFiles() []tarFile {
	files := dirs(`data data/dir data/dir/deep data/mode-dir data/emptied data/removed-dir data/removed-dir/sub
		data/moved-dir data/moved-dir/sub data/opaque data/opaque/sub data/opaque/gone-dir
		data/dir-to-file data/dir-to-file/sub data/dir-to-link`)
	files = append(files, regulars(`data/mode data/owner data/setuid data/time data/modified data/dir/deep/modified
		data/truncated data/appended data/removed data/renamed data/replaced data/emptied/one data/emptied/two
		data/removed-dir/file data/removed-dir/sub/file data/moved-dir/file data/moved-dir/sub/file
		data/opaque/again data/opaque/gone data/opaque/sub/again data/opaque/sub/gone data/opaque/gone-dir/file
		data/dir-to-file/inside data/dir-to-file/sub/file data/dir-to-link/inside
		data/file-to-dir data/file-to-link data/file-to-fifo data/unlinked-a data/linked`)...)
	for _, f := range regulars(`data/capable-kept data/capable-owner data/capable-lost data/capable-written data/capable-moved`) {
		f.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": netRawCapability}
		files = append(files, f)
	}
	return append(files,
		hardLink("data/unlinked-b", "data/unlinked-a"),
		symlink("data/link", "the old target"), symlink("data/link-to-dir", "dir"),
		tarFile{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "data/fifo-to-file", Mode: 0o600}},
		tarFile{Header: tar.Header{Typeflag: tar.TypeChar, Name: "data/device-to-device", Devmajor: 1, Devminor: 3, Mode: 0o600}},
	)
}

// netRawCapability is cap_net_raw+ep as setcap writes it.
const netRawCapability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func dirs(names string) (files []tarFile) {
	for _, name := range strings.Fields(names) {
		files = append(files, directory(name+"/"))
	}
	return files
}

func regulars(names string) (files []tarFile) {
	for _, name := range strings.Fields(names) {
		files = append(files, regular(name, "the first content of "+name+"\n"))
	}
	return files
}

var libraryPath = regexp.MustCompile(`(?m)(/\S+) \(0x`)

// program is a program of this machine, with the libraries it needs and the
// folders above them.
func program(tb testing.TB, name string) (files []tarFile) {
	tb.Helper()
	out, err := exec.Command("ldd", name).Output()
	if err != nil {
		tb.Fatalf("ldd %s: %v", name, err)
	}
	paths := []string{name}
	for _, match := range libraryPath.FindAllStringSubmatch(string(out), -1) {
		paths = append(paths, match[1])
	}
	made := map[string]bool{".": true}
	for _, file := range paths {
		content, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		f := regular(file[1:], string(content))
		f.Mode = 0o755
		files = append(append(files, foldersAbove(f.Name, made)...), f)
	}
	return files
}

func foldersAbove(name string, made map[string]bool) []tarFile {
	dir := path.Dir(name)
	if made[dir] {
		return nil
	}
	made[dir] = true
	return append(foldersAbove(dir, made), directory(dir+"/"))
}
