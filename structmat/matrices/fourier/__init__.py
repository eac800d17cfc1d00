"""The fast transforms as matrices: Hadamard, Fourier, cosine, sine and Haar.

A transform of length n is a matrix that is known by its order alone, and is a multiple of a unitary
matrix, A = s Q. Its inverse is its adjoint over s^2, its singular values are all s, its condition
number is 1, its determinant has the modulus s^n, and a product takes O(n log n) operations or less.
Entry (i, j), i and j from 0, without normalisation::

    Hadamard    (-1)^(common ones of i and j), orders 2^k; tables times those for 12, 20 and 28
    DFT         exp(-2 pi i j k / n)                                         (entry (j, k))
    DCT         cosines of multiples of pi / n, types 1 to 4                 (as scipy.fft)
    DST         sines of the same
    Haar        2^(-l/2) times 1, -1 on the halves of an interval of 2^l     (orthogonal as it is)

``norm`` is that of :mod:`scipy.fft`: None leaves the entries as they are above (s = sqrt(n),
for cosines and sines about sqrt(2 n)), "ortho" gives s = 1 and "forward" the inverse scale, so that
the inverse of a transform is a transform again. Cosine and sine transforms of types 1, 2 and 3 are
multiples of orthogonal matrices only when a row or a column at the end is scaled
(``orthogonalize=True``, which "ortho" implies); otherwise A = s L Q R with L and R the identity but
for sqrt(2) or its inverse there, and all verbs take that into account.

A matrix holds no array and therefore has no device: it acts on NumPy and CuPy arrays alike.

==================  ============================================================================
`transform`         Transform: what follows from A = s L Q R
`products`          TransformProduct: products with it; `scale` its scale, a power of the length
`hadamard`          Hadamard; `paley` its tables and bit counts
`dft`               DFT; `hermite` its eigenvectors
`trigonometric`     DCT and DST; `special` the odd singular values of one type
`haar`              Haar
`adjoint`           AdjointTransform: A^H where it is no transform of the same name
`small`             arrays of small orders, for products with a few columns
`rules`             A @ A.H = s^2 I, F @ F = n (reflection), H (x) H = H
==================  ============================================================================

References
----------
.. [1] C. F. Van Loan, *Computational Frameworks for the Fast Fourier Transform*, SIAM, 1992.
"""

from structmat.matrices.fourier import rules
from structmat.matrices.fourier.adjoint import AdjointTransform
from structmat.matrices.fourier.dft import DFT
from structmat.matrices.fourier.haar import Haar
from structmat.matrices.fourier.hadamard import Hadamard
from structmat.matrices.fourier.trigonometric import DCT, DST

__all__ = ["DCT", "DFT", "DST", "AdjointTransform", "Haar", "Hadamard", "rules"]
