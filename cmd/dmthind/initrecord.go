package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/plugin"
)

// initRecord is dockerd's Init as remembered on disk. It holds for one boot:
// after a reboot dockerd sends a new one, perhaps with other options.
type initRecord struct {
	Boot    string             `json:"boot_id"`
	Request plugin.InitRequest `json:"request"`
}

func saveInit(path string, req plugin.InitRequest) error {
	boot, err := dm.BootID()
	if err != nil {
		return err
	}
	data, err := json.Marshal(initRecord{Boot: boot, Request: req})
	if err != nil {
		return fmt.Errorf("remember Init: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("remember Init: %w", err)
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return fmt.Errorf("remember Init: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("remember Init: %w", err)
	}
	return nil
}

// loadInit returns the Init of this boot; ok is false where there is none.
func loadInit(path string) (req plugin.InitRequest, ok bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return req, false, nil
	}
	if err != nil {
		return req, false, fmt.Errorf("recall Init: %w", err)
	}
	var r initRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return req, false, fmt.Errorf("recall Init from %s: %w", path, err)
	}
	boot, err := dm.BootID()
	return r.Request, err == nil && r.Boot == boot, err
}

func removeInit(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget Init: %w", err)
	}
	return nil
}
