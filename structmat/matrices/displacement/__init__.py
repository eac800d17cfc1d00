"""Matrices that are constant along diagonals, or along antidiagonals.

A Toeplitz matrix is a sequence t, a Hankel matrix a sequence h, a circulant matrix a vector c::

    T[i, j] = t[i - j]          H[i, j] = h[i + j]          C[i, j] = c[(i - j) mod n]

For order three::

    [t0 t-1 t-2]                [h0 h1 h2]                  [c0 c2 c1]
    [t1 t0  t-1]                [h1 h2 h3]                  [c1 c0 c2]
    [t2 t1  t0 ]                [h2 h3 h4]                  [c2 c1 c0]

``Toeplitz(c, r)`` takes the first column and the first row, ``Hankel(c, r)`` the first column and
the last row, as SciPy's functions do. All rows are windows of one sequence, and that is how a
product reads them: a circulant matrix of order at least m + n - 1 has a Toeplitz matrix in its
corner, so that long products are cyclic convolutions, three FFTs; short ones go through the
sequence directly.

A circulant matrix is diagonal in the basis of the discrete Fourier transform and all of linear
algebra is closed there [1]_. A Toeplitz matrix has displacement rank 2 to 4: a fixed linear map
``T -> A T - T B`` gives a matrix of that rank, which elimination preserves in Schur complements.
Its LU factorisation therefore costs O(n^2), here with partial pivoting [2]_ (`cauchy`).

=======================  =================================================================
class                    matrix
=======================  =================================================================
Circulant                polynomials in the cyclic shift: periodic convolution
Toeplitz                 convolution on an interval; stationary covariances on a grid
Hankel                   T J with the reversal J: moments, system identification
=======================  =================================================================

References
----------
.. [1] P. J. Davis, *Circulant Matrices*, 2nd ed., AMS Chelsea, 1994, chapter 3.
.. [2] I. Gohberg, T. Kailath and V. Olshevsky, Fast Gaussian elimination with partial pivoting for
   matrices with displacement structure, Math. Comp. 64 (1995) 1557-1576.
"""

from structmat.matrices.displacement import rules
from structmat.matrices.displacement.circulant import Circulant
from structmat.matrices.displacement.hankel import Hankel
from structmat.matrices.displacement.toeplitz import Toeplitz

__all__ = ["Circulant", "Hankel", "Toeplitz", "rules"]
