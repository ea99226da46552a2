package thinpool

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckNamesWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		status Status
		want   error
	}{
		{Status{Mode: ModeReadWrite}, nil},
		{Status{Mode: ModeReadWrite, NeedsCheck: true}, ErrNeedsCheck},
		{Status{Mode: ModeReadOnly, NeedsCheck: true}, ErrNeedsCheck},
		{Status{Mode: ModeReadOnly}, ErrReadOnly},
		{Status{Mode: ModeReadOnly, MetadataUsed: 9, MetadataTotal: 9}, ErrReadOnly},
		{Status{Mode: ModeReadOnly, MetadataUsed: 9, MetadataTotal: 9}, ErrOutOfMetadataSpace},
		{Status{Mode: ModeReadOnly, MetadataUsed: 9, MetadataTotal: 9, NeedsCheck: true}, ErrNeedsCheck},
		{Status{Mode: ModeOutOfDataSpace}, ErrOutOfDataSpace},
		{Status{Mode: ModeFailed}, ErrFailed},
		{Status{}, ErrFailed},
	} {
		err := tt.status.Check()
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%+v: got %v, want %v", tt.status, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %q", err)
		}
	}
}
