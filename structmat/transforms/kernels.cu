// The fast Walsh-Hadamard transform y = scale * (I_outer (x) H_n (x) I_inner) x, n = 2^k, in natural order.
//
// H_n is a product of commuting butterflies (a, b) -> (a + b, a - b), one for each bit of the index along
// the axis: b sits where that bit is 1, a where it is 0. A kernel holds 2^m values in registers, does the
// m bits that tell them apart, and deals the values out again through shared memory for the next bits. An
// exchange costs less than the shuffles that would do as much: 1 GB once through shared memory takes
// 0.07 ms on an H200, five steps of shuffles over it 0.17 ms.
//
// fwht_rows     the bits are the low ones of the index: a block takes 2^C consecutive elements.
// fwht_columns  the bits stand above a stride: a block takes up to 2^A rows of 128 consecutive bytes.
//
// `x` may be `out`: a block reads all that it will write before it writes. No other overlap is allowed.
// T is float, double or i64; i64 is exact as long as the result fits.
#include "port.cuh"

// (a, b) -> (a + b, a - b) over the values whose numbers differ in the one bit H.
template <int H, typename T, int N>
SM_DEVICE void butterfly(T (&v)[N]) {
    SM_UNROLL
    for (int i = 0; i < N / 2; ++i) {
        const int a = (i & ~(H - 1)) << 1 | (i & (H - 1)), b = a | H;
        const T sum = v[a] + v[b], difference = v[a] - v[b];
        v[a] = sum;
        v[b] = difference;
    }
}

// The bits K .. M-1 of the numbers of the values.
template <int K, int M, typename T, int N>
SM_DEVICE void butterflies(T (&v)[N]) {
    if constexpr (K < M) {
        butterfly<1 << K>(v);
        butterflies<K + 1, M>(v);
    }
}

// ---------------------------------------------------------------- rows

// The low bits of `value`, spread over the bits that are set in MASK, lowest first.
template <u32 MASK>
SM_DEVICE constexpr u32 spread(u32 value) {
    if constexpr (MASK == 0) {
        return 0;
    } else {
        constexpr u32 low = MASK & (~MASK + 1), carried = MASK + low;
        constexpr u32 run = MASK & ~carried, rest = MASK & carried;  // the lowest run of ones, the others
        return (value & (run / low)) * low | spread<rest>(value / (run / low + 1));
    }
}

// N ones from bit `first` on.
SM_DEVICE constexpr u32 ones(int first, int count) { return ((1u << count) - 1) << first; }

// The k-th lowest bit that is set in MASK tells apart the values whose numbers differ in bit k; here the
// bits that are in OWN, which the layout answers for, and in `bits`, which the caller wants.
template <u32 MASK, u32 OWN, int K = 0, typename T, int N>
SM_DEVICE void selected_butterflies(T (&v)[N], u32 bits) {
    if constexpr (MASK != 0) {
        constexpr u32 low = MASK & (~MASK + 1);
        if constexpr ((OWN & low) != 0)
            if (bits & low) butterfly<1 << K>(v);
        selected_butterflies<MASK & ~low, OWN, K + 1>(v, bits);
    }
}

// One way to deal out a chunk: REGISTER, LANE and WARP are the bits of the index that the number of a
// value in its thread, the lane and the warp give.
template <u32 REGISTER, u32 LANE, u32 WARP>
struct Layout {
    static_assert((REGISTER & LANE) == 0 && (REGISTER & WARP) == 0 && (LANE & WARP) == 0, "each bit once");
    static constexpr u32 registers = REGISTER;
    SM_DEVICE static constexpr u32 thread(u32 t) { return spread<LANE>(t & 31) | spread<WARP>(t >> 5); }
    SM_DEVICE static constexpr u32 value(u32 j) { return spread<REGISTER>(j); }
};

// A chunk of 2^C elements: 2^R values for each of 2^(C-R) threads, dealt out in three ways.
//   packets: the registers hold 16-byte packets, a warp's side by side, and the top bits. Loaded so.
//   middle:  the bits between those of packets and of strided; where there is room for more, top bits.
//   strided: bits from 4, 5 or 6 on. Stored so: the lanes have the low bits, and a warp writes whole lines.
//            To store packets too would cost one more exchange.
template <typename T, int C>
struct Chunk {
    static constexpr int R = C <= 12 ? 4 : C <= 14 ? 5 : 6;
    static constexpr int threads = 1 << (C - R), values = 1 << R;
    static constexpr int blocks = C <= 12 ? 4 : C == 13 && sizeof(T) == 4 ? 3 : C == 13 ? 2 : 1;
    static constexpr int P = sizeof(T) == 4 ? 2 : 1;         // bits of a packet
    static constexpr int end = C - (R - P), from = end - R;  // strided has the bits from .. end-1
    static constexpr u32 all = ones(0, C);

    static constexpr u32 packets_register = ones(0, P) | ones(end, R - P), packets_lane = ones(P, 5);
    using packets = Layout<packets_register, packets_lane, all & ~packets_register & ~packets_lane>;

    // A word of index i is at i + i/32 in shared memory (32 banks), a double word at i + i/16 (16 pairs of
    // banks, half a warp at a time). Bits 5 .. 9 (4 .. 7) then count as much as bits 0 .. 4 (0 .. 3), and the
    // lanes of each layout hold bits of different weights: no two of them meet in a bank.
    static constexpr u32 middle_register = ones(P, from - P) | ones(C - (R - from + P), R - from + P);
    static constexpr u32 middle_lane = 1u | ones(sizeof(T) == 4 ? 6 : 5, 4);
    using middle = Layout<middle_register, middle_lane, all & ~middle_register & ~middle_lane>;
    SM_DEVICE static constexpr u32 place(u32 i) { return i + (i >> (sizeof(T) == 4 ? 5 : 4)); }

    static constexpr u32 strided_register = ones(from, R), others = all & ~strided_register;
    static constexpr u32 strided_lane = from >= 5 ? ones(0, 5) : ones(0, from) | ones(end, 5 - from);
    using strided = Layout<strided_register, strided_lane, others & ~strided_lane>;
};

// True when the lanes that shared memory serves at once (a warp's 32, or 16 with 8 bytes each) are in
// different banks.
template <typename Chunk, typename Layout, int lanes>
SM_DEVICE constexpr bool without_conflicts() {
    u64 seen[2] = {};
    for (u32 t = 0; t < 32; ++t) seen[t / lanes] |= u64(1) << Chunk::place(Layout::thread(t)) % lanes;
    return seen[0] + 1 == u64(1) << lanes && (lanes == 32 || seen[1] == seen[0]);
}

// Butterflies on the low bits of the index: bit i of `bits`, i < C, asks for those of bit i. Rows of
// n <= 2^C elements ask for the bits below n, several rows going to a block, and an inner dimension of 2^q
// moves them up by q. `count` elements in all, whole rows and whole packets; x and out are aligned to 16
// bytes. What is not asked for is skipped by branches that all threads take alike, which spares an
// instance for each length.
// Grid: one block for each 2^C elements. Shared memory: 2^C elements and their padding.
template <typename T, int C>
SM_KERNEL(Chunk<T, C>::threads, Chunk<T, C>::blocks)
fwht_rows(const T* x, T* out, i64 count, u32 bits, T scale) {
    using K = Chunk<T, C>;
    using Packets = typename K::packets;
    using Middle = typename K::middle;
    using Strided = typename K::strided;
    constexpr int N = packet<T>, lanes = sizeof(T) == 4 ? 32 : 16;
    static_assert(without_conflicts<K, Packets, lanes>() && without_conflicts<K, Middle, lanes>() &&
                  without_conflicts<K, Strided, lanes>(), "two lanes in one bank");
    SM_SHARED(T, s);
    const u32 t = threadIdx.x;
    const i64 base = i64(blockIdx.x) << C, left = count - base;
    const u32 end = left < (1 << C) ? u32(left) : 1u << C;  // of what is there of this chunk
    x += base;
    out += base;

    T v[K::values];
    const u32 first = Packets::thread(t);
    SM_UNROLL
    for (int j = 0; j < K::values; j += N) {
        Vec<T, N> q = {};
        if (first + Packets::value(j) < end) q = load<N>(x + first + Packets::value(j));
        SM_UNROLL
        for (int e = 0; e < N; ++e) v[j + e] = q[e];
    }
    selected_butterflies<Packets::registers, K::all>(v, bits);

    if ((bits & ~Packets::registers) == 0) {
        SM_UNROLL
        for (int j = 0; j < K::values; j += N) {
            Vec<T, N> q;
            SM_UNROLL
            for (int e = 0; e < N; ++e) q[e] = v[j + e] * scale;
            if (first + Packets::value(j) < end) store(out + first + Packets::value(j), q);
        }
    } else {
        T* const from_packets = s + K::place(first);
        SM_UNROLL
        for (int j = 0; j < K::values; ++j) from_packets[K::place(Packets::value(j))] = v[j];
        __syncthreads();

        constexpr u32 between = K::all & ~Packets::registers & ~Strided::registers;
        if (bits & between) {
            T* const middle = s + K::place(Middle::thread(t));
            SM_UNROLL
            for (int j = 0; j < K::values; ++j) v[j] = middle[K::place(Middle::value(j))];
            selected_butterflies<Middle::registers, between>(v, bits);
            SM_UNROLL
            for (int j = 0; j < K::values; ++j) middle[K::place(Middle::value(j))] = v[j];
            __syncthreads();
        }

        const u32 own = Strided::thread(t);
        const T* const to_strided = s + K::place(own);
        SM_UNROLL
        for (int j = 0; j < K::values; ++j) v[j] = to_strided[K::place(Strided::value(j))];
        selected_butterflies<Strided::registers, K::all & ~Packets::registers>(v, bits);
        SM_UNROLL
        for (int j = 0; j < K::values; ++j)
            if (own + Strided::value(j) < end) (out + own)[Strided::value(j)] = v[j] * scale;
    }
}

// ---------------------------------------------------------------- columns

// A tile of 2^A rows: 2^R of them for each of 2^(A-R) groups of threads. Up to 2^5 rows a thread does its
// column alone; above, a tile is as wide as 128 bytes, which is what a warp should move at a time.
template <typename T, int A>
struct Tile {
    static constexpr bool alone = A <= 5;
    static constexpr int R = alone ? A : (A + 1) / 2;
    static constexpr int columns = alone ? 128 : 128 / int(sizeof(T));
    static constexpr int threads = columns << (A - R), values = 1 << R;
    static constexpr int blocks = alone ? 32 / int(sizeof(T)) : R == 5 ? 2 : 1024 / threads;
};

// The transform along the middle one of (outer, n, inner), n <= 2^A. A column is one (outer, inner) pair,
// so that a narrow inner dimension leaves no lane idle, and columns = outer*inner counts them all. The
// rows from n to 2^A are zeros that nobody stores: H (x, 0) starts with H_n x. The pointers walk, because
// 32 addresses of 64 bits would take the registers of the values.
// Grid: one block for each Tile::columns columns. Shared memory: the tile, when A > 5.
template <typename T, int A>
SM_KERNEL(Tile<T, A>::threads, Tile<T, A>::blocks)
fwht_columns(const T* x, T* out, i64 columns, i64 inner, i32 n, T scale) {
    using K = Tile<T, A>;
    constexpr int R = K::R, W = K::columns;
    const int lane = threadIdx.x % W, group = threadIdx.x / W;
    const i64 column = i64(blockIdx.x) * W + lane;
    const bool here = column < columns;
    const i64 start = column / inner * n * inner + column % inner;
    x += start + group * inner;
    out += start;

    // First the rows whose high R bits tell them apart, then, where a thread has not got them all, the
    // rows of the low bits.
    T v[K::values];
    const i64 step = inner << (A - R);
    SM_UNROLL
    for (int j = 0; j < K::values; ++j) {
        const int row = j << (A - R) | group;
        v[j] = here && row < n ? *x : T(0);
        x += step;
    }
    butterflies<0, R>(v);

    int own = 0;  // the first of the rows that the thread stores
    if constexpr (!K::alone) {
        SM_SHARED(T, s);
        SM_UNROLL
        for (int j = 0; j < K::values; ++j) s[(j << (A - R) | group) * W + lane] = v[j];
        __syncthreads();
        own = group << R;
        SM_UNROLL
        for (int j = 0; j < K::values; ++j) v[j] = s[(own + j) * W + lane];
        butterflies<0, A - R>(v);
    }
    out += own * inner;
    SM_UNROLL
    for (int j = 0; j < K::values; ++j) {
        if (here && own + j < n) *out = v[j] * scale;
        out += inner;
    }
}
