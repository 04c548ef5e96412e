// Two functions of glibc that Swift's Glibc module does not show, because it is built without _GNU_SOURCE.
// Declared here by hand for the same reason. Can go when Glibc shows them.

#ifndef CAUDIT_SHIM_H
#define CAUDIT_SHIM_H

#include <stdint.h>

extern int fallocate(int descriptor, int mode, long offset, long length);
extern const char *strerrordesc_np(int code);

// Sets blocks aside behind a file's end without changing its size (FALLOC_FL_KEEP_SIZE); 0, or -1 with errno.
static inline int caudit_reserve(int descriptor, int64_t offset, int64_t length) {
    return fallocate(descriptor, 1, (long)offset, (long)length);
}

// The text of an errno, safe in any thread; NULL for a number that is none.
static inline const char *caudit_error_text(int code) {
    return strerrordesc_np(code);
}

#endif
