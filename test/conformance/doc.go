// Package conformance runs Docker's own graphdriver test suite against a
// running dmthind. The daemon is reached the way dockerd reaches it: through
// its socket, by the proxy driver of the Docker release the suite comes from.
//
// The compiled tests run as root where device-mapper is, for example in a VM:
//
//	go test -c -o conformance.test .
//	TMPDIR=/a/real/filesystem ./conformance.test -dmthind PATH -test.v
//
// It is a module of its own because the suite needs the whole dependency set
// of that release, in its versions. What dmthin itself promises beyond
// Docker's suite is not tested here.
package conformance
