"""Eigenvectors of the discrete Fourier transform: samples of Hermite functions, nearly.

The symmetric matrix S with ``S[j, j] = 2 cos(2 pi j / n)`` and ones beside the diagonal and in the
corners commutes with the DFT. So does the reflection j -> -j; on the even and on the odd vectors S
is tridiagonal with no zero beside the diagonal, hence its eigenvalues are simple there, and every
eigenvector is one of the DFT. By falling eigenvalue the even ones have the eigenvalues
``(-i)^0, (-i)^2, (-i)^4 ...`` and the odd ones ``(-i)^1, (-i)^3 ...`` of the unitary DFT [1]_.

References
----------
.. [1] C. Candan, M. A. Kutay and H. M. Ozaktas, The discrete fractional Fourier transform, IEEE
   Trans. Signal Process. 48 (2000) 1329-1337, section III.
"""

import math

import numpy as np

from structmat.matrices.fourier.angles import cos_pi

__all__ = ["fourier_eigenvectors"]


def fourier_eigenvectors(n):
    """An orthogonal matrix of eigenvectors of the DFT, column k for (-i)^k, shape (n, n).

    For even n the last column is for (-i)^n: (-i)^(n-1) is then no eigenvalue.
    """
    diagonal = 2 * cos_pi(2 * np.arange(n // 2 + 1), n)
    pairs = (n - 1) // 2  # j with a different partner n - j
    half = math.sqrt(0.5)
    V = np.zeros((n, n))
    j = np.arange(1, pairs + 1)

    # Even vectors: e_0, (e_j + e_{n-j}) / sqrt 2, and e_{n/2}.
    beside = np.ones(max(n // 2, 0))
    beside[:1] = math.sqrt(2)
    if n % 2 == 0:
        beside[-1:] *= math.sqrt(2)
    even = diagonal.copy()
    if n % 2 and pairs:
        even[-1] += 1  # the last pair are neighbours
    W = _eigenvectors(even, beside)
    columns = np.arange(0, n, 2)
    if n % 2 == 0:
        columns = np.append(columns, n - 1)
    V[0, columns] = W[0]
    V[j[:, None], columns] = V[n - j[:, None], columns] = half * W[1 : pairs + 1]
    if n % 2 == 0:
        V[n // 2, columns] = W[-1]

    # Odd vectors: (e_j - e_{n-j}) / sqrt 2.
    if pairs:
        odd = diagonal[1 : pairs + 1].copy()
        if n % 2:
            odd[-1] -= 1
        W = half * _eigenvectors(odd, np.ones(pairs - 1))
        columns = np.arange(1, 2 * pairs, 2)
        V[j[:, None], columns] = W
        V[n - j[:, None], columns] = -W
    return V


def _eigenvectors(diagonal, beside):
    """Of a symmetric tridiagonal matrix, by falling eigenvalue."""
    from scipy.linalg import eigh_tridiagonal

    return eigh_tridiagonal(diagonal, beside)[1][:, ::-1]
