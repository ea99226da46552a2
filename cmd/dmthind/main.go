// Command dmthind is dmthin's daemon: Docker's devicemapper storage as a
// graphdriver plugin. The same binary runs as a managed plugin's entrypoint and
// as a host daemon. This package only wires the others together.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args[1:]))
}
