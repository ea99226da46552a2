// Vm runs tests on a real kernel with device-mapper: in a virtual machine with
// a stock Debian, or on this machine where it has dm-thin and is asked to.
//
//	go test -exec "go run github.com/dmthin/dmthin/test/vm exec trixie" -tags dmtest ./internal/dm
//	go run ./test/vm help
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: vm COMMAND [flags]

  image [-rebuild] [DISTRO…]        build the images, all by default
  exec DISTRO PROGRAM [ARG…]        run one program; meant for go test -exec
  run [flags] SCRIPT…               run scripts, one boot
  shell [flags] SCRIPT              run a script that may use this terminal
  test [flags]                      compile and run every test that needs a kernel, on each release

DISTRO is trixie (Debian 13) or bookworm (Debian 12). Each command explains its flags with -h.
`

// errFailed ends the program without another word: the results have been printed.
var errFailed = errors.New("tests failed")

// exitStatus ends the program with a status of its own.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := dispatch(ctx, os.Args[1:], os.Stdout)
	if status, ok := errors.AsType[exitStatus](err); ok {
		os.Exit(int(status))
	}
	if err != nil && !errors.Is(err, errFailed) {
		fmt.Fprintln(os.Stderr, "vm:", err)
	}
	if err != nil {
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("no command\n%s", usage)
	}
	env, err := findEnvironment()
	if err != nil {
		return err
	}
	switch args[0] {
	case "image":
		return buildImages(ctx, env, args[1:])
	case "exec":
		return execProgram(ctx, env, args[1:])
	case "run":
		return runScripts(ctx, env, args[1:])
	case "shell":
		return runShell(ctx, env, args[1:])
	case "test":
		return runTests(ctx, env, args[1:])
	case "help", "-h", "--help":
		_, err := io.WriteString(out, usage)
		return err
	}
	return fmt.Errorf("unknown command %q\n%s", args[0], usage)
}
