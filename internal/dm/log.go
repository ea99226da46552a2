package dm

/*
#include "log.h"
*/
import "C"

import (
	"fmt"
	"sync/atomic"

	"github.com/sirupsen/logrus"
)

// Range of libdevmapper's log levels, as dm.libdm_log_level takes them: 2 is
// fatal, 3 error, 4 warning, 5 notice, 6 info, 7 debug.
const (
	MinLogLevel = 2
	MaxLogLevel = 7
)

// sink is global because libdevmapper has one log function for the process.
var sink atomic.Pointer[logrus.Entry]

// SetLog sends what libdevmapper logs, up to and including level, to log. Until
// then, and with a nil log, it is dropped: the caller gets each error anyway.
func SetLog(log *logrus.Entry, level int) error {
	if level < MinLogLevel || level > MaxLogLevel {
		return fmt.Errorf("libdevmapper log level %d is not between %d and %d", level, MinLogLevel, MaxLogLevel)
	}
	if log == nil {
		level = 0
	}
	sink.Store(log)
	C.log_set_level(C.int(level))
	return nil
}

// installLog also displaces the log function of docker's package, which notes
// errors in globals that nothing locks.
func installLog() { C.log_install() }

//export forwardLog
func forwardLog(level C.int, file *C.char, line C.int, text *C.char) {
	log := sink.Load()
	if log == nil {
		return
	}
	log.WithField("source", fmt.Sprintf("%s:%d", C.GoString(file), int(line))).
		Log(logLevel(int(level)), "libdevmapper: "+C.GoString(text))
}

// logLevel maps libdevmapper's levels. Its fatal errors end a call, not us.
func logLevel(level int) logrus.Level {
	switch level {
	case 2, 3:
		return logrus.ErrorLevel
	case 4:
		return logrus.WarnLevel
	case 5, 6:
		return logrus.InfoLevel
	default:
		return logrus.DebugLevel
	}
}
