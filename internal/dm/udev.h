#ifndef DMTHIN_UDEV_H
#define DMTHIN_UDEV_H

#include <stdint.h>

/* Each returns a negative errno on failure. */

/* Makes the semaphore that `dmsetup udevcomplete` finds by base; returns its id. */
int udev_semaphore_create(uint16_t base);

/* Waits until udevd has counted the semaphore down, at most timeout_ms. */
int udev_semaphore_wait(int semid, long timeout_ms);

void udev_semaphore_destroy(int semid);

/* Destroys the semaphore if it is the one that base finds; else -ENOENT. */
int udev_semaphore_remove(uint16_t base, int semid);

#endif
