"""Fast transforms of arrays along an axis, for NumPy and CuPy arrays.

The families of matrices stand on these functions; they serve on their own as well. All take any
layout, real and complex, never change their input unless asked to, and follow :mod:`scipy.fft`
where it has a name for a thing (``axis``, ``norm``, ``type``).

=========================================  ========================================================
:func:`fwht`, :func:`ifwht`                Walsh-Hadamard, in natural, sequency or dyadic order
:func:`sparse_fwht`                        Walsh-Hadamard of a function with few coefficients
:func:`fft_br`, :func:`ifft_br`            Fourier, between natural and bit-reversed order
:func:`dct`, :func:`dst` and inverses      cosine and sine: SciPy's, by the FFT on a device
:func:`haar`, :func:`haar2` and inverses   Haar wavelets, periodised, any number of levels
:func:`bit_reversal`, :func:`gray_code`    orders, as permutations
=========================================  ========================================================
"""

from structmat.transforms.bitreversed import fft_br, ifft_br
from structmat.transforms.orders import bit_reversal, gray_code, inverse_gray_code, sequency
from structmat.transforms.sparse import SparseSpectrum, peeling_threshold, sparse_fwht
from structmat.transforms.trigonometric import dct, dst, idct, idst
from structmat.transforms.walsh import fwht, ifwht
from structmat.transforms.wavelets import haar, haar2, ihaar, ihaar2

__all__ = [
    "SparseSpectrum",
    "bit_reversal",
    "dct",
    "dst",
    "fft_br",
    "fwht",
    "gray_code",
    "haar",
    "haar2",
    "idct",
    "idst",
    "ifft_br",
    "ifwht",
    "ihaar",
    "ihaar2",
    "inverse_gray_code",
    "peeling_threshold",
    "sequency",
    "sparse_fwht",
]
