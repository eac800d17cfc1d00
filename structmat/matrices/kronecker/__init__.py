"""Kronecker products, and the sums that keep their structure.

The Kronecker product of A (m1 x n1) and B (m2 x n2) is the (m1 m2) x (n1 n2) matrix of blocks
``A[i, j] * B``. The order is that of :func:`numpy.kron`: **the first factor is the slowest**. With
an index of the product written in mixed radix, ``i = (i1, i2, ..., id)``, the last digit running
fastest, entries are products of entries::

    (A1 (x) A2 (x) ... (x) Ad)[i, j] = A1[i1, j1] * A2[i2, j2] * ... * Ad[id, jd]

For two factors of order two::

    [a b]     [p q]   [ap aq bp bq]
    [c d] (x) [r s] = [ar as br bs]
                      [cp cq dp dq]
                      [cr cs dr ds]

A vector of the product is an array of shape (n1, ..., nd) read in C order, and the product with it
applies every factor along its own axis, in any order: ``(A (x) B) vec(X) = vec(A X B^T)``. That is
``2 N (n1 + ... + nd)`` operations for N = n1 ... nd, where the dense matrix takes ``2 N^2``.

Nearly all of linear algebra distributes over the factors [1]_: products (the mixed-product rule
``(A (x) B) (C (x) D) = A C (x) B D``), inverses and pseudo-inverses, transposes, QR, Cholesky, SVD
and eigenvectors; traces, ranks, norms and condition numbers multiply, and
``log det = sum (N / n_i) log det A_i``. Square roots and logarithms do not distribute, except for
positive semidefinite factors: ``(-I) (x) (-I) = I``.

=======================  =================================================================
class                    matrix
=======================  =================================================================
Kronecker                A1 (x) A2 (x) ... (x) Ad, any number of factors of any shapes
KroneckerSum             A (x) I + I (x) B, and so on: separable differential operators
KroneckerPlusDiagonal    A (x) B + s I and A (x) B + D1 (x) D2: Gaussian processes with noise
KroneckerTwoTerm         A (x) B + C (x) D
KhatriRao                column by column: column j is a_j (x) b_j
FaceSplitting            row by row: row i is a_i (x) b_i
=======================  =================================================================

References
----------
.. [1] C. F. Van Loan, The ubiquitous Kronecker product, J. Comput. Appl. Math. 123 (2000) 85-100.
"""

from structmat.matrices.kronecker import rules, sum_rules
from structmat.matrices.kronecker.khatri_rao import FaceSplitting, KhatriRao
from structmat.matrices.kronecker.matrix import Kronecker
from structmat.matrices.kronecker.plus_diagonal import KroneckerPlusDiagonal
from structmat.matrices.kronecker.sum import KroneckerSum
from structmat.matrices.kronecker.two_term import KroneckerTwoTerm

__all__ = [
    "FaceSplitting",
    "KhatriRao",
    "Kronecker",
    "KroneckerPlusDiagonal",
    "KroneckerSum",
    "KroneckerTwoTerm",
    "rules",
    "sum_rules",
]
