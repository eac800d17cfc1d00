// Chains of Kronecker-sparse factors times a block of columns, which lie side by side in memory.
//
// A dyadic factor of pattern (a, 2, 2, d) takes the rows of X in pairs (l, l + d) and multiplies each pair
// by a 2 x 2 block of its own. Neighbouring factors of a butterfly act on neighbouring bits of the row
// index; a kernel takes up to ten of them in one pass over the memory. The blocks are read as they are
// stored, four values side by side, and the same block serves all columns: lanes run over the columns.
//
// butterfly_columns  up to 2^10 rows of 64 or 128 consecutive bytes; values in registers, one exchange.
// butterfly_rows     a chunk of consecutive elements, for few columns; one exchange a factor.
// small_blocks       any one factor whose blocks have up to 16 columns.
//
// S factors act on the middle index m of the rows (A, 2^S, D), factor q on bit q of m. Its block for the
// pair m, m + 2^q has the number ((m >> (q+1)) 2^q + m mod 2^q) D + (that of D) within that of A.
// DOWN false: bit 0 first, blocks stored as they are. DOWN true: bit S-1 first, blocks stored
// transposed. The first is a butterfly that refines to the right, the second its transpose.
#include "port.cuh"

template <typename R>
struct alignas(2 * sizeof(R)) Complex {
    R re, im;
};

template <typename T>
struct Real {
    typedef T type;
};
template <typename R>
struct Real<Complex<R>> {
    typedef R type;
};

template <typename R>
SM_DEVICE R times(R a, R b) {
    return a * b;
}
template <typename R>
SM_DEVICE R times_plus(R a, R b, R c) {
    return a * b + c;
}
template <typename R>
SM_DEVICE Complex<R> times(Complex<R> a, Complex<R> b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <typename R>
SM_DEVICE Complex<R> times_plus(Complex<R> a, Complex<R> b, Complex<R> c) {
    return {a.re * b.re + (c.re - a.im * b.im), a.re * b.im + (a.im * b.re + c.im)};
}

// (a, b) -> W (a, b) for the block at `w`, or its transpose.
template <bool TRANSPOSED, typename T>
SM_DEVICE void multiply(T& a, T& b, const T (&w)[4]) {
    constexpr int above = TRANSPOSED ? 2 : 1, below = 3 - above;
    const T first = times_plus(w[above], b, times(w[0], a));
    b = times_plus(w[3], b, times(w[below], a));
    a = first;
}

// The four values of a block, in packets.
template <typename T>
SM_DEVICE void load_block(T (&w)[4], const T* p) {
    constexpr int N = packet<T>;
    SM_UNROLL
    for (int i = 0; i < 4; i += N) {
        const Vec<T, N> q = load<N>(p + i);
        SM_UNROLL
        for (int e = 0; e < N; ++e) w[i + e] = q[e];
    }
}

// ---------------------------------------------------------------- columns

// What a thread may take; how many blocks are resident follows.
template <typename T>
constexpr int registers_of = 128;
template <>
constexpr int registers_of<float> = 80;
template <>
constexpr int registers_of<Complex<double>> = 168;

// A tile of 2^S rows. A thread holds V columns of 2^R of them, 32 registers of values, and each of the
// 2^(S-R) groups of threads has its rows; a group's lanes lie along the columns. V = packet<T> moves 16
// bytes at a time and, what counts more, loads a block for V columns: the blocks that 32 lanes receive take
// four times the path from the cache that a block of one column does in arithmetic. R is small because the
// compiler loads all blocks of a factor ahead, and spills where they and the values fill the registers.
template <typename T, int S, int V>
struct Tile {
    static constexpr int wide = V * int(sizeof(T)), most = wide == 4 ? 4 : 3;  // bytes of a lane, bits
    static constexpr bool alone = S <= most;
    static constexpr int R = alone ? S : most, values = 1 << R;
    static constexpr int line = 32768 >> S < 128 ? 32768 >> S : 128;  // bytes of a row
    static constexpr int least = alone ? 128 : 64 >> (S - R), full = line / wide;
    static constexpr int lanes = alone || full < least ? least : full;
    static constexpr int threads = lanes << (S - R), columns = lanes * V;
    static constexpr int registers = registers_of<T>;
    static constexpr int blocks = 65536 / (registers * threads);

    // The round that begins with bit `from` holds the bits from `base` on in registers.
    SM_DEVICE static constexpr int base(int from) { return from < S - R ? from : S - R; }
    SM_DEVICE static int row(int from, int group, int j) {
        const int b = base(from);
        return (group >> b) << (b + R) | j << b | (group & ((1 << b) - 1));
    }
    // Where a row is kept: rows of less than 128 bytes would meet in the banks when a warp holds several.
    SM_DEVICE static int place(int row) { return row ^ (row >> R & (128 / (lanes * wide) - 1)); }
    static_assert(alone || 128 % (lanes * wide) == 0 || lanes * wide % 128 == 0, "whole lines");
};

// The factor of bit K of the numbers of the values. Blocks p = 0, 1 ... are `step` values apart.
template <int K, bool DOWN, typename T, int V, int N>
SM_DEVICE void stage(Vec<T, V> (&v)[N], const T* w, i64 step) {
    constexpr int H = 1 << K;
    SM_UNROLL
    for (int p = 0; p < N / 2; ++p) {
        const int a = (p & ~(H - 1)) << 1 | (p & (H - 1));
        T block[4];
        load_block(block, w + p * step);
        SM_UNROLL
        for (int e = 0; e < V; ++e) multiply<DOWN>(v[a][e], v[a | H][e], block);
    }
}

// The factors of the bits K .. M-1 of the numbers of the values, in their order.
template <int K, int M, bool DOWN, typename T, int V, int N, int L>
SM_DEVICE void stages(Vec<T, V> (&v)[N], const T* const (&w)[L], int first, i64 at, i64 step) {
    if constexpr (K < M) {
        if constexpr (DOWN) {
            stage<M - 1, DOWN>(v, w[first] + at, step);
            stages<K, M - 1, DOWN>(v, w, first + 1, at, step);
        } else {
            stage<K, DOWN>(v, w[first] + at, step);
            stages<K + 1, M, DOWN>(v, w, first + 1, at, step);
        }
    }
}

// What a thread of a tile knows: where its columns begin, and the number of their first block.
struct Column {
    bool here;
    int lane, group;
    i64 start, block;
};

// The rounds of a tile from bit FROM on: an exchange (but for the first), then up to R factors. A thread
// stores to the places that it has loaded from, so one barrier an exchange is enough.
template <typename K, int S, int FROM, bool DOWN, typename T, int V, int N, int L>
SM_DEVICE void rounds(Vec<T, V> (&v)[N], const T* const (&w)[L], const Column& c, i64 D) {
    constexpr int R = K::R, until = FROM + R < S ? FROM + R : S, b = K::base(FROM);
    constexpr int previous = DOWN ? FROM + R : FROM - R;
    if constexpr (previous >= 0 && previous < S) {
        SM_SHARED(T, s);
        SM_UNROLL
        for (int j = 0; j < N; ++j)
            store(s + (K::place(K::row(previous, c.group, j)) * K::lanes + c.lane) * V, v[j]);
        __syncthreads();
        SM_UNROLL
        for (int j = 0; j < N; ++j)
            v[j] = load<V>(s + (K::place(K::row(FROM, c.group, j)) * K::lanes + c.lane) * V);
    }
    const int high = c.group >> b, low = c.group & ((1 << b) - 1);
    const i64 at = 4 * (c.block + i64(high << (b + R - 1) | low) * D), step = 4 * (D << b);
    stages<FROM - b, until - b, DOWN>(v, w, DOWN ? S - until : FROM, at, step);
    if constexpr (DOWN && FROM > 0) rounds<K, S, FROM - R, DOWN>(v, w, c, D);
    if constexpr (!DOWN && FROM + R < S) rounds<K, S, FROM + R, DOWN>(v, w, c, D);
}

template <typename T, int S, int V, bool DOWN, int L>
SM_DEVICE void tile(const T* x, T* out, const T* const (&w)[L], const Column& c, i64 inner, i64 D) {
    using K = Tile<T, S, V>;
    constexpr int last = (S - 1) / K::R * K::R;  // the round of the highest bits begins here
    constexpr int first_round = DOWN ? last : 0, last_round = DOWN ? 0 : last;
    Vec<T, V> v[K::values];
    {
        const T* p = x + c.start + K::row(first_round, c.group, 0) * inner;
        const i64 step = inner << K::base(first_round);
        SM_UNROLL
        for (int j = 0; j < K::values; ++j) {
            v[j] = load<V>(p);
            p += step;
        }
    }
    rounds<K, S, first_round, DOWN>(v, w, c, D);
    {
        T* p = out + c.start + K::row(last_round, c.group, 0) * inner;
        const i64 step = inner << K::base(last_round);
        SM_UNROLL
        for (int j = 0; j < K::values; ++j) {
            if (c.here) store(p, v[j]);
            p += step;
        }
    }
}

// S factors on (A, 2^S, inner), where inner = depth k elements lie side by side: k columns for each of
// depth rows. V divides k; columns = A inner / V counts what the lanes take. w0 .. hold the blocks in the
// order of application; a pointer beyond the S-th is not read. `x` may be `out`: a tile is read before it
// is written. Grid: one block for each Tile::lanes columns. Shared memory: the tile, unless it is alone.
template <typename T, int S, int V, bool DOWN, typename R = typename Real<T>::type>
SM_KERNEL(Tile<T, S, V>::threads, Tile<T, S, V>::blocks)
butterfly_columns(const R* x, R* out, const R* w0, const R* w1, const R* w2, const R* w3, const R* w4,
                  const R* w5, const R* w6, const R* w7, const R* w8, const R* w9, i64 columns,
                  i64 inner, i64 k, i64 depth) {
    using K = Tile<T, S, V>;
    const T* const from = reinterpret_cast<const T*>(x);
    T* const to = reinterpret_cast<T*>(out);
    const T* const w[10] = {
        reinterpret_cast<const T*>(w0), reinterpret_cast<const T*>(w1),
        reinterpret_cast<const T*>(w2), reinterpret_cast<const T*>(w3),
        reinterpret_cast<const T*>(w4), reinterpret_cast<const T*>(w5),
        reinterpret_cast<const T*>(w6), reinterpret_cast<const T*>(w7),
        reinterpret_cast<const T*>(w8), reinterpret_cast<const T*>(w9)};
    Column c;
    c.lane = threadIdx.x % K::lanes;
    c.group = threadIdx.x / K::lanes;
    const i64 wanted = i64(blockIdx.x) * K::lanes + c.lane;
    c.here = wanted < columns;
    const i64 column = V * (c.here ? wanted : columns - 1);  // a spare lane reads what its neighbour reads
    const i64 outer = column / inner, along = column - outer * inner;
    c.start = (outer << S) * inner + along;
    c.block = (outer << (S - 1)) * depth + along / k;
    tile<T, S, V, DOWN>(from, to, w, c, inner, depth);
}

// ---------------------------------------------------------------- rows

// x / y, where y is the same for all threads; a shift where it can be.
SM_DEVICE u32 quotient(u32 x, u32 y) { return y & (y - 1) ? x / y : x >> (31 - __clz(int(y))); }

constexpr int row_threads = 256, row_bytes = 16384;

// The blocks of one factor for the pairs of a thread.
template <typename T, int P>
SM_DEVICE void load_blocks(T (&w)[P][4], const T* blocks, u32 items, u32 k) {
    SM_UNROLL
    for (int p = 0; p < P; ++p) {
        const u32 item = threadIdx.x + p * row_threads;
        if (item < items) load_block(w[p], blocks + 4 * quotient(item, k));
    }
}

// S factors on (A, 2^S, inner) as above, where 2^S inner elements fit a chunk of 16 KB: a block takes
// `rows` of the A. Work item i is pair i / k of rows in column i mod k, so that consecutive threads read
// consecutive blocks, and the blocks of the next factor are on their way before the barrier.
// Grid: one block for each `rows`. Shared memory: the chunk.
template <typename T, typename R = typename Real<T>::type>
SM_KERNEL(row_threads, 2)
butterfly_rows(const R* x, R* out, const R* w0, const R* w1, const R* w2, const R* w3, const R* w4,
               const R* w5, const R* w6, const R* w7, const R* w8, const R* w9, const R* w10,
               const R* w11, i64 count, i32 rows, i32 stages, i32 inner, i32 k, i32 down) {
    constexpr int E = row_bytes / int(sizeof(T)), P = E / 2 / row_threads, most = 12;
    SM_SHARED(T, s);
    const T* const given[most] = {
        reinterpret_cast<const T*>(w0),  reinterpret_cast<const T*>(w1),
        reinterpret_cast<const T*>(w2),  reinterpret_cast<const T*>(w3),
        reinterpret_cast<const T*>(w4),  reinterpret_cast<const T*>(w5),
        reinterpret_cast<const T*>(w6),  reinterpret_cast<const T*>(w7),
        reinterpret_cast<const T*>(w8),  reinterpret_cast<const T*>(w9),
        reinterpret_cast<const T*>(w10), reinterpret_cast<const T*>(w11)};
    const u32 t = threadIdx.x, chunk = u32(rows << stages) * inner;
    const i64 base = i64(blockIdx.x) * chunk, left = count - base;
    const u32 size = left < chunk ? u32(left) : chunk, items = size / 2;
    const i64 first = 4 * (base / 2 / k);  // of the blocks of this chunk
    const T* const from = reinterpret_cast<const T*>(x) + base;
    T* const to = reinterpret_cast<T*>(out) + base;

    T next[P][4];
    load_blocks(next, given[0] + first, items, k);
    SM_UNROLL
    for (int j = 0; j < 2 * P; ++j) {
        const u32 i = t + j * row_threads;
        if (i < size) s[i] = from[i];
    }
    SM_UNROLL
    for (int q = 0; q < most; ++q) {
        if (q < stages) {
            T w[P][4];
            SM_UNROLL
            for (int p = 0; p < P; ++p) {
                SM_UNROLL
                for (int e = 0; e < 4; ++e) w[p][e] = next[p][e];
            }
            if (q + 1 < most && q + 1 < stages)
                load_blocks(next, given[q + 1 < most ? q + 1 : q] + first, items, k);
            __syncthreads();
            const u32 span = u32(inner) << (down ? stages - 1 - q : q);
            SM_UNROLL
            for (int p = 0; p < P; ++p) {
                const u32 item = t + p * row_threads;
                if (item < items) {
                    const u32 i = item + quotient(item, span) * span;
                    T a = s[i], b = s[i + span];
                    if (down)
                        multiply<true>(a, b, w[p]);
                    else
                        multiply<false>(a, b, w[p]);
                    s[i] = a;
                    s[i + span] = b;
                }
            }
        }
    }
    __syncthreads();
    SM_UNROLL
    for (int j = 0; j < 2 * P; ++j) {
        const u32 i = t + j * row_threads;
        if (i < size) to[i] = s[i];
    }
}

// ---------------------------------------------------------------- small blocks

// One factor of pattern (a, b, c, d), c <= C: y[i, :, e] = values[i, e / k] x[i, :, e] for the inner
// index e of d k. A thread holds its c values of x and does the b products; the blocks are read in
// packets where c = C. `x` and `out` do not overlap.
// Grid: one block for each 128 of the `columns` = a d k.
template <typename T, int C, typename R = typename Real<T>::type>
SM_KERNEL(128, C * sizeof(T) <= 64 ? 8 : C * sizeof(T) <= 128 ? 5 : 3)
small_blocks(const R* x, R* out, const R* values, i64 columns, i64 inner, i64 k, i32 b, i32 c) {
    constexpr int N = packet<T>;
    const i64 column = i64(blockIdx.x) * 128 + threadIdx.x;
    if (column < columns) {
        const i64 outer = column / inner, along = column - outer * inner;
        const T* p = reinterpret_cast<const T*>(x) + outer * c * inner + along;
        T* y = reinterpret_cast<T*>(out) + outer * b * inner + along;
        const T* w = reinterpret_cast<const T*>(values) + (outer * (inner / k) + along / k) * (i64(b) * c);
        T v[C];
        SM_UNROLL
        for (int r = 0; r < C; ++r) {
            v[r] = r < c ? *p : T{};
            p += inner;
        }
        for (int j = 0; j < b; ++j) {
            T sum = {};
            if (c == C) {
                SM_UNROLL
                for (int r = 0; r < C; r += N) {
                    const Vec<T, N> q = load<N>(w + r);
                    SM_UNROLL
                    for (int e = 0; e < N; ++e) sum = times_plus(q[e], v[r + e], sum);
                }
            } else {
                SM_UNROLL
                for (int r = 0; r < C; ++r)
                    if (r < c) sum = times_plus(w[r], v[r], sum);
            }
            *y = sum;
            y += inner;
            w += c;
        }
    }
}
