"""Small functions that build matrices: kron, diag, eye, block_diag, random ..."""

import inspect

import numpy as np

from structmat import _checks, _rules
from structmat.matrices.base import StructuredMatrix

__all__ = [
    "aslinearoperator",
    "block_diag",
    "diag",
    "eye",
    "hadamard",
    "isstructured",
    "kron",
    "kronsum",
    "random",
]


def kron(*factors):
    """Kronecker product of any number of matrices, in the order of :func:`numpy.kron`.

    Parameters
    ----------
    *factors : array, sparse array, LinearOperator or StructuredMatrix
        At least one.

    Returns
    -------
    StructuredMatrix
        A :class:`Kronecker`, or simpler where a rule knows (diagonals stay diagonal).

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> sm.kron(np.ones((2, 3)), np.eye(4)).shape
    (8, 12)
    """
    if not factors:
        raise ValueError("kron needs at least one factor")
    result = _rules.lift(factors[0])
    for factor in factors[1:]:
        result = _rules.combine("kron", result, _rules.lift(factor))
    return result


def kronsum(*factors):
    """Kronecker sum of square matrices, A (x) I + I (x) B for two.

    Parameters
    ----------
    *factors : array, sparse array or StructuredMatrix, each square
        At least one.

    Returns
    -------
    KroneckerSum
        The sum.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.kronsum([[1.0]], [[2.0]]).toarray()
    array([[3.]])
    """
    return _rules.make("kronecker_sum", *factors)


def diag(values):
    """Diagonal matrix of a vector (of a matrix: its diagonal, as :func:`numpy.diag`).

    Parameters
    ----------
    values : array, shape (n,), or matrix
        The diagonal.

    Returns
    -------
    Diagonal or array
        See above.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.diag([1.0, 2.0])
    <2x2 Diagonal of dtype float64, 16 B, 0.5 of dense>
    """
    if isinstance(values, StructuredMatrix) or np.ndim(values) == 2:
        return _rules.lift(values).diagonal()
    return _rules.make("diagonal", _checks.as_array(values, "values"))


def eye(n, dtype=np.float64):
    """Identity matrix of order n.

    Parameters
    ----------
    n : int
        Order.
    dtype : dtype
        float32, float64, complex64 or complex128.

    Returns
    -------
    Identity
        The matrix.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.eye(3).trace()
    np.float64(3.0)
    """
    return _rules.make("identity", n, dtype)


def block_diag(*blocks):
    """Block diagonal matrix of any blocks.

    Parameters
    ----------
    *blocks : array or StructuredMatrix
        The blocks, any shapes.

    Returns
    -------
    BlockDiagonal
        The matrix.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.block_diag([[1.0]], [[2.0, 3.0]]).toarray()
    array([[1., 0., 0.],
           [0., 2., 3.]])
    """
    return _rules.make("block_diagonal", blocks)


def hadamard(A, B):
    """Elementwise product of two matrices of one shape, where it has a structure.

    Parameters
    ----------
    A, B : array or StructuredMatrix, shape (m, n)
        The matrices.

    Returns
    -------
    StructuredMatrix
        The product.

    Raises
    ------
    NotImplementedError
        No rule for these two families.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.hadamard(sm.Diagonal([1.0, 2.0]), [[3.0, 4.0], [5.0, 6.0]]).toarray()
    array([[ 3.,  0.],
           [ 0., 12.]])
    """
    A, B = _rules.lift(A), _rules.lift(B)
    if A.shape != B.shape:
        raise _checks.pair_mismatch("hadamard", A, B)
    return _rules.combine("hadamard", A, B)


def random(cls, shape, *, rng=None, dtype=np.float64, **options):
    """A random, well-conditioned member of a family.

    Parameters
    ----------
    cls : type
        The family.
    shape : int or (int, int)
        Shape of the matrix; an integer for a square one.
    rng : Generator, int or None
        Source of randomness.
    dtype : dtype
        float32, float64, complex64 or complex128.
    **options
        Of the family, for example ``rank=`` for LowRank.

    Returns
    -------
    StructuredMatrix
        The matrix.

    Raises
    ------
    TypeError
        The class is not a family, or has not such an option.
    NotImplementedError
        The family has no random member.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.random(sm.Diagonal, 4, rng=0).shape
    (4, 4)
    """
    if not (isinstance(cls, type) and issubclass(cls, StructuredMatrix)):
        raise TypeError(f"`cls` must be a family of structmat; got {cls!r}")
    shape = (shape, shape) if np.ndim(shape) == 0 else tuple(shape)
    shape = tuple(_checks.size(n, "shape") for n in shape)
    if len(shape) != 2:
        raise ValueError(f"`shape` must have two entries; got {shape}")
    dtype = _checks.result_dtype(dtype, "a random matrix")
    build = getattr(cls, "_random", None)
    if build is None:
        raise NotImplementedError(f"{cls.__name__} has no random member")
    _checks.options(options, list(inspect.signature(build).parameters)[3:], cls.__name__)
    return build(shape, np.random.default_rng(rng), dtype, **options)


def aslinearoperator(A):
    """Anything that is a matrix as a StructuredMatrix, which is a SciPy LinearOperator.

    Parameters
    ----------
    A : array, sparse array, LinearOperator or StructuredMatrix
        The matrix.

    Returns
    -------
    StructuredMatrix
        Itself, or a :class:`Dense`, :class:`Sparse` or :class:`Operator` that holds it.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> sm.aslinearoperator(np.eye(2))
    <2x2 Dense of dtype float64, 32 B, 1 of dense>
    """
    return _rules.lift(A)


def isstructured(A):
    """True for a StructuredMatrix.

    Parameters
    ----------
    A : object
        Anything.

    Returns
    -------
    bool
        Whether it is one of ours.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.isstructured(sm.eye(2)), sm.isstructured([[1.0]])
    (True, False)
    """
    return isinstance(A, StructuredMatrix)
