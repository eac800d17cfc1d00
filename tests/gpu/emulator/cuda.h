// The names of CUDA that a kernel may use. What is not here does not compile.
#pragma once

#define STRUCTMAT_EMULATOR 1
#define __global__
#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

#define threadIdx (emulator::thread_index)
#define blockIdx (emulator::block_index)
#define blockDim (emulator::block_dim)
#define gridDim (emulator::grid_dim)

// ---------------------------------------------------------------- barriers

#define __syncthreads() emulator::barrier(EMULATOR_HERE)
#define __syncthreads_count(p) (emulator::barrier(EMULATOR_HERE, (p)), emulator::barrier_sum)
#define __syncthreads_and(p) (emulator::barrier(EMULATOR_HERE, (p)), emulator::barrier_all)
#define __syncthreads_or(p) (emulator::barrier(EMULATOR_HERE, (p)), emulator::barrier_any)
#define __syncwarp() ((void)emulator::exchange(~0u, 0, EMULATOR_HERE))

// ---------------------------------------------------------------- warp operations

namespace emulator {

inline unsigned lane() { return current->index % warp; }

template <class T>
uint64_t bits_of(T x) {
    static_assert(sizeof(T) <= 8, "a warp operation moves at most 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &x, sizeof x);
    return bits;
}

template <class T>
T from_bits(uint64_t bits) {
    T x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// The value of lane `source`, or one's own where there is no such lane.
template <class T>
T shuffle(unsigned mask, T x, unsigned source, Place place) {
    const uint64_t* values = exchange(mask, bits_of(x), place);
    return source < warp ? from_bits<T>(values[source]) : x;
}

inline unsigned ballot(unsigned mask, bool vote, Place place) {
    const uint64_t* values = exchange(mask, vote, place);
    unsigned votes = 0;
    for (unsigned i = 0; i < warp; ++i) votes |= unsigned(values[i]) << i;
    return votes;
}

template <class T, class F>
T reduce(unsigned mask, T x, F f, Place place) {
    const uint64_t* values = exchange(mask, bits_of(x), place);
    T result = from_bits<T>(values[0]);
    for (unsigned i = 1; i < warp; ++i) result = f(result, from_bits<T>(values[i]));
    return result;
}

}  // namespace emulator

#define __shfl_sync(m, x, i) emulator::shuffle((m), (x), unsigned(i) % 32, EMULATOR_HERE)
#define __shfl_xor_sync(m, x, i) \
    emulator::shuffle((m), (x), emulator::lane() ^ unsigned(i), EMULATOR_HERE)
#define __shfl_up_sync(m, x, i) \
    emulator::shuffle((m), (x), emulator::lane() - unsigned(i), EMULATOR_HERE)
#define __shfl_down_sync(m, x, i) \
    emulator::shuffle((m), (x), emulator::lane() + unsigned(i), EMULATOR_HERE)
#define __ballot_sync(m, p) emulator::ballot((m), (p), EMULATOR_HERE)
#define __any_sync(m, p) (__ballot_sync(m, p) != 0)
#define __all_sync(m, p) (__ballot_sync(m, p) == ~0u)
#define __reduce_add_sync(m, x) \
    emulator::reduce((m), (x), [](auto a, auto b) { return a + b; }, EMULATOR_HERE)
#define __reduce_max_sync(m, x) \
    emulator::reduce((m), (x), [](auto a, auto b) { return a > b ? a : b; }, EMULATOR_HERE)
#define __reduce_min_sync(m, x) \
    emulator::reduce((m), (x), [](auto a, auto b) { return a < b ? a : b; }, EMULATOR_HERE)

// ---------------------------------------------------------------- atomics

// Fibers give way at barriers only, so reading, changing and writing is one step as it is.
#define EMULATOR_ATOMIC(name, result)                                  \
    template <class T>                                                 \
    T name(T* p, typename std::common_type<T>::type x) {               \
        const T old = *p;                                              \
        *p = (result);                                                 \
        return old;                                                    \
    }
EMULATOR_ATOMIC(atomicAdd, old + x)
EMULATOR_ATOMIC(atomicExch, x)
EMULATOR_ATOMIC(atomicMax, old > x ? old : x)
EMULATOR_ATOMIC(atomicMin, old < x ? old : x)
EMULATOR_ATOMIC(atomicAnd, old & x)
EMULATOR_ATOMIC(atomicOr, old | x)
EMULATOR_ATOMIC(atomicXor, old ^ x)
#undef EMULATOR_ATOMIC

template <class T>
T atomicCAS(T* p, typename std::common_type<T>::type expected,
            typename std::common_type<T>::type x) {
    const T old = *p;
    if (old == expected) *p = x;
    return old;
}

inline void __threadfence() {}
inline void __threadfence_block() {}

// ---------------------------------------------------------------- arithmetic

template <class T> T __ldg(const T* p) { return *p; }
template <class T> T __ldcs(const T* p) { return *p; }
template <class T> T __ldcg(const T* p) { return *p; }
template <class T> void __stcs(T* p, T x) { *p = x; }

template <class A, class B>
constexpr typename std::common_type<A, B>::type min(A a, B b) { return b < a ? b : a; }
template <class A, class B>
constexpr typename std::common_type<A, B>::type max(A a, B b) { return a < b ? b : a; }

// Without <cmath>, which takes longer to read than all the rest to compile. In a namespace, because
// g++ knows the global names as those of the C library.
namespace emulator_math {

#define EMULATOR_MATH(name)                                        \
    inline float name(float x) { return __builtin_##name##f(x); }  \
    inline double name(double x) { return __builtin_##name(x); }   \
    inline float name##f(float x) { return __builtin_##name##f(x); }
EMULATOR_MATH(fabs)
EMULATOR_MATH(floor)
EMULATOR_MATH(ceil)
EMULATOR_MATH(sqrt)
EMULATOR_MATH(exp)
EMULATOR_MATH(expm1)
EMULATOR_MATH(log)
EMULATOR_MATH(log1p)
EMULATOR_MATH(sin)
EMULATOR_MATH(cos)
#undef EMULATOR_MATH

inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
template <class T> bool isnan(T x) { return __builtin_isnan(x); }
template <class T> bool isinf(T x) { return __builtin_isinf(x); }
template <class T> bool isfinite(T x) { return __builtin_isfinite(x); }

}  // namespace emulator_math
using namespace emulator_math;

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline unsigned __brev(unsigned x) {
    unsigned r = 0;
    for (int i = 0; i < 32; ++i) r |= (x >> i & 1u) << (31 - i);
    return r;
}

#undef assert
#define assert(c) ((c) ? (void)0 : emulator::fail("assertion failed: " #c, EMULATOR_HERE))
#define __trap() emulator::fail("__trap()", EMULATOR_HERE)
