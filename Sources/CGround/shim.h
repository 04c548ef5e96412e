// What C has and Swift does not show.

#ifndef CGROUND_SHIM_H
#define CGROUND_SHIM_H

#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/statfs.h>
#include <time.h>

// Functions of glibc that Swift's Glibc module does not show, because it is built without _GNU_SOURCE.
// Declared here by hand for the same reason. Can go when Glibc shows them.
extern int pthread_setname_np(pthread_t thread, const char *name);
extern int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

// Names the calling thread; at most 15 bytes.
static inline void cground_name_thread(const char *name) {
    pthread_setname_np(pthread_self(), name);
}

// Waits for a ring until a time of the monotonic clock; 0, or -1 with errno.
static inline int cground_wait(sem_t *semaphore, const struct timespec *until) {
    return sem_clockwait(semaphore, CLOCK_MONOTONIC, until);
}

// The kind of file system that a path lies on, as in linux/magic.h; 0 where that cannot be told.
static inline uint32_t cground_file_system(const char *path) {
    struct statfs status;
    return statfs(path, &status) == 0 ? (uint32_t)status.f_type : 0;
}

// What is spawned gets no descriptor from this one up; 0, or an error number.
static inline int cground_close_from(posix_spawn_file_actions_t *actions, int from) {
    return posix_spawn_file_actions_addclosefrom_np(actions, from);
}

// Where the bytes that give a JSON text its shape stand among 64 bytes, one bit each, the first byte lowest.
typedef struct {
    uint64_t quotes, backslashes, opening, closing;
} cground_json_marks;

// Swift has no way to make bits of a vector's mask in one instruction, which is what makes this worth while.
static inline cground_json_marks cground_mark_json(const void *sixty_four_bytes) {
    cground_json_marks marks = {0, 0, 0, 0};
#if defined(__SSE2__)
    // Clang's own vectors and builtin: the header of the intrinsics is a module that would own half of glibc's types.
    typedef char vector __attribute__((ext_vector_type(16)));
    typedef char unaligned __attribute__((ext_vector_type(16), aligned(1)));
    for (int i = 0; i < 4; i++) {
        vector bytes = ((const unaligned *)sixty_four_bytes)[i];
        // Both kinds of brackets differ in this bit only, and no other byte becomes one by it.
        vector folded = bytes | (vector)0x20;
        int shift = 16 * i;
        marks.quotes |= (uint64_t)__builtin_ia32_pmovmskb128(bytes == (vector)'"') << shift;
        marks.backslashes |= (uint64_t)__builtin_ia32_pmovmskb128(bytes == (vector)'\\') << shift;
        marks.opening |= (uint64_t)__builtin_ia32_pmovmskb128(folded == (vector)'{') << shift;
        marks.closing |= (uint64_t)__builtin_ia32_pmovmskb128(folded == (vector)'}') << shift;
    }
#else
    for (int i = 0; i < 64; i++) {
        uint8_t byte = ((const uint8_t *)sixty_four_bytes)[i];
        marks.quotes |= (uint64_t)(byte == '"') << i;
        marks.backslashes |= (uint64_t)(byte == '\\') << i;
        marks.opening |= (uint64_t)((byte | 0x20) == '{') << i;
        marks.closing |= (uint64_t)((byte | 0x20) == '}') << i;
    }
#endif
    return marks;
}

#endif
