// Package failpoint gives steps that a crash may fall between a name, so that
// tests can make the process die or fail exactly there, and can plant faults
// that they must find. All of it is compiled out without the build tag
// failpoint: Hit is then an inlined nil and Planted a constant.
//
// With the tag, the variable DMTHIN_FAILPOINTS says what is to happen:
//
//	DMTHIN_FAILPOINTS=pool.Delete.after=kill,write.intent.rename=error:2
//
// ends the process after its first deletion of a device, and fails its second
// write of an intent before the rename. Actions are kill, panic and error, each
// once, at the first hit or the one whose number follows. The action plant
// switches a planted fault on for the whole run. The word trace among them has
// every hit of every point reported, so that tests know which there are.
package failpoint
