// The language of the kernels: the few names that a kernel source may use beyond C++17 and CUDA's own
// thread indices, barriers, shuffles and atomics. The loader puts this text in place of the one
// `#include "port.cuh"` of a source, so that NVRTC needs no header; the emulator of the tests compiles
// the same text with g++ and defines STRUCTMAT_EMULATOR.
//
// What keeps a source compilable by both, and safe: no other include; kernels are templates, so that a
// module holds the one that it names; shared memory through SM_SHARED only; one-dimensional blocks of whole
// warps; no return before a barrier; every barrier reached by every thread, one barrier a line; warp
// operations with the full mask; 64-bit indices for everything that grows with the data.

typedef int i32;
typedef long long i64;
typedef unsigned int u32;
typedef unsigned long long u64;

static_assert(sizeof(i32) == 4 && sizeof(i64) == 8 && sizeof(void*) == 8, "64-bit device code");

// template <...> SM_KERNEL(threads, blocks_per_multiprocessor) name(...) { ... }
// The compiler then keeps the registers of that many resident blocks within one multiprocessor.
#define SM_KERNEL(...) __global__ void __launch_bounds__(__VA_ARGS__)
#define SM_DEVICE __device__ __forceinline__

// SM_UNROLL for (...): the loop is unrolled whole, so that arrays indexed by its counter are registers.
// SM_SHARED(T, name): the dynamic shared memory of the block, as a 16-byte aligned T* of that name. One
// arena a block: carve a second array out of it by hand.
#if defined(STRUCTMAT_EMULATOR)
#define SM_UNROLL
#define SM_SHARED(T, name) T* const name = emulator::shared_memory<T>()
#else
#define SM_UNROLL _Pragma("unroll")
#define SM_SHARED(T, name)                                         \
    extern __shared__ __align__(16) unsigned char structmat_arena[]; \
    T* const name = reinterpret_cast<T*>(structmat_arena)
#endif

// All threads of a warp, the only mask that a warp operation may name.
enum : u32 { full_warp = 0xffffffffu };

// N values that move in one instruction when they fill 16 bytes. Registers: index by constants only.
template <typename T, int N>
struct alignas(sizeof(T) * N) Vec {
    static_assert((N & (N - 1)) == 0 && sizeof(T) * N <= 16, "1, 2, 4 ... values in at most 16 bytes");
    T at[N];
    SM_DEVICE T& operator[](int i) { return at[i]; }
    SM_DEVICE const T& operator[](int i) const { return at[i]; }
};

// How many values of type T one 16-byte packet holds.
template <typename T>
constexpr int packet = 16 / int(sizeof(T));

// The N values at `p`, which is aligned to all of them; the launcher guarantees 16 bytes for p = argument.
template <int N, typename T>
SM_DEVICE Vec<T, N> load(const T* p) {
    return *reinterpret_cast<const Vec<T, N>*>(p);
}

template <int N, typename T>
SM_DEVICE void store(T* p, const Vec<T, N>& x) {
    *reinterpret_cast<Vec<T, N>*>(p) = x;
}
