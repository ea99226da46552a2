//go:build failpoint

package failpoint

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Enabled says whether failpoints are compiled in.
const Enabled = true

// Variable is the environment variable that says what is to happen.
const Variable = "DMTHIN_FAILPOINTS"

// ErrInjected is what a point with the action error returns.
var ErrInjected = errors.New("injected failure")

// Trace among the points has each hit of any point reported.
const Trace = "trace"

var (
	points  = mustParse(os.Getenv(Variable))
	tracing = slices.Contains(strings.Split(os.Getenv(Variable), ","), Trace)
)

// point is a place where something is to happen once.
type point struct {
	mu     sync.Mutex
	action string
	skip   int // hits to let pass
	done   bool
}

func mustParse(text string) map[string]*point {
	parsed, err := parse(text)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", Variable, err))
	}
	return parsed
}

func parse(text string) (map[string]*point, error) {
	parsed := map[string]*point{}
	for item := range strings.SplitSeq(text, ",") {
		if item == "" || item == Trace {
			continue
		}
		name, rest, ok := strings.Cut(item, "=")
		action, count, counted := strings.Cut(rest, ":")
		number := 1
		if counted {
			var err error
			if number, err = strconv.Atoi(count); err != nil || number < 1 {
				return nil, fmt.Errorf("%q: the number of the hit is not a positive one", item)
			}
		}
		switch action {
		case "kill", "panic", "error", "plant":
		default:
			ok = false
		}
		if !ok {
			return nil, fmt.Errorf("%q is not NAME=kill|panic|error|plant[:NUMBER]", item)
		}
		parsed[name] = &point{action: action, skip: number - 1}
	}
	return parsed, nil
}

// Hit is called where a step begins or ends; both parts make up the name.
func Hit(step, moment string) error {
	name := step + "." + moment
	if tracing {
		fmt.Fprintf(os.Stderr, "failpoint %s is reached\n", name)
	}
	p, ok := points[name]
	if !ok || !p.due() {
		return nil
	}
	fmt.Fprintf(os.Stderr, "failpoint %s: %s\n", name, p.action)
	switch p.action {
	case "kill":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		time.Sleep(time.Minute) //nolint:forbidigo // the signal ends it
	case "panic":
		panic("failpoint " + name)
	}
	return fmt.Errorf("%s: %w", name, ErrInjected)
}

func (p *point) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || p.action == "plant" {
		return false
	}
	if p.skip > 0 {
		p.skip--
		return false
	}
	p.done = true
	return true
}

// Planted tells whether the fault of that name is switched on.
func Planted(name string) bool {
	p, ok := points[name]
	return ok && p.action == "plant"
}
