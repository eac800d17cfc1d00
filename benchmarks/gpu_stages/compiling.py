"""Stage 2: every instance, from an empty cache in threads, then in a new process from the cache."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

from structmat._backend import gpu


def plan():
    for instance in gpu.instances():
        yield f"{instance.name}: registers <= {instance.registers}, shared {instance.shared}"


def run(context):
    """From the empty cache: milliseconds, registers, spilled bytes, shared bytes."""
    yield from _all(context, "compile_ms")


def run_warm(context):
    """A process of its own that finds the binaries on disk."""
    yield from _all(context, "warm_ms")


def _all(context, name):
    import cupy

    cupy.zeros(1)  # the context of the device is no part of a kernel's compilation
    limit = context.found["env"].get("shared_optin") or gpu.MAX_SHARED
    started = time.perf_counter()
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        fitting = [instance for instance in gpu.instances() if instance.shared <= limit]
        for found in pool.map(lambda instance: _one(instance, name), fitting):
            yield "kernels", found
    yield "env", {f"{name.removesuffix('_ms')}_all_s": time.perf_counter() - started}
    small = [instance.name for instance in gpu.instances() if instance.shared > limit]
    if small and name == "compile_ms":
        yield "notes", f"not for this card, which has {limit} bytes a block: {', '.join(small)}"


def _one(instance, name):
    """The record of an instance; one that does not compile costs no other."""
    found = {"name": instance.name, "package": instance.package, "digest": gpu.digest(instance)}
    started = time.perf_counter()
    try:
        kernel = gpu.prepare(instance)
        registers = kernel.num_regs  # CuPy may leave the loading to the first use
        found[name] = 1e3 * (time.perf_counter() - started)
        if name == "compile_ms":
            found |= {
                "regs": registers,
                "budget": instance.registers,
                "spill": kernel.local_size_bytes,
                "smem": instance.shared + kernel.shared_size_bytes,
            }
    except Exception as error:
        found["error"] = f"{type(error).__name__}: {error}"[:2000]
    return found
