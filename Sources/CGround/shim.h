// Two functions of glibc that Swift's Glibc module does not show, because it is built without _GNU_SOURCE.
// Declared here by hand for the same reason. Can go when Glibc shows them.

#ifndef CGROUND_SHIM_H
#define CGROUND_SHIM_H

#include <pthread.h>
#include <semaphore.h>
#include <time.h>

extern int pthread_setname_np(pthread_t thread, const char *name);
extern int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until);

// Names the calling thread; at most 15 bytes.
static inline void cground_name_thread(const char *name) {
    pthread_setname_np(pthread_self(), name);
}

// Waits for a ring until a time of the monotonic clock; 0, or -1 with errno.
static inline int cground_wait(sem_t *semaphore, const struct timespec *until) {
    return sem_clockwait(semaphore, CLOCK_MONOTONIC, until);
}

#endif
