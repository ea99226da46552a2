package admin

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

const (
	manifestName = "manifest.json"
	backupFormat = 1
	// maxBackupBytes bounds what is read into memory: a pool's 2^24 records of
	// 300 bytes would be more, no pool has a hundredth of it.
	maxBackupBytes = 1 << 30
)

// ErrDamagedBackup is returned for an archive that is not whole.
var ErrDamagedBackup = errors.New("damaged or no backup of records")

// WriteBackup writes files, by path, as a tar that begins with the manifest.
// Format and Files of the manifest are filled in.
func WriteBackup(w io.Writer, m BackupManifest, files map[string][]byte) error {
	m.Format, m.Files = backupFormat, map[string]string{}
	for path, content := range files {
		m.Files[path] = checksum(content)
	}
	manifest, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	archive := tar.NewWriter(w)
	if err := writeBackupFile(archive, m, manifestName, manifest); err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := writeBackupFile(archive, m, path, files[path]); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

func writeBackupFile(archive *tar.Writer, m BackupManifest, path string, content []byte) error {
	header := &tar.Header{Name: path, Mode: 0o600, Size: int64(len(content)), ModTime: m.Made, Typeflag: tar.TypeReg}
	err := archive.WriteHeader(header)
	if err == nil {
		_, err = archive.Write(content)
	}
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

// ReadBackup reads an archive whole and compares every file with the manifest.
func ReadBackup(r io.Reader) (m BackupManifest, files map[string][]byte, err error) {
	archive := tar.NewReader(io.LimitReader(r, maxBackupBytes))
	files = map[string][]byte{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, nil, fmt.Errorf("%w: %w", ErrDamagedBackup, err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return m, nil, fmt.Errorf("%w: %s: %w", ErrDamagedBackup, header.Name, err)
		}
		files[header.Name] = content
	}
	manifest, ok := files[manifestName]
	if !ok {
		return m, nil, fmt.Errorf("%w: it has no %s", ErrDamagedBackup, manifestName)
	}
	delete(files, manifestName)
	if err := json.NewDecoder(bytes.NewReader(manifest)).Decode(&m); err != nil {
		return m, nil, fmt.Errorf("%w: %s: %w", ErrDamagedBackup, manifestName, err)
	}
	return m, files, m.verify(files)
}

func (m BackupManifest) verify(files map[string][]byte) error {
	if m.Format != backupFormat {
		return fmt.Errorf("%w: its format is %d, this release knows %d", ErrDamagedBackup, m.Format, backupFormat)
	}
	for path, sum := range m.Files {
		content, ok := files[path]
		if !ok || checksum(content) != sum {
			return fmt.Errorf("%w: file %s is missing or not as it was", ErrDamagedBackup, path)
		}
	}
	for path := range files {
		if _, ok := m.Files[path]; !ok {
			return fmt.Errorf("%w: file %s is not in its manifest", ErrDamagedBackup, path)
		}
	}
	return nil
}

func checksum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
