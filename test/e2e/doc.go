// Package e2e drives a real dockerd with dmthin as its storage driver, as host
// daemon and as managed plugin, through the docker command as users do.
//
// Here belongs what only the whole stack can show. The files that are no tests
// are the harness: programs under test, images, trees, what is left behind.
// Compile with the build tag e2e and run as root on a machine that has
// device-mapper, the programs of Docker and real disk space; see main_test.go.
package e2e
