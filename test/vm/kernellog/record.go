// Package kernellog reads the kernel's log and finds the lines in it that mean
// the kernel, or device-mapper, is unwell. Tests that provoke such lines
// announce them with Expect.
package kernellog

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Record is one entry of /dev/kmsg.
type Record struct {
	Kernel bool          // written by the kernel itself, not by a program through /dev/kmsg
	Time   time.Duration // since boot
	Text   string
}

// ParseRecord reads one record in the format of /dev/kmsg:
// "priority,sequence,microseconds,flags;text" and continuation lines of
// KEY=value, which are dropped.
func ParseRecord(raw string) (Record, error) {
	head, text, ok := strings.Cut(raw, ";")
	fields := strings.Split(head, ",")
	if !ok || len(fields) < 3 {
		return Record{}, fmt.Errorf("not a kernel log record: %q", raw)
	}
	priority, err := strconv.Atoi(fields[0])
	if err != nil {
		return Record{}, fmt.Errorf("kernel log priority: %w", err)
	}
	micros, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return Record{}, fmt.Errorf("kernel log time: %w", err)
	}
	text, _, _ = strings.Cut(text, "\n")
	return Record{
		// The upper bits are the syslog facility; the kernel refuses 0, its
		// own, to programs that write to /dev/kmsg.
		Kernel: priority>>3 == 0,
		Time:   time.Duration(micros) * time.Microsecond,
		// Of what the kernel escapes, patterns that tests announce need this.
		Text: strings.ReplaceAll(text, `\x5c`, `\`),
	}, nil
}

// String formats the record the way dmesg does.
func (r Record) String() string {
	return fmt.Sprintf("[%12.6f] %s", r.Time.Seconds(), r.Text)
}
