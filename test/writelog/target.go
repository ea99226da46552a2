package writelog

import "fmt"

// Recorder is the type and the parameters of the target whose writes go to disk
// and to log. Nothing may be written to it but through InTurn.
func Recorder(disk, log string) (target, params string) { return "log-writes", disk + " " + log }

// InTurn is the target above a recorder that flushes pass one by one.
//
// log-writes takes what a flush makes durable when the flush comes, and logs it
// when the flush ends. Of two flushes at once, the second may end first: where a
// CPU stands still before it has passed the first on, as those of emulated
// machines do. Then the log has the second, and what is acknowledged for it,
// before writes that were complete when it came. delay passes flushes on from one
// thread, and a disk ends them in that order.
func InTurn(recorder string) (target, params string) {
	const ms = 1 // of delay: the least for which the thread is used
	return "delay", fmt.Sprintf("%[1]s 0 0 %[1]s 0 0 %[1]s 0 %[2]d", recorder, ms)
}
