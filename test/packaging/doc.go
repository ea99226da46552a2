// Package packaging tests what is installed: config.json and the plugin's root
// filesystem, the systemd unit, and what the manual says about them. How the
// daemon in them behaves belongs to its own packages and to test/e2e.
package packaging
