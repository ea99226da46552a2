//go:build dmtest

package takeover

import (
	"testing"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

func TestMain(m *testing.M) { dmtest.Main(m) }
