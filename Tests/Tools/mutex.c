// SPDX-License-Identifier: Apache-2.0
//
// Tells ThreadSanitizer when a contended `Synchronization.Mutex` is taken and given. Its fast path is compiled into our code and
// seen. The slow one, taken where two threads meet, spins and asks the kernel (FUTEX_LOCK_PI, futex(2)) within a library that is
// not instrumented: without this every value behind a contended Mutex looks like a race.
//
// `sanitize.py` builds it and has it loaded first (LD_PRELOAD), so that it stands before the library's three functions. If their
// names change, contended locks are told of again, and the planted one with them. The sanitizer hears of the order that a lock makes
// and of nothing else: what is under no lock is told of as before (Tests/PlantedTests).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// The sanitizer's, where there is one: swift itself, which starts the tests, has none.
extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK_SLOW "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

// A method of Swift's gets the lock, which is its first word, where Swift's convention has `self`.
#define METHOD __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *lock

typedef METHOD void (*Lock)(uint32_t thread, SELF);
typedef METHOD bool (*TryLock)(SELF);
typedef METHOD void (*Unlock)(SELF);

static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) {
        fprintf(stderr, "mutex.c: Swift's library has no %s any more\n", name);
        abort();
    }
    return found;
}

METHOD void lock_slow(uint32_t thread, SELF) __asm__(LOCK_SLOW);
METHOD void lock_slow(uint32_t thread, SELF) {
    ((Lock)next(LOCK_SLOW))(thread, lock);
    if (__tsan_acquire) __tsan_acquire(lock);
}

METHOD bool try_lock_slow(SELF) __asm__(TRY_LOCK_SLOW);
METHOD bool try_lock_slow(SELF) {
    bool is_taken = ((TryLock)next(TRY_LOCK_SLOW))(lock);
    if (is_taken && __tsan_acquire) __tsan_acquire(lock);
    return is_taken;
}

METHOD void unlock_slow(SELF) __asm__(UNLOCK_SLOW);
METHOD void unlock_slow(SELF) {
    if (__tsan_release) __tsan_release(lock);
    ((Unlock)next(UNLOCK_SLOW))(lock);
}
