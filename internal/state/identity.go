package state

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

const identityName = "identity.json"

var poolID = regexp.MustCompile(`^[0-9a-f]{8}$`)

// Identity names this state's pool. All device-mapper names and UUIDs derive
// from it, so devices of ours can be told from everyone else's, and a state
// directory may be moved: Docker derived its names from the directory's device
// and inode numbers, and lost its devices when those changed.
type Identity struct {
	PoolID string `json:"pool_id"` // eight hex digits
}

// Identity returns the identity, and makes one at first use.
func (s *Store) Identity() (Identity, error) {
	var id Identity
	err := readJSON(s.dir, identityName, &id)
	if errors.Is(err, fs.ErrNotExist) {
		return s.newIdentity()
	}
	if err == nil && !poolID.MatchString(id.PoolID) {
		err = &DamagedError{filepath.Join(s.dir, identityName), fmt.Errorf("pool_id %q is not eight hex digits", id.PoolID)}
	}
	return id, err
}

// KnownIdentity is Identity for onlookers: it makes none where there is none.
func (s *Store) KnownIdentity() (id Identity, ok bool, err error) {
	if _, err := os.Stat(filepath.Join(s.dir, identityName)); errors.Is(err, fs.ErrNotExist) {
		return Identity{}, false, nil
	}
	id, err = s.Identity()
	return id, err == nil, err
}

func (s *Store) newIdentity() (Identity, error) {
	var raw [4]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return Identity{}, fmt.Errorf("make a pool identity: %w", err)
	}
	id := Identity{PoolID: hex.EncodeToString(raw[:])}
	return id, writeJSON(s.dir, identityName, id)
}
