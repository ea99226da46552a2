// Package lvm runs LVM's commands, and wipefs beside them, and reads their
// reports. It knows the commands' words, the places of LVM's files, and what
// LVM's complaints mean. What is done with a volume group, and whether a disk
// may be used, is the business of the packages that call it.
//
// LVM locks a volume group for as long as a command works on it, under
// /run/lock/lvm. In a container that directory must be the host's, as must be
// /dev and /run/udev.
package lvm
