// Warp operations, votes, atomics and packets.
#include "port.cuh"

SM_DEVICE float warp_sum(float v) {
    SM_UNROLL
    for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(full_warp, v, o);
    return v;
}

// out += the sum of squares of x; whole numbers, whose float sum is the same in every order.
template <int threads>
SM_KERNEL(threads, 1) sum_of_squares(const float* x, i64 n, float* out) {
    SM_SHARED(float, part);
    constexpr int p = packet<float>;
    const int t = threadIdx.x;
    float sum = 0;
    for (i64 i = i64(blockIdx.x) * threads + t; i < n / p; i += i64(gridDim.x) * threads) {
        const Vec<float, p> v = load<p>(x + i * p);
        SM_UNROLL
        for (int j = 0; j < p; ++j) sum += v[j] * v[j];
    }
    if (blockIdx.x == 0 && t < n % p) sum += x[n - 1 - t] * x[n - 1 - t];
    sum = warp_sum(sum);
    if (t % 32 == 0) part[t / 32] = sum;
    __syncthreads();
    if (t < 32) {
        sum = warp_sum(t < threads / 32 ? part[t] : 0.0f);
        if (t == 0) atomicAdd(out, sum);
    }
}

// y = the inclusive prefix sums of x within each warp.
template <typename T>
SM_KERNEL(32, 1) prefix_sums(const T* x, T* y) {
    const int t = threadIdx.x;
    const i64 i = i64(blockIdx.x) * 32 + t;
    T v = x[i];
    for (int o = 1; o < 32; o <<= 1) {
        const T u = __shfl_up_sync(full_warp, v, o);
        if (t >= o) v += u;
    }
    y[i] = v;
}

// What is positive: a mask for each warp, and how many in the block and in its first warp.
template <int threads>
SM_KERNEL(threads, 1) votes(const i32* x, u32* masks, i32* counts) {
    const int t = threadIdx.x;
    const bool positive = x[t] > 0;
    const u32 mask = __ballot_sync(full_warp, positive);
    const int count = __syncthreads_count(positive);
    if (t % 32 == 0) masks[t / 32] = mask;
    if (t == 0) counts[0] = count, counts[1] = __popc(mask);
}
