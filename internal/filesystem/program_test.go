package filesystem

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestAFailedProgramsComplaintIsOneLine(t *testing.T) {
	_, err := run(t.Context(), "/dev/x", "sh", []string{"-c", "echo 'mke2fs 1.47.0 (5-Feb-2023)' >&2; echo ' first  line' >&2; echo; echo second >&2; exit 3"})
	var failed *ProgramError
	if !errors.As(err, &failed) || failed.Stderr != "first line; second" {
		t.Fatalf("error = %#v", err)
	}
	if got, want := err.Error(), "sh /dev/x: exit status 3: first line; second"; got != want {
		t.Errorf("error = %q, want %q", got, want)
	}
}

func TestAProgramThatComplainsOnStdoutIsQuoted(t *testing.T) {
	_, err := run(t.Context(), "/dev/x", "sh", []string{"-c", "echo reason; exit 1"})
	if err == nil || !strings.HasSuffix(err.Error(), ": reason") {
		t.Errorf("error = %v, want the reason at its end", err)
	}
}

func TestAcceptedExitStatusIsNoFailure(t *testing.T) {
	if _, err := run(t.Context(), "x", "sh", []string{"-c", "exit 1"}, fsckRepaired); err != nil {
		t.Error(err)
	}
	if _, err := run(t.Context(), "x", "sh", []string{"-c", "exit 4"}, fsckRepaired); err == nil {
		t.Error("exit status 4 was accepted")
	}
}

func TestProgramsSpeakEnglishWhateverTheLocale(t *testing.T) {
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	out, err := run(t.Context(), "x", "sh", []string{"-c", "echo $LC_ALL"})
	if err != nil || out != "C\n" {
		t.Errorf("LC_ALL = %q, %v", out, err)
	}
}

func TestCancellingKillsTheProgram(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := run(ctx, "x", "sleep", []string{"60"})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > killDelay {
		t.Errorf("error = %v after %v", err, time.Since(start))
	}
}

func TestOutputIsBounded(t *testing.T) {
	_, err := run(t.Context(), "x", "sh", []string{"-c", "yes | head -c 10000000 >&2; echo the end >&2; exit 1"})
	if err == nil || len(err.Error()) > 2*maxOutput || !strings.HasSuffix(err.Error(), "the end") {
		t.Errorf("error has %d bytes", len(err.Error()))
	}
}

func TestAMissingProgramIsNamed(t *testing.T) {
	_, err := run(t.Context(), "x", "mkfs.nosuch", nil)
	if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "mkfs.nosuch") {
		t.Errorf("error = %v", err)
	}
}
