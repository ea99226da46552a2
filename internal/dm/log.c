#include "log.h"
#include "_cgo_export.h"

#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>

/* The lower bits are the level, the others say where lvm would print it. */
#define LEVEL_MASK 0x07

static int threshold;

static void forward(int level, const char *file, int line,
		    int dm_errno_or_class, const char *format, ...)
{
	char text[1024];
	va_list args;

	(void) dm_errno_or_class;
	level &= LEVEL_MASK;
	if (level > __atomic_load_n(&threshold, __ATOMIC_RELAXED))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	forwardLog(level, (char *) file, line, text);
}

void log_install(void)
{
	dm_log_with_errno_init(forward);
}

void log_set_level(int level)
{
	__atomic_store_n(&threshold, level, __ATOMIC_RELAXED);
}
