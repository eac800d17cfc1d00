"""Stage 1: what this card reaches in this call: copies, sweeps, GEMM, cache, launches."""

import time

from . import clock

FRACTION = 16  # of the memory, for one buffer of a sweep
LARGEST = 4 << 30
GEMM = (8192, 4096, 2048)
EMPTY = 'extern "C" __global__ void nothing() {}'


def plan():
    yield "1 s of load, so that clocks are up"
    yield "copy (memcpy, an elementwise kernel), read (sum), write (fill), copy in L2: TB/s"
    yield "GEMM of 8192 in fp32, fp64, and with PyTorch tf32, bf16, on random data: TFLOP/s"
    yield "an empty kernel: back to back, synchronised, in a graph: us"


def run(context):
    import cupy

    _warm_up(cupy)
    yield from _bandwidth(cupy, context)
    for dtype, name in (("float32", "gemm_fp32_tflops"), ("float64", "gemm_fp64_tflops")):
        yield "ceilings", {name: _gemm(cupy, lambda n, dtype=dtype: _product(cupy, n, dtype))}
    yield from _torch_gemm(cupy)
    yield from _latency(cupy)


def _warm_up(cupy, seconds=1.0):
    """An idle card clocks at a few hundred MHz and takes its time to leave."""
    A = cupy.random.standard_normal((GEMM[1], GEMM[1]), dtype="float32")
    B = cupy.empty_like(A)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(20):
            cupy.matmul(A, A, out=B)
        cupy.cuda.runtime.deviceSynchronize()


def _bandwidth(cupy, context):
    size = min(LARGEST, context.memory() // FRACTION) // 4
    a = cupy.random.standard_normal(size, dtype="float32")
    b = cupy.empty_like(a)
    nbytes = a.nbytes
    add = cupy.ElementwiseKernel("float32 x", "float32 y", "y = x", "gpu_run_copy")

    def rate(launch, moved):
        return moved / clock.timed(cupy, launch).ms / 1e9

    memcpy = rate(lambda i: b.data.copy_from_device_async(a.data, nbytes), 2 * nbytes)
    kernel = rate(lambda i: add(a, b), 2 * nbytes)
    yield (
        "ceilings",
        {
            "copy_tbs": max(memcpy, kernel),
            "memcpy_tbs": memcpy,
            "elementwise_tbs": kernel,
            "read_tbs": rate(lambda i: a.sum(), nbytes),
            "write_tbs": rate(lambda i: b.fill(1.5), nbytes),
            "sweep_bytes": nbytes,
        },
    )
    small = min(size, context.card_cache() // 16)  # two buffers of a quarter of the cache in all
    x, y = a[: small - small % 64], b[: small - small % 64]
    yield "ceilings", {"l2_copy_tbs": rate(lambda i: add(x, y), 2 * x.nbytes)}


def _product(cupy, n, dtype):
    A, B = (cupy.random.standard_normal((n, n), dtype=dtype) for _ in range(2))
    C = cupy.empty_like(A)
    return lambda i: cupy.matmul(A, B, out=C)


def _gemm(cupy, problem):
    """TFLOP/s of the largest size that takes less than 100 ms a product, or of the smallest."""
    least = GEMM[-1]
    ms = clock.timed(cupy, problem(least), samples=3).ms
    n = next(n for n in GEMM if n == least or ms * (n / least) ** 3 < 100)
    return 2 * n**3 / clock.timed(cupy, problem(n)).ms / 1e9


def _torch_gemm(cupy):
    try:
        import torch
    except ImportError:
        yield "notes", "no PyTorch: tf32 and bf16 GEMM not measured, peers of PyTorch skipped"
        return

    def problem(n, dtype):
        A, B = (torch.randn(n, n, device="cuda").to(dtype) for _ in range(2))
        C = torch.empty_like(A)
        return lambda i: torch.matmul(A, B, out=C)

    torch.backends.cuda.matmul.allow_tf32 = True
    tf32 = _gemm(cupy, lambda n: problem(n, torch.float32))
    torch.backends.cuda.matmul.allow_tf32 = False
    bf16 = _gemm(cupy, lambda n: problem(n, torch.bfloat16))
    yield "ceilings", {"gemm_tf32_tflops": tf32, "gemm_bf16_tflops": bf16}


def _latency(cupy):
    nothing = cupy.RawKernel(EMPTY, "nothing")

    def launch(i):
        nothing((1,), (32,), ())

    yield (
        "ceilings",
        {
            "launch_us": 1e3 * clock.timed(cupy, launch).ms,
            "synchronised_us": 1e3 * clock.from_python(cupy, lambda: launch(0), calls=200),
        },
    )
    try:
        graph = clock.replayed(cupy, launch, 100)
    except Exception as error:
        yield "notes", f"no graph of launches: {type(error).__name__}: {error}"[:500]
    else:
        yield "ceilings", {"graph_launch_us": 1e3 * graph}
