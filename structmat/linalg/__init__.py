"""The verbs of linear algebra, for every matrix: structured, dense, sparse or operator.

Each asks the family's rule first, then the dense matrix where that is cheap or the only way
(announced when large), then iteration. ``np.linalg.solve(A, b)``, ``structmat.linalg.solve(A, b)``
and ``A.solve(b)`` are one function.

==============  ==================================================================================
module          verbs
==============  ==================================================================================
solve           solve factorize inv lstsq pinv
svd             svd svdvals svds matrix_rank
eig             eig eigvals eigh eigvalsh eigs eigsh
invariants      slogdet logdet det trace diagonal norm cond
factors         qr cholesky
functions       matrix_power expm sqrtm logm funm expm_multiply
estimates       norm_est cond_est trace_est diag_est
explain         explain
project         project
==============  ==================================================================================
"""

from structmat._checks import ConvergenceError, DensifyWarning
from structmat._results import Factorization, Info
from structmat.linalg.eig import eig, eigh, eigs, eigsh, eigvals, eigvalsh
from structmat.linalg.estimates import cond_est, diag_est, norm_est, trace_est
from structmat.linalg.explain import explain
from structmat.linalg.factors import cholesky, qr
from structmat.linalg.functions import expm, expm_multiply, funm, logm, matrix_power, sqrtm
from structmat.linalg.invariants import cond, det, diagonal, logdet, norm, slogdet, trace
from structmat.linalg.project import project
from structmat.linalg.solve import factorize, inv, lstsq, pinv, solve
from structmat.linalg.svd import matrix_rank, svd, svds, svdvals

__all__ = [
    "ConvergenceError",
    "DensifyWarning",
    "Factorization",
    "Info",
    "cholesky",
    "cond",
    "cond_est",
    "det",
    "diag_est",
    "diagonal",
    "eig",
    "eigh",
    "eigs",
    "eigsh",
    "eigvals",
    "eigvalsh",
    "explain",
    "expm",
    "expm_multiply",
    "factorize",
    "funm",
    "inv",
    "logdet",
    "logm",
    "lstsq",
    "matrix_power",
    "matrix_rank",
    "norm",
    "norm_est",
    "pinv",
    "project",
    "qr",
    "slogdet",
    "solve",
    "sqrtm",
    "svd",
    "svds",
    "svdvals",
    "trace",
    "trace_est",
]
