// Package dmtest is for tests that use a real device-mapper: it makes scratch
// block devices, and fails a test binary that leaves something behind.
package dmtest
