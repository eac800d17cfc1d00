"""Times by CUDA events: many launches between two events, several samples, median and quartiles."""

import math
import statistics
import time
from typing import NamedTuple

LEAST_MS = 50.0  # of one sample; the resolution of events is far below a percent of it
SAMPLES = 7


class Timing(NamedTuple):
    """Milliseconds of one launch: median, and distance of the quartiles; launches in a sample."""

    ms: float
    iqr: float
    launches: int


def timed(cupy, launch, *, least_ms=LEAST_MS, samples=SAMPLES, warm=3):
    """Time `launch(i)`, i = 0, 1, ...: it may choose its buffers by i."""
    for i in range(warm):
        launch(i)
    once = _sample(cupy, launch, 1)
    # The first estimate has the launch latency in it; the second is over enough launches.
    several = max(1, math.ceil(0.1 * least_ms / max(once, 1e-3)))
    once = _sample(cupy, launch, several) / several
    launches = max(1, math.ceil(least_ms / max(once, 1e-4)))
    found = sorted(_sample(cupy, launch, launches) / launches for _ in range(samples))
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return Timing(middle, high - low, launches)


def _sample(cupy, launch, launches):
    start, stop = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    for i in range(launches):
        launch(i)
    stop.record()
    stop.synchronize()
    return cupy.cuda.get_elapsed_time(start, stop)


def from_python(cupy, call, *, samples=SAMPLES, calls=5):
    """Median milliseconds from the call to its finished result: Python, launches and waiting."""
    call()
    found = []
    for _ in range(samples):
        cupy.cuda.runtime.deviceSynchronize()
        started = time.perf_counter()
        for _ in range(calls):
            call()
            cupy.cuda.runtime.deviceSynchronize()
        found.append(1e3 * (time.perf_counter() - started) / calls)
    return statistics.median(found)


def replayed(cupy, launch, launches=20):
    """Milliseconds of one launch in a replayed graph, free of the time that Python takes."""
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        launch(0)  # what allocates or compiles does so before the capture
        stream.synchronize()
        stream.begin_capture()
        try:
            for i in range(launches):
                launch(i)
        finally:
            graph = stream.end_capture()
        found = timed(cupy, lambda _: graph.launch(stream))
    return found.ms / launches
