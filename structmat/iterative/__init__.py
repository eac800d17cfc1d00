"""Iterative methods: callables and arrays in, arrays and certificates out.

No matrix class is known here: ``apply(X)`` maps an (n, k) block to an (m, k) block, NumPy or CuPy,
and a matrix of any kind is a lambda. All columns run in step: an iteration is one product with a
block.

================  ===============================================================================
`krylov`          ``cg``, ``minres``: A X = B for Hermitian A
`arnoldi`         ``gmres``: A X = B for square A
`least_squares`   ``lsmr``: min |A x - b| for any A
`block_krylov`    ``svds``: a few singular triplets
`arpack`          ``eigsh``, ``eigs``: doors to ARPACK
`estimates`       ``trace``, ``diagonal``, ``norm1``, ``norm2``, each with its error
`functions`       ``lanczos_funm``: f(A) B; ``expm_multiply``: door to SciPy
`lockstep`        ``KrylovResult``, and the loop around every solver
`columns`         norms, inner products and bases, one a column
================  ===============================================================================

What SciPy does well is called (``scipy.sparse.linalg`` is imported by the function that needs it);
ours are several right-hand sides at once, the randomised methods, and the certificates.
"""

from structmat.iterative.arnoldi import gmres
from structmat.iterative.arpack import eigs, eigsh
from structmat.iterative.block_krylov import KrylovSVD, svds
from structmat.iterative.estimates import Estimate, diagonal, norm1, norm2, trace
from structmat.iterative.functions import expm_multiply, lanczos_funm
from structmat.iterative.krylov import cg, minres
from structmat.iterative.least_squares import lsmr
from structmat.iterative.lockstep import KrylovResult

__all__ = [
    "Estimate",
    "KrylovResult",
    "KrylovSVD",
    "cg",
    "diagonal",
    "eigs",
    "eigsh",
    "expm_multiply",
    "gmres",
    "lanczos_funm",
    "lsmr",
    "minres",
    "norm1",
    "norm2",
    "svds",
    "trace",
]
