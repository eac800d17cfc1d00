"""The command line: ``python -m structmat demo | doctor | inspect FILE``."""

import argparse
import importlib
import os
import platform
import sys


def main(arguments=None):
    """Parse the command line and do what it says; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m structmat",
        description="Structured matrices with the whole of linear algebra.",
    )
    commands = parser.add_subparsers(title="commands", metavar="")
    demo = commands.add_parser("demo", help="what it can do, on real data; writes figures")
    demo.add_argument("scenes", nargs="*", metavar="scene", help="one or more scenes; default: all")
    demo.add_argument("--output", default=".", help="folder for the figures (default: this one)")
    demo.add_argument("--list", action="store_true", help="list the scenes")
    demo.set_defaults(command=_demo)
    doctor = commands.add_parser("doctor", help="versions, threads, cache and devices")
    doctor.set_defaults(command=_doctor)
    inspect = commands.add_parser("inspect", help="what a saved matrix is, and how it is solved")
    inspect.add_argument("file", help="an .npz file written by structmat.save")
    inspect.set_defaults(command=_inspect)
    options = parser.parse_args(arguments)
    if not hasattr(options, "command"):
        parser.print_help()
        return 0
    return options.command(options)


def _demo(options):
    # Before NumPy is loaded. The factors are of order 640: a second BLAS thread makes an evaluation
    # slower (0.25 s against 0.20 s), and much slower on a machine that is busy.
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from structmat import demo

    if options.list:
        print("\n".join(demo.scenes()))
        return 0
    unknown = sorted(set(options.scenes) - set(demo.scenes()))
    if unknown:
        print(f"no scene {unknown[0]!r}; there are {', '.join(demo.scenes())}", file=sys.stderr)
        return 2
    try:
        demo.run(options.scenes, options.output)
    except demo.MissingPackageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _inspect(options):
    import structmat as sm

    try:
        A = sm.load(options.file)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(A)
    for name in A._parameters:
        print(f"  {name}: {_shown(getattr(A, name))}")
    for verb in ("matmul", "solve", "slogdet") if A.shape[0] == A.shape[1] else ("matmul",):
        print(A.explain(verb))
    return 0


def _shown(value):
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_shown, value)) + ")"
    if hasattr(value, "_parameters"):
        return repr(value)
    shape = getattr(value, "shape", None)
    return (
        repr(value)
        if not hasattr(value, "dtype")
        else f"{value.dtype} array of shape {tuple(shape)}"
    )


def _doctor(options):
    import structmat as sm
    from structmat._backend import workers

    print(f"structmat {sm.__version__}, Python {platform.python_version()}, {platform.platform()}")
    for name in ("numpy", "scipy", "numba", "cupy", "dask", "sklearn", "matplotlib"):
        print(f"  {name:<12}{_version(name)}")
    print(f"  {'BLAS':<12}{_blas()}")
    print(f"  {'workers':<12}{workers.get_workers()} (structmat.set_workers)")
    print(f"  {'cache':<12}{_cache()}")
    print(f"  {'GPU':<12}{_device()}")
    return 0


def _version(name):
    try:
        module = importlib.import_module(name)
    except ImportError:
        return "not installed"
    return getattr(module, "__version__", "version unknown")


def _blas():
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "threads unknown (install threadpoolctl)"
    found = [
        f"{pool['internal_api']} {pool['version']}, {pool['num_threads']} threads"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]
    return "; ".join(found) or "not recognised"


def _cache():
    """Where compiled kernels are kept between runs, if anywhere."""
    from structmat._backend import cpu
    from structmat.matrices.kronecker import cpu as kernels

    if os.environ.get("STRUCTMAT_NO_CACHE", "") not in ("", "0"):
        return "off (STRUCTMAT_NO_CACHE)"
    for value in vars(kernels).values():
        if isinstance(value, cpu.Kernel):
            path = getattr(value._compile()._cache, "cache_path", None)
            if path is None:
                return "off: neither the package's folder nor the user's can be written"
            return f"{path} ({'writable' if os.access(path, os.W_OK) else 'not writable'})"
    return "no kernels"


def _device():
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed: pip install 'structmat[cuda13]' (or [cuda12])"
    if not cupy.cuda.is_available():
        return "CuPy is installed; no CUDA device answers"
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    return f"{properties['name'].decode()}, {properties['totalGlobalMem'] / 2**30:.0f} GiB"


if __name__ == "__main__":
    sys.exit(main())
