"""Dense copies of small transforms: below some order one product with an array is the fastest way.

A fast transform of one column of length 64 takes 4 to 8 microseconds, nearly all of it on the way
to the first butterfly, and a product with a prepared array of that order 1 to 2. A few columns of a
small transform are therefore multiplied by its array, built from the definition at the first
product. A few such arrays are kept and shared by equal matrices.

The limits are bytes of the array, for one column, and bytes times columns for a block, up to which
the product with the array takes at most the same time (NumPy 2.4, SciPy 1.17, OpenBLAS, one
thread). They differ because the ways to a fast transform do, and because an FFT takes several times
as long if its length has a large prime factor: for DCT-II of order 499 in float64 it is 30
microseconds, for 512 it is 10, and the product with the array takes 30.
"""

import functools

__all__ = ["FFT", "HAAR", "TRIGONOMETRIC", "WALSH", "dense_columns", "dense_copy", "is_smooth"]

WALSH = {True: (2**19, 2**20), False: (2**20, 2**21)}  # a power of two, or with a table
FFT = {True: (2**19, 2**19), False: (2**20, 2**20)}  # of a smooth length, or not
TRIGONOMETRIC = {True: (2**20, 2**21), False: (2**22, 2**22)}
HAAR = (3 * 2**18, 2**22)
_KEPT = 8  # arrays, of 4 MiB at most


def dense_columns(n, dtype, limits):
    """Up to how many columns a product is one with the dense matrix of order n."""
    one, block = limits
    nbytes = n * n * dtype.itemsize
    return block // nbytes if 2 * nbytes <= block else int(nbytes <= one)


def is_smooth(length):
    """No prime factor above 11, the largest that SciPy's FFT has code for."""
    for p in (2, 3, 5, 7, 11):
        while length % p == 0:
            length //= p
    return length == 1


@functools.lru_cache(maxsize=_KEPT)
def dense_copy(cls, parameters):
    """The array of ``cls(*parameters)``, read-only."""
    dense = cls(*parameters)._toarray()
    dense.flags.writeable = False
    return dense
