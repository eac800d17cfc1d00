"""Eigenvalues and eigenvectors."""

import numpy as np

from structmat import _checks, _rules, iterative
from structmat._results import EighResult, EigResult
from structmat.linalg import _certify, _door

__all__ = ["eig", "eigh", "eigs", "eigsh", "eigvals", "eigvalsh"]


@_certify.certified(_certify.eigen)
def eig(A):
    """Eigenvalues and right eigenvectors of a square matrix, A @ V = V @ diag(w).

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
    EigResult
        ``(eigenvalues, eigenvectors)`` in no particular order; the vectors are a structured
        matrix where the family allows.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.Diagonal([3.0, 1.0]).eig().eigenvalues
    array([3., 1.])
    """
    A = _rules.lift(A)
    _checks.square(A, "eig")
    result = A._eig()
    return EigResult(*(_door.dense(A, "eig")._eig() if result is NotImplemented else result))


def eigvals(A):
    """Eigenvalues of a square matrix, in no particular order, shape (n,).

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.

    Returns
    -------
    ndarray
        The values; real where the family knows that they are.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.Diagonal([3.0, 1.0]).eigvals()
    array([3., 1.])
    """
    A = _rules.lift(A)
    _checks.square(A, "eigvals")
    values = A._eigvals()
    if values is NotImplemented:
        full = A._eig()
        values = full if full is NotImplemented else full[0]
    return _door.dense(A, "eigvals")._eigvals() if values is NotImplemented else values


@_certify.certified(_certify.eigen)
def eigh(A):
    """Eigenvalues and orthonormal eigenvectors of a Hermitian matrix.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        A Hermitian matrix; unlike NumPy no triangle is guessed, a matrix that is not Hermitian is
        refused.
    method : {"auto", "direct", "dense"}
        "direct" takes the family's rule or raises NotImplementedError, "dense" takes LAPACK on
        ``A.toarray()``, "auto" the first that there is.
    return_info : bool
        Also return a certificate :class:`structmat.linalg.Info`, whose backward error tells how
        well the result reproduces the matrix on random vectors.

    Returns
    -------
    EighResult
        ``(eigenvalues, eigenvectors)``, values ascending; vectors structured where possible.

    Raises
    ------
    ValueError
        A is not Hermitian.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> np.linalg.eigh(sm.Diagonal([3.0, 1.0])).eigenvalues
    array([1., 3.])
    """
    A = _rules.lift(A)
    _door.require_hermitian(A, "eigh")
    result = A._eigh()
    return EighResult(*(_door.dense(A, "eigh")._eigh() if result is NotImplemented else result))


def eigvalsh(A):
    """Eigenvalues of a Hermitian matrix, ascending, shape (n,).

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        A Hermitian matrix.

    Returns
    -------
    ndarray
        The values.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.Diagonal([3.0, 1.0]).eigvalsh()
    array([1., 3.])
    """
    A = _rules.lift(A)
    _door.require_hermitian(A, "eigvalsh")
    values = A._eigvalsh()
    if values is NotImplemented:
        full = A._eigh()
        values = full if full is NotImplemented else full[0]
    return _door.dense(A, "eigvalsh")._eigvalsh() if values is NotImplemented else values


@_certify.certified(_certify.eigen)
def eigsh(A, k=6, which="LM", *, rtol=0.0, maxiter=None, rng=None):
    """A few eigenvalues and eigenvectors of a Hermitian matrix.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        A Hermitian matrix.
    k : int
        How many, ``0 < k <= n``.
    which : {"LM", "SM", "LA", "SA"}
        Largest or smallest in magnitude, or algebraically.
    rtol : float
        Relative accuracy of ARPACK; 0 is machine precision.
    maxiter : int, optional
        Largest number of ARPACK restarts.
    rng : Generator, int or None
        Start vector; the default is the same at every call.
    method : {"auto", "direct", "dense"}
        "direct" takes the family's rule or raises NotImplementedError, "dense" takes LAPACK on
        ``A.toarray()``, "auto" the first that there is.
    return_info : bool
        Also return a certificate :class:`structmat.linalg.Info`, whose backward error tells how
        well the result reproduces the matrix on random vectors.

    Returns
    -------
    EighResult
        ``(eigenvalues (k,) ascending, eigenvectors (n, k))``.

    Raises
    ------
    structmat.ConvergenceError
        ARPACK did not converge; ``.result`` holds the pairs that did.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.linalg.eigsh(sm.Diagonal([3.0, 1.0, 2.0]), k=2, which="LA").eigenvalues
    array([2., 3.])
    """
    A = _rules.lift(A)
    _door.require_hermitian(A, "eigsh")
    k = _checks.count(k, A.shape[0], "k")
    _checks.choice(which, "which", ("LM", "SM", "LA", "SA"))
    result = A._eigsh(k, which)
    if result is NotImplemented and (_door.small(A) or 2 * k > A.shape[0]):
        w, V = eigh(A)
        chosen = np.sort(_select(_door.as_numpy(w), k, which))
        result = w[chosen], V[:, chosen]
    if result is NotImplemented:
        result = iterative.eigsh(
            A.__matmul__, A.shape[0], A.dtype, k, which,
            rtol=rtol, maxiter=maxiter, rng=rng, solve=_inverse_action(A, which),
            xp=A._namespace or np,
        )  # fmt: skip
    return EighResult(*result)


@_certify.certified(_certify.eigen)
def eigs(A, k=6, which="LM", *, rtol=0.0, maxiter=None, rng=None):
    """A few eigenvalues and right eigenvectors of a square matrix.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.
    k : int
        How many, ``0 < k <= n``.
    which : {"LM", "SM", "LR", "SR", "LI", "SI"}
        Largest or smallest in magnitude, real part or imaginary part; for a real matrix, whose
        eigenvalues come in conjugate pairs, in modulus of the imaginary part, as in SciPy.
    rtol, maxiter, rng
        As in :func:`eigsh`.
    method : {"auto", "direct", "dense"}
        "direct" takes the family's rule or raises NotImplementedError, "dense" takes LAPACK on
        ``A.toarray()``, "auto" the first that there is.
    return_info : bool
        Also return a certificate :class:`structmat.linalg.Info`, whose backward error tells how
        well the result reproduces the matrix on random vectors.

    Returns
    -------
    EigResult
        ``(eigenvalues (k,), eigenvectors (n, k))``.

    Raises
    ------
    structmat.ConvergenceError
        ARPACK did not converge; ``.result`` holds the pairs that did.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.linalg.eigs(sm.Diagonal([3.0, 1.0, 2.0]), k=1).eigenvalues.real
    array([3.])
    """
    A = _rules.lift(A)
    _checks.square(A, "eigs")
    k = _checks.count(k, A.shape[0], "k")
    _checks.choice(which, "which", ("LM", "SM", "LR", "SR", "LI", "SI"))
    if _door.small(A) or 2 * k > A.shape[0]:
        w, V = eig(A)
        chosen = _select(_door.as_numpy(w), k, which, signed=A.dtype.kind == "c")
        return EigResult(w[chosen], V[:, chosen])
    result = iterative.eigs(
        A.__matmul__, A.shape[0], A.dtype, k, which,
        rtol=rtol, maxiter=maxiter, rng=rng, solve=_inverse_action(A, which),
    )  # fmt: skip
    return EigResult(*result)


def _select(w, k, which, *, signed=False):
    imag = w.imag if signed else abs(w.imag)
    key = {
        "LM": -abs(w), "SM": abs(w), "LA": -w.real, "SA": w.real,
        "LR": -w.real, "SR": w.real, "LI": -imag, "SI": imag,
    }[which]  # fmt: skip
    return np.argsort(key, kind="stable")[:k]


def _inverse_action(A, which):
    """Shift-invert at zero for the smallest magnitudes, where A factors in its structure."""
    if which != "SM":
        return None
    factored = A._factorize()
    return None if factored is NotImplemented else factored.solve
