"""structmat: structured matrices for NumPy and CuPy. A table of contents; it defines nothing.

Every name is loaded at its first use (SPEC 1), so that ``import structmat`` is free.
"""

import importlib

from structmat import _rules

__version__ = "0.1.0.dev0"

_CONTENTS = {
    # ---- the verbs of linear algebra
    "linalg": None,  # solve svd eigh slogdet ... for every matrix
    "transforms": None,  # fwht fft_br dct haar ...: functions of arrays
    "estimators": None,  # gp: exact Gaussian processes on structured covariances
    "testing": None,  # check_matrix: the contract that any family can run
    # ---- what every matrix is
    "StructuredMatrix": "structmat.matrices.base",
    # ---- Kronecker
    "Kronecker": "structmat.matrices.kronecker",  # A (x) B (x) ...
    "KroneckerSum": "structmat.matrices.kronecker",  # A (+) B (+) ...
    "KroneckerPlusDiagonal": "structmat.matrices.kronecker",  # K + s I, K + D1 (x) D2
    "KroneckerTwoTerm": "structmat.matrices.kronecker",  # A (x) B + C (x) D
    "KhatriRao": "structmat.matrices.kronecker",  # columnwise Kronecker product
    "FaceSplitting": "structmat.matrices.kronecker",  # row by row: the adjoint of KhatriRao
    # ---- chains of Kronecker-sparse factors
    "KroneckerSparse": "structmat.matrices.chain",  # I_a (x) ones(b, c) (x) I_d, entry by entry
    "Chain": "structmat.matrices.chain",  # a product of such factors and permutations
    "Butterfly": "structmat.matrices.chain",
    "Monarch": "structmat.matrices.chain",
    "causal_monarch": "structmat.matrices.chain",  # a basis in which long convolutions are causal
    "causality_leak": "structmat.matrices.chain",
    "factor_mm_star": "structmat.matrices.chain.learn",  # M = M1 M2^H with Monarch factors
    "fit_butterfly": "structmat.matrices.chain.learn",  # for targets without exact factors
    "monarch_mix": "structmat.matrices.chain",  # long convolutions of batches of sequences
    # ---- transforms as matrices
    "Hadamard": "structmat.matrices.fourier",
    "DFT": "structmat.matrices.fourier",
    "DCT": "structmat.matrices.fourier",
    "DST": "structmat.matrices.fourier",
    "Haar": "structmat.matrices.fourier",
    # ---- constant along diagonals or antidiagonals
    "Circulant": "structmat.matrices.displacement",
    "Toeplitz": "structmat.matrices.displacement",
    "Hankel": "structmat.matrices.displacement",
    # ---- elementary
    "Identity": "structmat.matrices.elementary",
    "Zeros": "structmat.matrices.elementary",
    "Diagonal": "structmat.matrices.elementary",
    "Permutation": "structmat.matrices.elementary",
    "BlockDiagonal": "structmat.matrices.elementary",
    "Block": "structmat.matrices.elementary",
    "Banded": "structmat.matrices.elementary",
    "Tridiagonal": "structmat.matrices.elementary",
    "Triangular": "structmat.matrices.elementary",
    "Sparse": "structmat.matrices.elementary",
    "LowRank": "structmat.matrices.elementary",
    "DiagonalPlusLowRank": "structmat.matrices.elementary",
    "Dense": "structmat.matrices.elementary",
    # ---- lazy results of algebra
    "Sum": "structmat.matrices.lazy",
    "Product": "structmat.matrices.lazy",
    "Scaled": "structmat.matrices.lazy",
    "Inverse": "structmat.matrices.inverse",
    "RealPart": "structmat.matrices.real",  # np.real(A), np.imag(A)
    "Operator": "structmat.matrices.foreign",
    # ---- functions
    "project": "structmat.linalg.project",  # the nearest member of a family
    "kron": "structmat.matrices.construct",
    "kronsum": "structmat.matrices.construct",
    "block_diag": "structmat.matrices.construct",
    "diag": "structmat.matrices.construct",
    "eye": "structmat.matrices.construct",
    "hadamard": "structmat.matrices.construct",
    "random": "structmat.matrices.construct",  # a random member of a family
    "aslinearoperator": "structmat.matrices.construct",  # anything as one of ours
    "isstructured": "structmat.matrices.construct",
    "load": "structmat.matrices.io",
    "save": "structmat.matrices.io",
    "register": "structmat._rules",  # a rule for two types
    "set_workers": "structmat._backend.workers",
    # ---- warnings and errors
    "DensifyWarning": "structmat._checks",
    "ConvergenceError": "structmat._checks",
    "MixedDevicesError": "structmat._checks",
}

_rules.plug_in("structmat.matrices")

__all__ = [*_CONTENTS, "__version__"]


def __getattr__(name):
    if name not in _CONTENTS:
        raise AttributeError(f"module 'structmat' has no attribute {name!r}")
    home = _CONTENTS[name]
    value = (
        importlib.import_module(f"structmat.{name}")
        if home is None
        else getattr(importlib.import_module(home), name)
    )
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
