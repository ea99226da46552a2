//go:build roottest

package disk

import (
	"os"
	"testing"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

func TestMain(m *testing.M) { os.Exit(looptest.Main(m)) }
