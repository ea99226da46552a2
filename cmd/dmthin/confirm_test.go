package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestAScriptIsToldToSayYes(t *testing.T) {
	nobody, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	for _, planned := range []bool{true, false} {
		cmd := &cobra.Command{}
		cmd.SetIn(nobody)
		if planned {
			cmd.Flags().Bool("dry-run", false, "")
		}
		err := confirm(cmd, "Go on?", false)
		if err == nil || !strings.Contains(err.Error(), "--yes") || strings.Contains(err.Error(), "--dry-run") != planned {
			t.Errorf("with a dry run %v: %v", planned, err)
		}
	}
}
