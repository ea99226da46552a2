// Package config parses and checks what users configure: the dm.* options that
// dockerd passes on from --storage-opt, and the size of a single container.
//
// It knows names, defaults and ranges. What an option does, and whether an
// existing pool contradicts it, is the business of the packages that use the
// values.
package config
