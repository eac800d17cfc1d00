// The plain Walsh-Hadamard transform of each row, in place, of length 2^log_n, in shared memory.
#include "port.cuh"

template <typename T, int threads>
SM_KERNEL(threads, 1) transform(T* x, i32 log_n, T scale) {
    SM_SHARED(T, s);
    const int n = 1 << log_n, t = threadIdx.x;
    T* const row = x + i64(blockIdx.x) * n;
    for (int i = t; i < n; i += threads) s[i] = row[i];
    __syncthreads();
    for (int h = 1; h < n; h <<= 1) {
        for (int k = t; k < n / 2; k += threads) {
            const int i = ((k & ~(h - 1)) << 1) | (k & (h - 1));
            const T a = s[i], b = s[i + h];
            s[i] = a + b;
            s[i + h] = a - b;
        }
        __syncthreads();
    }
    for (int i = t; i < n; i += threads) row[i] = scale * s[i];
}
