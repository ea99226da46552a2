#define _GNU_SOURCE
#include "udev.h"

#include <errno.h>
#include <libdevmapper.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <time.h>

/* semctl(2): the caller has to define it. */
union semun {
	int val;
};

static key_t key_of(uint16_t base)
{
	return (key_t) ((uint32_t) DM_COOKIE_MAGIC << DM_UDEV_FLAGS_SHIFT | base);
}

int udev_semaphore_create(uint16_t base)
{
	union semun one = { .val = 1 };
	int semid = semget(key_of(base), 1, IPC_CREAT | IPC_EXCL | 0600);

	if (semid < 0)
		return -errno;
	if (semctl(semid, 0, SETVAL, one) < 0) {
		int err = -errno;
		semctl(semid, 0, IPC_RMID);
		return err;
	}
	return semid;
}

int udev_semaphore_wait(int semid, long timeout_ms)
{
	struct sembuf zero = { .sem_num = 0, .sem_op = 0, .sem_flg = 0 };
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };

	return semtimedop(semid, &zero, 1, &timeout) < 0 ? -errno : 0;
}

int udev_semaphore_remove(uint16_t base, int semid)
{
	int found = semget(key_of(base), 1, 0);

	if (found < 0)
		return -errno;
	if (found != semid)
		return -ENOENT;
	return semctl(semid, 0, IPC_RMID) < 0 ? -errno : 0;
}

void udev_semaphore_destroy(int semid)
{
	semctl(semid, 0, IPC_RMID);
}
