package lvm

import (
	"context"
	"encoding/json"
	"fmt"
)

// Signature is what libblkid recognises on a device.
type Signature struct {
	Type   string `json:"type"`   // ext4, gpt, LVM2_member, linux_raid_member …
	Offset string `json:"offset"` // hexadecimal, in bytes
	UUID   string `json:"uuid"`
	Label  string `json:"label"`
}

// Signatures reads all signatures of a device, changing nothing.
func (l *LVM) Signatures(ctx context.Context, device string) ([]Signature, error) {
	c := command(device, "wipefs", "--no-act", "--json", device)
	out, err := l.output(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(out) == 0 { // what older releases print for none
		return nil, nil
	}
	var found struct {
		Signatures []Signature `json:"signatures"`
	}
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, &Error{Command: c, Err: fmt.Errorf("its report can't be read: %w", err)}
	}
	return found.Signatures, nil
}
