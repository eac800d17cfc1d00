"""Compressed sparse rows as SciPy's or CuPy's object, whichever the arrays belong to."""

import numpy as np

from structmat._backend.arrays import namespace_of

__all__ = ["csr"]


def csr(data, indices, indptr, shape):
    """The CSR matrix of these arrays; they are viewed, not copied."""
    if namespace_of(data, indices, indptr) is np:
        from scipy.sparse import csr_array

        return csr_array((data, indices, indptr), shape)
    from cupyx.scipy.sparse import csr_matrix

    return csr_matrix((data, indices, indptr), shape)
