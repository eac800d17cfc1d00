"""KhatriRao and FaceSplitting: Kronecker products column by column, and row by row."""

import math

import numpy as np

from structmat import _checks, _rules
from structmat._backend import dense as lapack
from structmat._backend.arrays import namespace_of
from structmat._results import Cost, LstsqResult, QRResult, SVDResult
from structmat.matrices import parameters
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import Dense, Diagonal
from structmat.matrices.kronecker.columns import (
    column_norms,
    column_products,
    columns_product,
    columnwise,
    halves,
    ldexp,
    rows_product,
)
from structmat.matrices.kronecker.matrix import Kronecker
from structmat.matrices.kronecker.modes import adjoint, digits, size_of, sizes_like

__all__ = ["FaceSplitting", "KhatriRao"]

# Entries of the largest core of a decomposition that is worth LAPACK's time.
CORE = 2**24


class _Factors(StructuredMatrix):
    """What both families share: a tuple of arrays."""

    _parameters = ("factors",)

    def __init__(self, *factors):
        if not factors:
            raise ValueError(f"{type(self).__name__} needs at least one factor; got none")
        arrays = []
        for i, A in enumerate(factors):
            if isinstance(A, Dense):
                A = A.array
            if parameters.is_matrix(A):
                raise TypeError(
                    f"{type(self).__name__} takes arrays; factor {i} is a {type(A).__name__}. "
                    "Use its A.toarray()"
                )
            arrays.append(_checks.as_parameter(A, f"factors[{i}]", ndim=2))
        shared = {A.shape[self._shared] for A in arrays}
        if len(shared) > 1:
            raise ValueError(
                f"{type(self).__name__} needs factors with the same number of "
                f"{('rows', 'columns')[self._shared]}; got shapes {[A.shape for A in arrays]}"
            )
        dtype = np.result_type(*(A.dtype for A in arrays))
        self.factors = tuple(A.astype(dtype, copy=False) for A in arrays)
        shape = [size_of(A.shape[1 - self._shared] for A in arrays)] * 2
        shape[self._shared] = shared.pop()
        super().__init__(dtype, shape)

    @classmethod
    def _from_parameters(cls, factors):
        return cls(*factors)

    def _scale(self, c):
        first = c * self.factors[0]
        return type(self)(first, *self.factors[1:])

    def _is_hermitian(self):
        return False if self.shape[0] != self.shape[1] else NotImplemented

    @classmethod
    def _random(cls, shape, rng, dtype):
        sizes = sizes_like(shape[1 - cls._shared])
        r = shape[cls._shared]
        draw = [rng.standard_normal((n, r)) for n in sizes]
        if dtype.kind == "c":
            draw = [A + 1j * rng.standard_normal(A.shape) for A in draw]
        return cls(*((A if cls._shared else A.T).astype(dtype) for A in draw))


class KhatriRao(_Factors):
    """The columnwise Kronecker product: column j is a_j (x) b_j (x) ....

    For A (m_1 x r) and B (m_2 x r) the (m_1 m_2) x r matrix with entries
    ``A[i_1, j] * B[i_2, j]`` in row ``i_1 m_2 + i_2``: the design matrix of a CP decomposition.
    With M = m_1 ... m_d rows:

    ====================  ==================================================================
    product               2 M r a column, in GEMMs; the matrix is not formed
    gram                  the elementwise product of the Grams, ``2 r^2 sum m_i``
    qr, svd, lstsq,       QR of each factor, then of the core of at most
    pinv, rank            ``min(m_1, r) ... min(m_d, r) x r``
    fro, 1-norm           ``r sum m_i``
    ====================  ==================================================================

    Parameters
    ----------
    *factors : array, shape (m_i, r)
        At least one, with the same number of columns; a common dtype, otherwise stored as given.

    Raises
    ------
    ValueError
        No factor, or different numbers of columns.
    TypeError
        A factor that is not an array.

    Notes
    -----
    Least squares goes through orthogonal factors, ``A (.) B = (Q_A (x) Q_B) (R_A (.) R_B)``, and
    not through the Gram matrix (the usual shortcut), which squares the condition number. Where the
    core is too large for that, an iterative method answers.

    References
    ----------
    .. [1] C. G. Khatri and C. R. Rao, Solutions to some functional equations, Sankhya A 30 (1968)
       167-180; T. G. Kolda and B. W. Bader, Tensor decompositions and applications, SIAM Rev. 51
       (2009) 455-500, section 2.6.

    Examples
    --------
    >>> import structmat as sm
    >>> A = sm.KhatriRao([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]])
    >>> A.toarray()
    array([[ 5., 12.],
           [ 7., 16.],
           [15., 24.],
           [21., 32.]])
    >>> A @ [1.0, 1.0]
    array([17., 23., 39., 53.])
    """

    _shared = 1

    def _apply(self, X):
        return columns_product(*halves(self.factors), X)

    def _adjoint(self):
        return FaceSplitting(*(adjoint(A) for A in self.factors))

    def _toarray(self):
        return columnwise(self.factors).copy()

    def gram(self):
        """A^H A, the elementwise product of the factors' Gram matrices.

        Returns
        -------
        array, shape (r, r)
            Hermitian.
        """
        return math.prod(adjoint(A) @ A for A in self.factors)

    # ------------------------------------------------------------ decompositions

    def _core(self):
        """(Q_i), R_1 (.) ... (.) R_d with A_i = Q_i R_i, or None when that is too large."""
        r = self.shape[1]
        if size_of(min(A.shape) for A in self.factors) * max(r, 1) > CORE:
            return None
        pairs = [lapack.qr(A) for A in self.factors]
        core = columnwise([R for _, R in pairs])
        return Kronecker(*(Q for Q, _ in pairs)), core

    def _qr(self):
        found = self._core()
        if found is None or found[1].shape[0] < min(self.shape):
            return NotImplemented
        Q, R = lapack.qr(found[1])
        return QRResult(found[0] @ Dense(Q), R)

    def _svd(self, full_matrices):
        found = None if full_matrices and self.shape[0] != self.shape[1] else self._core()
        if found is None or found[1].shape[0] < min(self.shape):
            return NotImplemented
        U, S, Vh = lapack.svd(found[1])
        return SVDResult(found[0] @ Dense(U), S, Vh)

    def _svdvals(self):
        found = self._core()
        if found is None or found[1].shape[0] < min(self.shape):
            return NotImplemented
        return lapack.svdvals(found[1])

    def _pseudo(self, rcond):
        """(Q, core^+, rank, S), or None."""
        found = self._core()
        if found is None:
            return None
        U, S, Vh = lapack.svd(found[1])
        keep = S > rcond * S[:1]
        weights = (keep / (S + ~keep)).astype(S.dtype)
        inverse = (adjoint(Vh) * weights) @ adjoint(U)
        return found[0], inverse, int(keep.sum()), S

    def _pinv(self, rcond):
        found = self._pseudo(rcond)
        return NotImplemented if found is None else Dense(found[1]) @ found[0]._adjoint()

    def _lstsq(self, B, rcond):
        found = self._pseudo(rcond)
        if found is None:
            return NotImplemented
        Q, inverse, rank, S = found
        short = min(self.shape) - S.shape[0]  # zero by shape: the core has fewer rows than columns
        if short > 0:
            S = namespace_of(S).concatenate([S, namespace_of(S).zeros(short, S.dtype)])
        return LstsqResult(inverse @ Q._adjoint()._apply(B), None, rank, S)

    def _rank(self, rtol):
        found = self._core()
        if found is None:
            return NotImplemented
        S = lapack.svdvals(found[1])
        return int((S > rtol * S[:1]).sum())

    # ------------------------------------------------------------ entries and numbers

    def _diagonal(self):
        i = np.arange(min(self.shape))
        return self._entries(i, i)

    def _entries(self, i, j):
        rows = digits(np.asarray(i), [A.shape[0] for A in self.factors])
        column = np.asarray(j, dtype=np.intp)
        values = self.factors[0][rows[0], column]
        for A, row in zip(self.factors[1:], rows[1:]):
            values = values * A[row, column]
        return values

    def _norm(self, ord):
        if 0 in self.shape:
            return 0.0
        if ord in (1, -1):  # sums over a column multiply
            logs, exponent = column_products([abs(A) for A in self.factors], lambda A: A.sum(0))
            return math.ldexp(float(logs.max() if ord == 1 else logs.min()), exponent)
        if ord == "fro":
            sizes, exponent = column_products(self.factors, column_norms)
            return ldexp(lapack.norm(sizes[None, :]), exponent)
        if ord == "max":
            tops, exponent = column_products([abs(A) for A in self.factors], lambda A: A.max(0))
            return ldexp(float(tops.max()), exponent)
        if ord in (math.inf, -math.inf):
            sums = KhatriRao(*(abs(A) for A in self.factors))
            rows = sums._apply(namespace_of(*self.factors).ones((self.shape[1], 1), sums.dtype))
            return float(rows.max() if ord > 0 else rows.min())
        return NotImplemented

    def _cost(self, verb, ncols):
        (M, r), wide = self.shape, 4 if self.dtype.kind == "c" else 1
        moved = self.nbytes + float(M + r) * ncols * self.dtype.itemsize
        if verb == "matmul":
            return Cost("scaled factors, then GEMM", wide * 2.0 * M * r * ncols, moved)
        if verb == "svd":
            core = float(size_of(min(A.shape) for A in self.factors))
            flops = wide * (sum(4.0 * A.shape[0] * r * r for A in self.factors) + 14 * core * r * r)
            if core * r <= CORE:
                return Cost("QR of the factors, SVD of the core", flops, moved)
        return NotImplemented


class FaceSplitting(_Factors):
    """The rowwise Kronecker product: row i is a_i (x) b_i (x) .... The adjoint of a KhatriRao.

    For A (r x m_1) and B (r x m_2) the r x (m_1 m_2) matrix with entries ``A[i, j_1] * B[i, j_2]``
    in column ``j_1 m_2 + j_2``: the design matrix of a tensor-product spline.

    Parameters
    ----------
    *factors : array, shape (r, m_i)
        At least one, with the same number of rows; a common dtype, otherwise stored as given.

    Raises
    ------
    ValueError
        No factor, or different numbers of rows.
    TypeError
        A factor that is not an array.

    Notes
    -----
    Costs, algorithms and limits are those of :class:`KhatriRao`. The name is Slyusar's (1996).

    Examples
    --------
    >>> import structmat as sm
    >>> A = sm.KhatriRao([[1.0, 2.0]], [[5.0, 6.0], [7.0, 8.0]]).T
    >>> type(A).__name__, A.toarray().tolist()
    ('FaceSplitting', [[5.0, 7.0], [12.0, 16.0]])
    """

    _shared = 0

    def _apply(self, X):
        return rows_product(*halves([A.T for A in self.factors]), X)

    def _adjoint(self):
        return KhatriRao(*(adjoint(A) for A in self.factors))

    def _toarray(self):
        out = self.factors[0]
        for A in self.factors[1:]:
            shape = A.shape[0], out.shape[1] * A.shape[1]
            out = (out[:, :, None] * A[:, None, :]).reshape(shape)
        return out.copy() if len(self.factors) == 1 else out

    def _diagonal(self):
        i = np.arange(min(self.shape))
        return self._entries(i, i)

    def _entries(self, i, j):
        return self._transpose()._entries(j, i)

    def _norm(self, ord):
        swapped = {1: math.inf, -1: -math.inf, math.inf: 1, -math.inf: -1}
        return self._adjoint()._norm(swapped.get(ord, ord))

    def _svd(self, full_matrices):
        found = self._adjoint()._svd(full_matrices)
        if found is NotImplemented:
            return found
        U, S, Vh = found
        return SVDResult(adjoint(Vh), S, U._adjoint())

    def _svdvals(self):
        return self._adjoint()._svdvals()

    def _rank(self, rtol):
        return self._adjoint()._rank(rtol)

    def _pinv(self, rcond):
        found = self._adjoint()._pinv(rcond)
        return found if found is NotImplemented else found._adjoint()

    def _lstsq(self, B, rcond):
        """Least norm: A^+ = Q (core^+)^H."""
        found = self._adjoint()._pseudo(rcond)
        if found is None:
            return NotImplemented
        Q, inverse, rank, S = found
        xp = namespace_of(B)
        short = min(self.shape) - S.shape[0]
        if short > 0:
            S = xp.concatenate([S, xp.zeros(short, S.dtype)])
        return LstsqResult(Q._apply(xp.ascontiguousarray(adjoint(inverse) @ B)), None, rank, S)

    def _cost(self, verb, ncols):
        return self._adjoint()._cost(verb, ncols)


# ---------------------------------------------------------------- closure


@_rules.register("matmul", Kronecker, KhatriRao)
def _(K, A):
    """(A (x) B) (C (.) D) = A C (.) B D."""
    if [F.shape[1] for F in K.factors] != [F.shape[0] for F in A.factors]:
        return NotImplemented
    return KhatriRao(*(F @ G for F, G in zip(K.factors, A.factors)))


@_rules.register("matmul", FaceSplitting, Kronecker)
def _(A, K):
    if [F.shape[1] for F in A.factors] != [F.shape[0] for F in K.factors]:
        return NotImplemented
    return FaceSplitting(*(F @ G for F, G in zip(A.factors, K.factors)))


@_rules.register("matmul", FaceSplitting, KhatriRao)
def _(A, B):
    """Row i of the one times column j of the other: products of products."""
    if [F.shape[1] for F in A.factors] != [G.shape[0] for G in B.factors]:
        return NotImplemented
    return Dense(math.prod(F @ G for F, G in zip(A.factors, B.factors)))


@_rules.register("matmul", KhatriRao, Diagonal)
def _(A, D):
    return KhatriRao(A.factors[0] * D.values, *A.factors[1:])


@_rules.register("matmul", Diagonal, FaceSplitting)
def _(D, A):
    return FaceSplitting(D.values[:, None] * A.factors[0], *A.factors[1:])
