// SPDX-License-Identifier: Apache-2.0
#ifndef GATEHOUSE_CLINUX_OBJECTS_H
#define GATEHOUSE_CLINUX_OBJECTS_H

// How Swift's runtime counts references: the second word of an object (swift/stdlib/public/SwiftShims/HeapObject.h and
// RefCount.h). Here and not in Swift, whose optimiser crashes on it.

// An object of any class, by its first two words.
struct clinux_object {
    const void *type;
    unsigned long long count;
};

// Of the runtime: the storage of every empty array, an object that is not counted.
extern struct clinux_object _swiftEmptyArrayStorage;
extern void *swift_retain(void *);
extern void swift_release(void *);

// Called where the compiler does not see whom: it knows these two, and takes out a pair that changes nothing as it thinks.
static inline void clinux_retain(void *object) {
    void *(*volatile retain)(void *) = swift_retain;
    retain(object);
}
static inline void clinux_release(void *object) {
    void (*volatile release)(void *) = swift_release;
    release(object);
}

// References that keep an object's memory and not its contents, counted within it, and a reference of the usual kind to an
// object that may have begun to end, then NULL.
extern void *swift_unownedRetain(void *);
extern void swift_unownedRelease(void *);
extern void *swift_tryRetain(void *);
static inline void clinux_retain_memory(void *object) { swift_unownedRetain(object); }
static inline void clinux_release_memory(void *object) { swift_unownedRelease(object); }
static inline void *clinux_try_retain(void *object) { return swift_tryRetain(object); }

// The highest bit says that a count is kept elsewhere, or not at all.
#define CLINUX_COUNT_ELSEWHERE (1ull << 63)

// What the count of an object is that is not counted; 0 where the runtime counts it all the same.
static inline unsigned long long clinux_immortal_count(void) {
    unsigned long long before = __atomic_load_n(&_swiftEmptyArrayStorage.count, __ATOMIC_RELAXED);
    clinux_retain(&_swiftEmptyArrayStorage);
    unsigned long long after = __atomic_load_n(&_swiftEmptyArrayStorage.count, __ATOMIC_RELAXED);
    clinux_release(&_swiftEmptyArrayStorage);
    return before == after && before & CLINUX_COUNT_ELSEWHERE ? before : 0;
}

// Whether retaining an object that nobody else knows changes that word, and releasing it brings it back.
static inline int clinux_is_counted(void *pointer) {
    struct clinux_object *object = pointer;
    unsigned long long before = __atomic_load_n(&object->count, __ATOMIC_RELAXED);
    clinux_retain(object);
    unsigned long long after = __atomic_load_n(&object->count, __ATOMIC_RELAXED);
    clinux_release(object);
    unsigned long long back = __atomic_load_n(&object->count, __ATOMIC_RELAXED);
    return before != after && before == back && !(before & CLINUX_COUNT_ELSEWHERE);
}

// Gives an object that count; 0, and nothing is changed, where its own is kept elsewhere. One reference is taken before, so
// that it stays whatever the runtime makes of the value.
static inline int clinux_make_immortal(void *pointer, unsigned long long count) {
    struct clinux_object *object = pointer;
    if (__atomic_load_n(&object->count, __ATOMIC_RELAXED) & CLINUX_COUNT_ELSEWHERE) return 0;
    clinux_retain(object);
    __atomic_store_n(&object->count, count, __ATOMIC_RELAXED);
    return 1;
}

#endif
