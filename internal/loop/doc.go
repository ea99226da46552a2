// Package loop attaches files to loop devices, finds them again, and follows
// their size.
//
// It knows the kernel's loop driver and nothing of what is stored on the
// device: which file to attach, and when to grow it, is the caller's business.
package loop
