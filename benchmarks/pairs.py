"""Paired timing: two ways in turn, A B A B ..., so that both meet the same state of the machine."""

import statistics
import time

import numpy as np

__all__ = ["clock", "paired", "quiet", "ratio"]


def clock(function, calls):
    """Seconds a call, over `calls` calls in a row."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def paired(functions, rounds=21, slice_s=0.004, cap_s=2.0):
    """{name: times of its slices}, interleaved: A B A B ..., each slice about `slice_s` long."""
    calls = {}
    for name, function in functions.items():
        function()
        calls[name] = max(1, int(slice_s / max(clock(function, 1), 1e-8)))
    times = {name: [] for name in functions}
    start = time.perf_counter()
    for i in range(rounds):
        for name, function in functions.items():
            times[name].append(clock(function, calls[name]))
        if time.perf_counter() - start > cap_s and i >= 2:
            break
    return times


def ratio(times, other, ours="structmat"):
    """time(other) / time(ours): the median over pairs."""
    return statistics.median(a / b for a, b in zip(times[other], times[ours]))


def quiet(times):
    """The time of a quiet machine: the 15th percentile."""
    return float(np.percentile(times, 15))
