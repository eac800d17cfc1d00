"""Dense copies of small transforms: below some order one product with an array is the fastest way.

A fast transform of one column of length 64 takes 4 to 8 microseconds, nearly all of it on the way
to the first butterfly, and a product with a prepared array of that order 1 to 2. A few columns of a
small transform are therefore multiplied by its array, built from the definition at the first
product and shared by equal matrices.

How many columns pay follows from three numbers, all measured in bytes of the array that a product
reads in the same time (NumPy 2.4, SciPy 1.17, OpenBLAS, one thread): what a call of the fast
transform costs whatever it is given, what each of its columns costs, and, for a single column,
where the memory is the limit, the size up to which the array is not slower. The cost of a column is
that of its FFT, which grows tenfold where the length has a large prime factor: an array of order 67
or 127 is faster for any number of columns.
"""

import functools
import threading
from collections import OrderedDict

import numpy as np

__all__ = [
    "HAAR",
    "SMALLEST",
    "WALSH",
    "copies",
    "dense_columns",
    "fft_limits",
    "trigonometric_limits",
]

LARGEST = 2**22  # bytes of an array
SMALLEST = 2**15  # up to which a matrix keeps its own
ALL = 2**62  # columns
# (one column, call, work of a column).
WALSH = {True: (2**19, 3 * 2**19, 0), False: (2**20, 2**21, 0)}  # a power of two, or with a table
HAAR = (3 * 2**18, 3 * 2**21, 0)


def dense_columns(n, dtype, limits):
    """(first, last): for how many columns a product is one with the dense matrix of order n."""
    one, call, work = limits
    nbytes = n * n * dtype.itemsize
    if nbytes > LARGEST:
        return 1, 0
    if nbytes <= work:
        return 1, ALL
    return (1 if nbytes <= one else 2), max(1, int(call // (nbytes - work)))


def fft_limits(length, dtype):
    """The limits of a complex FFT."""
    return 2**19, 320_000, 2.8 * dtype.itemsize * _fft_work(length, real=False)


def trigonometric_limits(length, dtype):
    """The limits of a cosine or sine transform that is a real FFT of this length."""
    return 2**20, 2_500_000, 3.5 * np.finfo(dtype).dtype.itemsize * _fft_work(length, real=True)


@functools.lru_cache(maxsize=256)
def _fft_work(length, *, real):
    """What an FFT of this length costs, in multiples of one of length 1 by one stage.

    A prime factor p is a stage of p operations a number. Where that is dear, SciPy convolves by
    FFTs of a smooth length above twice this one (Bluestein), which for a real FFT are complex.
    """
    if length > 2**12:  # no array of such an order is kept
        return 0
    direct = length * sum(_prime_factors(length))
    # The factors of a smooth length add up to about 2 log2 of it.
    convolved = 4 * length * (2 * length).bit_length()
    if length < 50 or direct < (5.4 if real else 2.7) * convolved:
        return direct
    return 2.4 * convolved


def _prime_factors(n):
    """With their multiplicity."""
    factors, p = [], 2
    while p * p <= n:
        while n % p == 0:
            factors.append(p)
            n //= p
        p += 1
    return [*factors, n] if n > 1 else factors


class Copies:
    """Arrays by key, the least recently used ones dropped beyond a budget of bytes."""

    def __init__(self, budget):
        self.budget, self.nbytes = budget, 0
        self._arrays = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self):
        return len(self._arrays)

    def clear(self):
        """Forget all."""
        with self._lock:
            self._arrays.clear()
            self.nbytes = 0

    def of(self, key):
        """The array of ``cls(*parameters)`` for a key (cls, parameters), read-only."""
        try:
            dense = self._arrays[key]
            self._arrays.move_to_end(key)
            return dense
        except KeyError:  # of the second line, if another thread has dropped it meanwhile
            return self._build(key)

    def _build(self, key):
        cls, parameters = key
        dense = cls(*parameters)._toarray()  # not under the lock: two threads may both build it
        dense.flags.writeable = False
        with self._lock:
            if key not in self._arrays:
                self._arrays[key] = dense
                self.nbytes += dense.nbytes
            while self.nbytes > self.budget:
                self.nbytes -= self._arrays.popitem(last=False)[1].nbytes
        return dense


copies = Copies(2**25)
