// Four functions of glibc that Swift's Glibc module does not show, because it is built without _GNU_SOURCE.
// Declared here by hand for the same reason. Can go when Glibc shows them.

#ifndef CAUDIT_SHIM_H
#define CAUDIT_SHIM_H

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <time.h>

extern int fallocate(int descriptor, int mode, long offset, long length);
extern int pthread_setname_np(pthread_t thread, const char *name);
extern int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until);
extern const char *strerrordesc_np(int code);

// Sets blocks aside behind a file's end without changing its size (FALLOC_FL_KEEP_SIZE); 0, or -1 with errno.
static inline int caudit_reserve(int descriptor, int64_t offset, int64_t length) {
    return fallocate(descriptor, 1, (long)offset, (long)length);
}

// Names the calling thread; at most 15 characters.
static inline void caudit_name_thread(const char *name) {
    pthread_setname_np(pthread_self(), name);
}

// Waits for a ring until a time of the monotonic clock.
static inline int caudit_wait(sem_t *semaphore, const struct timespec *until) {
    return sem_clockwait(semaphore, CLOCK_MONOTONIC, until);
}

// The text of an errno, safe in any thread; NULL for a number that is none.
static inline const char *caudit_error_text(int code) {
    return strerrordesc_np(code);
}

#endif
