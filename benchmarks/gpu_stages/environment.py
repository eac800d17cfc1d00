"""Stage 0: what machine this is. Ends with an error where no device answers."""

import importlib.metadata
import platform
import shutil
import subprocess

PACKAGES = ("numpy", "scipy", "numba", "cupy", "torch")
QUERY = "clocks.sm,clocks.mem,power.draw,temperature.gpu,driver_version"


def plan():
    yield f"versions of Python, {', '.join(PACKAGES)}, CUDA runtime, driver, NVRTC"
    yield "attributes of the device; nvidia-smi: " + QUERY


def run(context):
    import cupy

    runtime = cupy.cuda.runtime
    if not runtime.getDeviceCount():
        raise RuntimeError("no CUDA device answers")
    properties = runtime.getDeviceProperties(0)
    yield (
        "env",
        {
            "card": properties["name"].decode(),
            "compute_capability": f"{properties['major']}.{properties['minor']}",
            "multiprocessors": properties["multiProcessorCount"],
            "memory": properties["totalGlobalMem"],
            "free_memory": runtime.memGetInfo()[0],
            "l2_bytes": properties["l2CacheSize"],
            "shared_optin": properties.get("sharedMemPerBlockOptin"),
            "registers": properties.get("regsPerMultiprocessor"),
        },
    )
    yield "env", {"python": platform.python_version(), "platform": platform.platform()}
    yield "env", {"versions": dict(filter(all, map(_version, PACKAGES)))}
    yield (
        "env",
        {
            "runtime": runtime.runtimeGetVersion(),
            "driver": runtime.driverGetVersion(),
            "nvrtc": ".".join(map(str, cupy.cuda.nvrtc.getVersion())),
        },
    )
    yield "env", {"smi_before": smi()}


def _version(name):
    """By import: CuPy's distribution has another name, and Numba may refuse its NumPy."""
    try:
        module = __import__(name)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            return name, None
        return name, f"does not import: {error}"
    version = getattr(module, "__version__", None)
    return name, version or importlib.metadata.version(name)


def smi():
    """Clocks, power and temperature as nvidia-smi prints them; None where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, f"--query-gpu={QUERY}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"failed: {error}"
    return (done.stdout or done.stderr).strip()
