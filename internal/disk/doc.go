// Package disk looks at a block device that somebody wants to use: its size,
// its partitions, and who has it already. It reads only. What is stored on the
// device is not its business.
package disk
