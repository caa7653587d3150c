/* SPDX-License-Identifier: MIT
 *
 * The only spelling of an atomic operation in this project.  Words are naturally aligned u32 or u64
 * and may lie in memory shared with other processes, so nothing here may fall back to a lock: see
 * the assertions at the end.
 *
 *   ms_load_*   acquire load          ms_store_*  release store
 *   ms_peek_*   relaxed load          ms_poke_*   relaxed store
 *   ms_add_*    fetch and add         ms_or_*     fetch and or        ms_and_*    fetch and and
 *   ms_swap_*   exchange              ms_cas_*    compare and swap; both return the value seen
 *               (these five acquire and release)
 *   ms_fence    sequentially consistent     ms_fence_acquire, ms_fence_release
 *   ms_relax    tells the processor that this is a spin
 *
 * Every use that orders other memory carries a tag that stands at both ends of the pair:
 *   SYNC(<name>): release ..., pairs with ...      SYNC(<name>): acquire ..., pairs with ...
 * tools/check_sync_tags.py looks for a name with one end only.
 */
#ifndef MS_ATOMIC_H
#define MS_ATOMIC_H

#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)

#if !defined(_M_X64)
#error "with MSVC only x86-64 is supported"
#endif
#include <intrin.h>

/* On x86-64 a plain load acquires and a plain store releases; the barrier only stops the compiler.
 * A load must not be an interlocked operation: the page may be read-only. */
#define MS_ATOMICS(T, S, I, N)                                                                     \
    static __inline T ms_peek_##S(const T *p)                                                      \
    {                                                                                              \
        return *(const volatile T *)p;                                                             \
    }                                                                                              \
    static __inline void ms_poke_##S(T *p, T v)                                                    \
    {                                                                                              \
        *(volatile T *)p = v;                                                                      \
    }                                                                                              \
    static __inline T ms_load_##S(const T *p)                                                      \
    {                                                                                              \
        T v = *(const volatile T *)p;                                                              \
        _ReadWriteBarrier();                                                                       \
        return v;                                                                                  \
    }                                                                                              \
    static __inline void ms_store_##S(T *p, T v)                                                   \
    {                                                                                              \
        _ReadWriteBarrier();                                                                       \
        *(volatile T *)p = v;                                                                      \
    }                                                                                              \
    static __inline T ms_add_##S(T *p, T v)                                                        \
    {                                                                                              \
        return (T)_InterlockedExchangeAdd##N((volatile I *)p, (I)v);                               \
    }                                                                                              \
    static __inline T ms_or_##S(T *p, T v)                                                         \
    {                                                                                              \
        return (T)_InterlockedOr##N((volatile I *)p, (I)v);                                        \
    }                                                                                              \
    static __inline T ms_and_##S(T *p, T v)                                                        \
    {                                                                                              \
        return (T)_InterlockedAnd##N((volatile I *)p, (I)v);                                       \
    }                                                                                              \
    static __inline T ms_swap_##S(T *p, T v)                                                       \
    {                                                                                              \
        return (T)_InterlockedExchange##N((volatile I *)p, (I)v);                                  \
    }                                                                                              \
    static __inline T ms_cas_##S(T *p, T expected, T desired)                                      \
    {                                                                                              \
        return (T)_InterlockedCompareExchange##N((volatile I *)p, (I)desired, (I)expected);        \
    }

MS_ATOMICS(uint32_t, u32, long, )
MS_ATOMICS(uint64_t, u64, __int64, 64)
static __inline void ms_fence(void)
{
    _mm_mfence();
}
static __inline void ms_fence_acquire(void)
{
    _ReadWriteBarrier();
}
static __inline void ms_fence_release(void)
{
    _ReadWriteBarrier();
}
static __inline void ms_relax(void)
{
    _mm_pause();
}
#define MS_READS_RACILY

#else

#define MS_ATOMICS(T, S)                                                                           \
    static inline T ms_peek_##S(const T *p)                                                        \
    {                                                                                              \
        return __atomic_load_n(p, __ATOMIC_RELAXED);                                               \
    }                                                                                              \
    static inline void ms_poke_##S(T *p, T v)                                                      \
    {                                                                                              \
        __atomic_store_n(p, v, __ATOMIC_RELAXED);                                                  \
    }                                                                                              \
    static inline T ms_load_##S(const T *p)                                                        \
    {                                                                                              \
        return __atomic_load_n(p, __ATOMIC_ACQUIRE);                                               \
    }                                                                                              \
    static inline void ms_store_##S(T *p, T v)                                                     \
    {                                                                                              \
        __atomic_store_n(p, v, __ATOMIC_RELEASE);                                                  \
    }                                                                                              \
    static inline T ms_add_##S(T *p, T v)                                                          \
    {                                                                                              \
        return __atomic_fetch_add(p, v, __ATOMIC_ACQ_REL);                                         \
    }                                                                                              \
    static inline T ms_or_##S(T *p, T v)                                                           \
    {                                                                                              \
        return __atomic_fetch_or(p, v, __ATOMIC_ACQ_REL);                                          \
    }                                                                                              \
    static inline T ms_and_##S(T *p, T v)                                                          \
    {                                                                                              \
        return __atomic_fetch_and(p, v, __ATOMIC_ACQ_REL);                                         \
    }                                                                                              \
    static inline T ms_swap_##S(T *p, T v)                                                         \
    {                                                                                              \
        return __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL);                                        \
    }                                                                                              \
    static inline T ms_cas_##S(T *p, T expected, T desired)                                        \
    {                                                                                              \
        __atomic_compare_exchange_n(p, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE); \
        return expected;                                                                           \
    }

MS_ATOMICS(uint32_t, u32)
MS_ATOMICS(uint64_t, u64)
/* For a function that reads what another may be writing, and drops what it read unless a word that
 * was read before and after is the same: ThreadSanitizer does not see that it is dropped. */
#define MS_READS_RACILY __attribute__((no_sanitize("thread")))
static inline void ms_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
static inline void ms_fence_acquire(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}
static inline void ms_fence_release(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
}
static inline void ms_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* A lock hidden in a library would not be shared between processes. */
_Static_assert(__atomic_always_lock_free(sizeof(uint32_t), 0), "u32 atomics must be lock-free");
_Static_assert(__atomic_always_lock_free(sizeof(uint64_t), 0), "u64 atomics must be lock-free");

#endif
#endif
