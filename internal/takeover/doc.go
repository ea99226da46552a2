// Package takeover makes a host of Docker's built-in devicemapper driver
// dmthin's, where it lies, and hands it back: it surveys a data-root, plans,
// and moves and rewrites the files that say whose the pool is. The pool itself,
// data and metadata, is only read.
//
// It works while neither dockerd nor dmthind runs, and holds the locks that
// keep both from starting. Every change is backed up and journalled first; each
// step may be repeated, so that a crash anywhere is finished, or undone, by the
// next run.
//
// Like package offline it makes no device-mapper call: what is active it reads
// from /sys, what a thin device holds from the pool's metadata and data.
package takeover
