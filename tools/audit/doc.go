// Command audit says what a build is made of: it writes a software bill of
// materials (CycloneDX, JSON) of the Go modules linked into binaries and of the
// Debian packages in the plugin's rootfs, and fails where a module's licence is
// none that this project may be distributed under. Known vulnerabilities are
// not its business: scripts/audit has govulncheck look for those.
package main
