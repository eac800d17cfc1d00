"""Matrix functions: powers, exponential, square root, logarithm, any f."""

import operator

import numpy as np

from structmat import _checks, _rules, iterative
from structmat.linalg import _certify, _door
from structmat.linalg.eig import eigh
from structmat.linalg.invariants import trace
from structmat.linalg.solve import inv

__all__ = ["expm", "expm_multiply", "funm", "logm", "matrix_power", "sqrtm"]

LAZY_POWER = 64  # a power up to this may stay a product of so many factors, whatever that costs


def matrix_power(A, n):
    """A to an integer power, in the structure where the algebra allows.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.
    n : int
        Any integer; negative ones invert, zero is the identity.

    Returns
    -------
    StructuredMatrix
        The power; a lazy product where no rule applies.

    Raises
    ------
    numpy.linalg.LinAlgError
        A negative power of a singular matrix.

    Examples
    --------
    >>> import structmat as sm
    >>> (sm.Diagonal([2.0, 3.0]) ** 3).diagonal()
    array([ 8., 27.])
    """
    A = _rules.lift(A)
    order = _checks.square(A, "matrix_power")
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(
            f"A ** n needs an integer n; got {type(n).__name__}. "
            "For a square root use structmat.linalg.sqrtm"
        ) from None
    if n == 0:
        return _rules.make("identity", order, A.dtype)
    if n < 0:
        return matrix_power(inv(A), -n)
    if n == 1:
        return A
    result = A._power(n)
    if result is not NotImplemented:
        return result
    half = matrix_power(A, n // 2)
    if n > LAZY_POWER and _door.small(A) and _costs_more_than_dense(half):
        return matrix_power(_door.dense(A, "matrix_power"), n)
    return half @ half @ A if n % 2 else half @ half


def _costs_more_than_dense(A):
    """Whether a product with A takes more operations than with its array: many lazy factors do."""
    cost = A._cost("matmul", 1)
    each = 8.0 if A.dtype.kind == "c" else 2.0
    return cost is not NotImplemented and cost.flops > each * A.size


def expm(A):
    """Matrix exponential.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.

    Returns
    -------
    StructuredMatrix
        Structured where the family allows: that of a Kronecker sum is a Kronecker product.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.linalg.expm(sm.Diagonal([0.0, 0.0])).diagonal()
    array([1., 1.])
    """
    A = _rules.lift(A)
    _checks.square(A, "expm")
    result = A._expm()
    return _door.dense(A, "expm")._expm() if result is NotImplemented else result


@_certify.certified(_certify.root)
def sqrtm(A):
    """Principal square root: the one whose eigenvalues have non-negative real part.

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
        X with X @ X = A.

    Raises
    ------
    numpy.linalg.LinAlgError
        There is no principal square root (a singular, defective matrix).

    Examples
    --------
    >>> import structmat as sm
    >>> sm.linalg.sqrtm(sm.Diagonal([4.0, 9.0])).diagonal()
    array([2., 3.])
    """
    return _principal(A, "sqrtm", "_sqrtm", np.sqrt)


def logm(A):
    """Principal logarithm: eigenvalues with imaginary part in (-pi, pi].

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        An invertible matrix.

    Returns
    -------
    StructuredMatrix
        X with expm(X) = A.

    Raises
    ------
    numpy.linalg.LinAlgError
        A is singular.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.linalg.logm(sm.Identity(2)).toarray()
    array([[0., 0.],
           [0., 0.]])
    """
    return _principal(A, "logm", "_logm", np.log)


def _principal(A, verb, hook, f):
    A = _rules.lift(A)
    _checks.square(A, verb)
    result = getattr(A, hook)()
    if result is not NotImplemented:
        return result
    # Hermitian first: a family's _eigh is written for Hermitian members only.
    if _door.is_hermitian(A) and A._eigh() is not NotImplemented:
        w, V = eigh(A)
        floor = -A.shape[0] * _door.eps(A.dtype) * (float(abs(w).max()) if len(w) else 0.0)
        if verb == "sqrtm" and (w >= floor).all():
            return _from_eigh(V, np.sqrt(np.maximum(w, 0)))
        if verb == "logm" and (w > 0).all():
            return _from_eigh(V, np.log(w))
    return getattr(_door.dense(A, verb), hook)()


def funm(A, f):
    """A function of a matrix: by eigenvalues where A is Hermitian, else by its dense Schur form.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.
    f : callable
        Maps an array of numbers to an array of the same shape; complex numbers unless A is
        Hermitian.

    Returns
    -------
    StructuredMatrix
        Of the family where it has a rule (a circulant, a symmetric transform, a DFT); else, for a
        Hermitian matrix, a product V @ diag(f(w)) @ V.H that keeps structured eigenvectors.

    Raises
    ------
    ValueError
        f returned another shape or NaN.

    Warns
    -----
    scipy.linalg.LinAlgWarning
        The Schur-Parlett recurrence [1]_ lost more than half of the digits (close eigenvalues of a
        matrix that is not Hermitian).

    References
    ----------
    .. [1] N. J. Higham, *Functions of Matrices*, SIAM, 2008, Algorithm 4.13.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.Diagonal([1.0, 4.0])
    >>> np.round(sm.linalg.funm(A, lambda w: 1 / w).toarray(), 12)
    array([[1.  , 0.  ],
           [0.  , 0.25]])
    """
    A = _rules.lift(A)
    _checks.square(A, "funm")
    found = A._funm(lambda w: _values_of(f, w))
    if found is not NotImplemented:
        return found
    if not _door.is_hermitian(A):
        return _rules.lift(_schur_parlett(A, f))
    w, V = eigh(A)
    return _from_eigh(V, _values_of(f, w))


def _values_of(f, w):
    """f(w) for eigenvalues w: an array like w, of finite numbers."""
    fw = f(w)
    if getattr(fw, "shape", None) != w.shape:
        raise ValueError(f"funm: `f` must map an array of shape {w.shape} to the same shape")
    return _checks.finite(fw, "funm: f(eigenvalues)")


def _schur_parlett(A, f):
    from scipy.linalg import funm as schur_parlett

    dense = _checks.finite(_door.dense(A, "funm").toarray(), "array")
    F, error = schur_parlett(_door.as_numpy(dense), f, disp=False)
    _checks.finite(F, "funm: f(A)")
    if not error < _door.eps(A.dtype) ** 0.5:
        _checks.ill_conditioned(_door.eps(A.dtype) / max(error, 1e-300), type(A).__name__)
    return (A._namespace or np).asarray(F)


def _from_eigh(V, w):
    V = _rules.lift(V)
    return V @ _rules.make("diagonal", w) @ V._adjoint()


def expm_multiply(A, b):
    """expm(A) @ b without forming the exponential.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.
    b : array, shape (n,) or (n, k)
        Vectors.

    Returns
    -------
    array
        Of the shape of `b`.

    Notes
    -----
    By the structured exponential where there is one, else by the scaled truncated Taylor series
    [1]_ (SciPy's implementation).

    References
    ----------
    .. [1] A. H. Al-Mohy and N. J. Higham, Computing the action of the matrix exponential, SIAM J.
       Sci. Comput. 33 (2011) 488-511, Algorithm 3.2.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.linalg.expm_multiply(sm.Diagonal([0.0, 0.0]), [1.0, 2.0])
    array([1., 2.])
    """
    A = _rules.lift(A)
    _checks.square(A, "expm_multiply")
    A, B, finish = _door.right_hand_side(A, b, "expm_multiply")
    exponential = A._expm()
    if exponential is NotImplemented:
        return finish(
            iterative.expm_multiply(A.__matmul__, A._adjoint().__matmul__, B, trace=trace(A))
        )
    return finish(_rules.lift(exponential) @ B)
