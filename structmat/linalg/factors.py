"""Triangular factors: QR and Cholesky."""

from structmat import _checks, _rules
from structmat._results import QRResult
from structmat.linalg import _certify, _door

__all__ = ["cholesky", "qr"]


@_certify.certified(_certify.orthogonal_triangular)
def qr(A, mode="reduced"):
    """A = Q @ R with orthonormal columns in Q and upper triangular R.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix.
    mode : {"reduced", "r"}
        "r" returns R alone.
    method : {"auto", "direct", "dense"}
        "direct" takes the family's rule or raises NotImplementedError, "dense" takes LAPACK on
        ``A.toarray()``, "auto" the first that there is.
    return_info : bool
        Also return a certificate :class:`structmat.linalg.Info`, whose backward error tells how
        well the result reproduces the matrix on random vectors.

    Returns
    -------
    QRResult
        ``Q (m, k), R (k, n)`` with k = min(m, n); structured where the family allows.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> Q, R = np.linalg.qr(sm.Kronecker([[3.0], [4.0]], [[1.0], [0.0]]))
    >>> float(abs(R.toarray()[0, 0]))
    5.0
    """
    A = _rules.lift(A)
    _checks.choice(mode, "mode", ("reduced", "r"))
    result = A._qr()
    if result is NotImplemented:
        result = _door.dense(A, "qr")._qr()
    return QRResult(*result) if mode == "reduced" else result[1]


@_certify.certified(_certify.square)
def cholesky(A):
    """Lower triangular L with A = L @ L.H, for a Hermitian positive definite matrix.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.
    method : {"auto", "direct", "dense"}
        "direct" takes the family's rule or raises NotImplementedError, "dense" takes LAPACK on
        ``A.toarray()``, "auto" the first that there is.
    return_info : bool
        Also return a certificate :class:`structmat.linalg.Info`, whose backward error tells how
        well the result reproduces the matrix on random vectors.

    Returns
    -------
    StructuredMatrix
        L, in a family of its own where the algebra allows (a Kronecker product of factors).

    Raises
    ------
    numpy.linalg.LinAlgError
        A is not positive definite.
    ValueError
        A is not Hermitian.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> np.linalg.cholesky(sm.Diagonal([4.0, 9.0])).toarray()
    array([[2., 0.],
           [0., 3.]])
    """
    A = _rules.lift(A)
    _door.require_hermitian(A, "cholesky")
    L = A._cholesky()
    return _rules.lift(_door.dense(A, "cholesky")._cholesky() if L is NotImplemented else L)
