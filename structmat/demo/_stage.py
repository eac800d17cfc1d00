"""What every scene uses to speak: lines, progress, a table."""

import importlib
import sys

__all__ = [
    "MissingPackageError",
    "Progress",
    "decimal_bytes",
    "peak_memory",
    "require",
    "say",
    "table",
]


class MissingPackageError(ImportError):
    """A package that only the demonstrations need is not installed."""


def say(text=""):
    """Write a line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def table(rows):
    """Write (label, value) pairs, aligned."""
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        say(f"  {label:<{width}}  {value}")


class Progress:
    """One line that is overwritten on a terminal; a line each time elsewhere."""

    def __init__(self):
        self.width = 0
        self.overwrite = sys.stdout.isatty()

    def __call__(self, text):
        """Show the state of things."""
        if not self.overwrite:
            say(text)
            return
        sys.stdout.write("\r" + text.ljust(self.width))
        sys.stdout.flush()
        self.width = len(text)

    def close(self):
        """End the line."""
        if self.overwrite and self.width:
            say()


def require(*modules):
    """MissingPackageError that names the extra, before any work, when a module is missing."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise MissingPackageError(
                f"the demo needs scikit-learn, pillow and Matplotlib; {error}: "
                "pip install 'structmat[demo]'"
            ) from error


def peak_memory():
    """Largest resident memory of this process in bytes, None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def decimal_bytes(n):
    """597455667200 -> '597 GB'."""
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if n < 1000 or unit == "PB":
            return f"{n:.3g} {unit}"
        n /= 1000
    return None
