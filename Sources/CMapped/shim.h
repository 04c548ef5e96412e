// Atomic numbers in memory that several processes have mapped: Swift's own atomics own their storage, these do not.
#ifndef CMAPPED_SHIM_H
#define CMAPPED_SHIM_H

#include <stdint.h>

// Sees everything that was written before the value was stored.
static inline uint64_t cmapped_load(const void *address) {
    return __atomic_load_n((const uint64_t *)address, __ATOMIC_SEQ_CST);
}

static inline void cmapped_store(void *address, uint64_t value) {
    __atomic_store_n((uint64_t *)address, value, __ATOMIC_SEQ_CST);
}

// Returns the new value.
static inline uint64_t cmapped_increment(void *address) {
    return __atomic_add_fetch((uint64_t *)address, 1, __ATOMIC_SEQ_CST);
}

#endif
