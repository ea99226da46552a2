package takeover

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/dmthin/dmthin/internal/executable"
)

// Releases of Docker that matter.
const (
	firstTested = 20 // with dmthin
	lastBuiltIn = 24 // has the built-in driver
	needsSwitch = 27 // wants a variable in dockerd's environment
	lastPlugins = 27 // takes storage drivers from outside
)

// switchVariable is what Docker 27 wants to be set before it takes a storage
// driver from outside.
const switchVariable = "DOCKERD_DEPRECATED_GRAPHDRIVER_PLUGINS"

var versionWords = regexp.MustCompile(`version ([0-9]+)\.[0-9][^ ,]*`)

// dockerVersion asks the installed dockerd; major is 0 where there is none.
func (t *Takeover) dockerVersion(ctx context.Context) (full string, major int, err error) {
	program := t.host.Dockerd
	if program == "" {
		if program, err = executable.Find("dockerd"); err != nil {
			return "", 0, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "", 0, fmt.Errorf("%s --version: %w", program, err)
	}
	m := versionWords.FindSubmatch(out)
	if m == nil {
		return "", 0, errors.New("can't find docker's version in: " + string(out))
	}
	major, err = strconv.Atoi(string(m[1]))
	return string(m[0][len("version "):]), major, err
}

// examineDocker says what the installed Docker makes of the driver.
func (t *Takeover) examineDocker(ctx context.Context, p *Plan) error {
	full, major, err := t.dockerVersion(ctx)
	if err != nil {
		return err
	}
	p.Docker = full
	switch to := p.to; {
	case major == 0:
		p.Notes = append(p.Notes, fmt.Sprintf("no dockerd in PATH: see to it that the one that starts is of release 20.10 to %d", map[Driver]int{DMThin: lastPlugins, BuiltIn: lastBuiltIn}[to]))
	case to == DMThin && major > lastPlugins:
		return fmt.Errorf("%w: Docker %d and later take no storage drivers from outside (this is %s): install Docker %d, then run this again; nothing was changed", ErrTooNew, lastPlugins+1, full, lastPlugins)
	case to == DMThin && major < firstTested:
		p.Notes = append(p.Notes, fmt.Sprintf("dmthin is for Docker 20.10 and later: upgrade Docker %s, with its own driver, and come back", full))
	case to == DMThin && major >= needsSwitch:
		p.Notes = append(p.Notes, "Docker 27 wants "+switchVariable+"=1 in dockerd's environment: systemctl edit docker, [Service], Environment="+switchVariable+"=1")
	case to == BuiltIn && major > lastBuiltIn:
		p.Notes = append(p.Notes, fmt.Sprintf("Docker %s has no devicemapper driver any more: install one of release %d or earlier before it starts", full, lastBuiltIn))
	}
	return nil
}
