#ifndef DMTHIN_LOG_H
#define DMTHIN_LOG_H

/* Sends libdevmapper's log to forwardLog, instead of standard error. */
void log_install(void);

/* Drops messages above level before they reach Go; 0 drops all. */
void log_set_level(int level);

#endif
