"""Arithmetic on blocks of columns, one number a column: what every lockstep iteration is made of.

A block is a C-contiguous ``(n, k)`` array of float32, float64, complex64 or complex128 in either
namespace. Coefficients (``alpha``, norms) are ``(k,)`` arrays of the same namespace and precision,
so that ``alpha * P`` scales columns and a device is asked for a number only where a decision is
taken.
"""

import math

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of

__all__ = [
    "Bases",
    "Tamed",
    "as_block",
    "default_rtol",
    "epsilon",
    "gaussian",
    "host",
    "inner",
    "norms",
    "real_dtype",
    "real_inner",
    "rounding",
    "take",
]


def real_dtype(dtype):
    """float32 for complex64, float64 for complex128, a real dtype itself."""
    return np.zeros(0, np.dtype(dtype)).real.dtype


def epsilon(dtype):
    """Distance from 1 to the next number of this precision, a Python float."""
    return float(np.finfo(np.dtype(dtype)).eps)


def rounding(X):
    """What a sum over the rows of a block loses, relative to its largest term; a Python float."""
    return epsilon(X.dtype) * max(10.0, math.sqrt(X.shape[0]))


def default_rtol(dtype):
    """1e-10 in double, 1e-5 in single precision: 1e6 and 84 units of rounding."""
    return 1e-10 if real_dtype(dtype) == np.float64 else 1e-5


def host(x):
    """`x` as a NumPy array, wherever it lives."""
    return x.get() if hasattr(x, "get") else np.asarray(x)


def as_block(B, name="B"):
    """`B` as a C-contiguous finite block; ValueError unless it has two dimensions."""
    B = _checks.as_array(B, name)
    if B.ndim != 2:
        raise ValueError(
            f"`{name}` must be a block of shape (n, k); got shape {B.shape}. "
            f"One column is `{name}[:, None]`"
        )
    return namespace_of(B).ascontiguousarray(_checks.finite(B, f"`{name}`"))


def take(columns, *arrays):
    """The chosen columns of blocks (n, k), the chosen entries of coefficients (k,)."""
    xp = namespace_of(arrays[0])
    index = xp.asarray(columns)
    # xp.take keeps blocks C-contiguous; X[:, index] would give NumPy's transposed layout.
    return tuple(xp.take(a, index, axis=a.ndim - 1) for a in arrays)


def gaussian(rng, shape, dtype, xp=np):
    """Independent standard normal entries, drawn on the host: the same in both namespaces."""
    dtype = np.dtype(dtype)
    Z = rng.standard_normal(shape)
    if dtype.kind == "c":
        Z = (Z + 1j * rng.standard_normal(shape)) / math.sqrt(2)
    return xp.asarray(Z.astype(dtype))


# Reductions --------------------------------------------------------------------------------------


def inner(X, Y):
    """Column by column ``x^H y``: (n, k), (n, k) -> (k,)."""
    xp = namespace_of(X)
    if X.shape[1] == 1:
        # Twice as fast as einsum at n = 1e5; one column is the common case.
        return xp.vdot(X, Y).reshape(1)
    return xp.einsum("ij,ij->j", X.conj(), Y)


def real_inner(X, Y):
    """Real part of `inner`, for products that are real in exact arithmetic."""
    return inner(X, Y).real


def norms(X):
    """Euclidean norm of every column, safe from overflow and underflow: (n, k) -> (k,)."""
    xp = namespace_of(X)
    n, k = X.shape
    real = real_dtype(X.dtype)
    if n == 0 or k == 0:
        return xp.zeros(k, real)
    with np.errstate(all="ignore"):
        squares = _squares(X)
        safe = float(np.finfo(real).tiny) / epsilon(real)
        if bool(((squares > safe) & xp.isfinite(squares)).all()):
            return xp.sqrt(squares)
        # Some column is zero, tiny, huge or not finite: scale every one by its largest entry.
        peak = abs(X).max(axis=0).astype(real, copy=False)
        usable = (peak > 0) & xp.isfinite(peak)
        # A power of two scales without rounding; two factors keep 2**-e itself representable.
        exponent = xp.floor(xp.log2(xp.where(usable, peak, 1)))
        half = xp.floor(exponent / 2)
        scaled = X * 2.0**-half * 2.0 ** (half - exponent)
        answer = (
            xp.sqrt(_squares(xp.ascontiguousarray(scaled))) * 2.0**half * 2.0 ** (exponent - half)
        )
        return xp.where(usable, answer, peak).astype(real, copy=False)


def _squares(X):
    xp = namespace_of(X)
    if X.dtype.kind != "c":
        if X.shape[1] == 1:
            return xp.vdot(X, X).reshape(1)
        return xp.einsum("ij,ij->j", X, X)
    n, k = X.shape
    R = xp.ascontiguousarray(X).view(real_dtype(X.dtype)).reshape(n, k, 2)
    return xp.einsum("ijl,ijl->j", R, R)


# Operators ---------------------------------------------------------------------------------------


class Tamed:
    """A callable on blocks whose products have moderate size, and that remembers by how much.

    The product ``apply(X)`` is divided by `scale`, a power of two (exact), chosen at the first
    product that is not zero; it is 1 unless the matrix is so large or small that squares of its
    entries overflow or underflow. A matrix of size 1e+-150 then runs through the same recurrences
    as one of size 1.

    Parameters
    ----------
    apply : callable
        ``(n, k)`` block -> ``(m, k)`` block.

    Attributes
    ----------
    scale : float
        Products are ``A X / scale``.
    norm : float
        A lower bound of ``|A|_2 / scale``: the largest ``|A x| / |x|`` of the first product.
    """

    def __init__(self, apply):
        self.apply = apply
        self._shared = {}

    def twin(self, apply):
        """The adjoint, under the same scale."""
        twin = Tamed(apply)
        twin._shared = self._shared
        return twin

    @property
    def scale(self):
        """The power of two by which products are divided."""
        return self._shared.get("scale", 1.0)

    @property
    def norm(self):
        """A lower bound of the 2-norm of the scaled operator; 0 before the first product."""
        return self._shared.get("norm", 0.0)

    def __call__(self, X):
        """``A X / scale``, C-contiguous, in the dtype of X."""
        Y = self.apply(X)
        if Y.dtype != X.dtype:
            if Y.dtype.kind == "c" and X.dtype.kind != "c":
                raise TypeError(
                    f"the operator returned {Y.dtype} for a block of {X.dtype}; give the "
                    f"right-hand side the dtype of the result: `B.astype({Y.dtype})`"
                )
            Y = Y.astype(X.dtype)
        if "scale" not in self._shared:
            self._measure(X, Y)
        scale = self.scale
        if scale != 1.0:
            return Y / scale
        return namespace_of(Y).ascontiguousarray(Y)

    def _measure(self, X, Y):
        if Y.ndim != 2 or Y.shape[1] != X.shape[1]:
            raise ValueError(
                f"the operator must map a block of {X.shape[1]} columns to as many; "
                f"it mapped shape {X.shape} to {Y.shape}"
            )
        if Y.size == 0:
            return
        sizes, before = host(norms(Y)), host(norms(X))
        with np.errstate(all="ignore"):
            ratio = float(np.max(np.where(before > 0, sizes / before, 0)))
        if not (0 < ratio < math.inf):
            return
        # The fifth root of the range leaves room for the product of four such sizes.
        limit = float(np.finfo(X.dtype).tiny) ** -0.2
        scale = 1.0 if 1 / limit < ratio < limit else 2.0 ** (math.frexp(ratio)[1] - 1)
        self._shared["scale"] = scale
        self._shared["norm"] = ratio / scale


# Orthonormal bases, one a column -----------------------------------------------------------------


class Bases:
    """k growing orthonormal bases of C^n, one for every column, extended together.

    Classical Gram-Schmidt applied twice: to rounding as orthogonal as modified Gram-Schmidt with
    reorthogonalisation (Giraud, Langou, Rozloznik and van den Eshof, 2005), and it is four batched
    matrix-vector products where the modified form is a loop over the basis.

    Parameters
    ----------
    V : (n, k) array
        The first vectors, unit columns.
    room : int
        Vectors to allocate at first; the store doubles when it is full.

    Attributes
    ----------
    Q : (k, room, n) array
        Row j of ``Q[c]`` is the j-th vector of column c.
    size : int
        Vectors held.
    """

    def __init__(self, V, room):
        n, k = V.shape
        self.Q = namespace_of(V).zeros((k, max(room, 1), n), V.dtype)
        self.Q[:, 0] = V.T
        self.size = 1

    def orthogonalise(self, W):
        """Coefficients h (k, size), W minus its projection, its norms and the breakdowns (k,).

        A column breaks down when nothing is left of it but rounding: its basis spans an invariant
        subspace. Its rest and norm are returned as zero.
        """
        xp = namespace_of(W)
        Q = self.Q[:, : self.size]
        before = norms(W)
        rest = xp.ascontiguousarray(W.T)
        h = 0
        for _ in range(2):
            part = xp.matmul(Q, rest.conj()[:, :, None])[:, :, 0].conj()
            rest = rest - xp.matmul(part[:, None, :], Q)[:, 0]
            h = h + part
        W = xp.ascontiguousarray(rest.T)
        after = norms(W)
        # The product itself has rounding errors, of about this size where the space is invariant.
        broken = ~(after > 5 * rounding(W) * before)
        return h, xp.where(broken, 0, W), xp.where(broken, 0, after), broken

    def append(self, V):
        """Add the next vectors, unit (or zero) columns of (n, k)."""
        if self.size == self.Q.shape[1]:
            self.Q = namespace_of(V).concatenate([self.Q, self.Q * 0], axis=1)
        self.Q[:, self.size] = V.T
        self.size += 1

    def combine(self, y):
        """The vectors with coordinates y (k, j): (n, k)."""
        xp = namespace_of(y)
        return xp.ascontiguousarray(xp.matmul(y[:, None, :], self.Q[:, : y.shape[1]])[:, 0].T)
