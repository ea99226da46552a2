package lvm

import (
	"crypto/rand"
	"strings"
)

const uuidCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// NewUUID makes an identifier in LVM's form, for CreatePV: 32 random
// characters in seven groups. Knowing it beforehand, one recognises the disk
// after a crash.
func NewUUID() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // it never fails, or ends the program
	var b strings.Builder
	for i, c := range raw {
		if i >= 6 && i <= 26 && (i-6)%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(uuidCharacters[int(c)%len(uuidCharacters)])
	}
	return b.String()
}
