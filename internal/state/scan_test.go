package state

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
)

// A check and a backup read the records while layers are being removed.
func TestEachLayerThatIsBuriedMeanwhileIsSeen(t *testing.T) {
	const layers = 100
	name := func(id int) string { return fmt.Sprint("layer", id) }
	for what, count := range map[string]func(*Store) (seen, buried int, err error){"Scan": countScanned, "Copy": countCopied} {
		t.Run(what, func(t *testing.T) {
			s := open(t)
			for id := range layers {
				put(t, s, name(id), Record{DeviceID: uint32(id), Size: 1 << 30})
			}
			var burying sync.WaitGroup
			burying.Go(func() {
				for id := range layers {
					if _, err := s.Bury(name(id), Record{DeviceID: uint32(id), Size: 1 << 30}); err != nil {
						t.Error(err)
					}
				}
			})
			defer burying.Wait()
			for all := false; !all; {
				seen, buried, err := count(s)
				if err != nil || seen != layers {
					t.Errorf("%d of %d layers were seen, %v", seen, layers, err)
					return
				}
				all = buried == layers
			}
		})
	}
}

func countScanned(s *Store) (seen, buried int, err error) {
	found, err := s.Scan()
	return len(found.Layers) + len(found.Tombstones), len(found.Tombstones), err
}

func countCopied(s *Store) (seen, buried int, err error) {
	files, err := s.Copy()
	devices := map[uint32]bool{}
	for path, content := range files {
		var r Record
		if err := json.Unmarshal(content, &r); err != nil {
			return 0, 0, err
		}
		devices[r.DeviceID] = true
		if IsTombstone(path) {
			buried++
		}
	}
	return len(devices), buried, err
}
