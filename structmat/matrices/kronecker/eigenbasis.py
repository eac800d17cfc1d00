"""Functions of a Hermitian Kronecker structure: one unitary Kronecker product, N eigenvalues.

A (+) B, K + s I, their inverses, powers, square roots and exponentials share the eigenvectors
Q_1 (x) ... (x) Q_d. What they are is Q diag(w) Q^H, and what they do costs two Kronecker products.
"""

import heapq
import math

import numpy as np

from structmat import _checks, _rules
from structmat._backend.arrays import namespace_of
from structmat._results import Cost, EighResult, EigResult, Factorization, LstsqResult, SVDResult
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import Permutation
from structmat.matrices.kronecker.matrix import Kronecker
from structmat.matrices.kronecker.modes import adjoint, dense_factor, place

__all__ = ["EigenbasisFactorization", "KroneckerEigenbasis"]


class KroneckerEigenbasis(StructuredMatrix):
    """Q diag(w) Q^H with Q = Q_1 (x) ... (x) Q_d unitary and w real: Hermitian.

    What inverses and functions of a Hermitian :class:`KroneckerSum` or
    :class:`KroneckerPlusDiagonal` are. With ``s = n_1 + ... + n_d``:

    ============================  ==================================
    product, solve                4 N s, and N divisions
    inv, sqrtm, expm, powers      N; the result is one of this family
    slogdet, norms, eigenvalues   N
    diagonal                      2 N s
    ============================  ==================================

    Parameters
    ----------
    vectors : Kronecker, shape (N, N)
        Q; its factors are unitary, which is not checked.
    values : array, shape (N,)
        w, in the order of np.kron; real, or complex numbers that are real.

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not real, or vectors with NaN or infinity.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.KroneckerSum([[2.0, 1.0], [1.0, 2.0]], [[3.0]]).inv()
    >>> bool(np.allclose(A @ np.ones(2), 1 / 6))
    True
    """

    _parameters = ("vectors", "values")

    def __init__(self, vectors, values):
        values = _checks.as_parameter(values, "values", ndim=1)
        if vectors.shape != (values.shape[0],) * 2:
            raise ValueError(
                f"`vectors` must be square of the order of `values`; got {vectors.shape} and "
                f"{values.shape}"
            )
        if values.dtype.kind == "c" and bool((values.imag != 0).any()):
            raise ValueError("`values` must be real: the matrix is Hermitian")
        for Q in vectors.factors:
            _checks.finite(dense_factor(Q), "vectors")
        dtype = np.result_type(vectors.dtype, values.dtype)
        self.vectors = vectors.astype(dtype)
        # The numbers stay real beside complex vectors, in the vectors' precision.
        self.values = values.real.astype(np.finfo(dtype).dtype, copy=False)
        super().__init__(dtype, vectors.shape)

    def _apply(self, X):
        return _through(self.vectors, X, lambda Y: self.values[:, None] * Y)

    def _adjoint(self):
        return self

    def _toarray(self):
        Q = self.vectors._toarray()
        return (Q * self.values) @ Q.conj().T

    # ------------------------------------------------------------ functions: N operations

    def _with(self, values):
        return KroneckerEigenbasis(self.vectors, values)

    def _inv(self):
        _refuse_zero(self.values, "KroneckerEigenbasis", self._place)
        return self._with(1 / self.values)

    def _place(self, index):
        return f"eigenvalue {index} is zero"

    def _power(self, n):
        return self._with(self.values**n)

    def _expm(self):
        return self._with(np.exp(self.values))

    def _sqrtm(self):
        if not bool((self.values >= 0).all()):
            return NotImplemented  # complex; linalg tells rounding from an indefinite matrix
        return self._with(np.sqrt(self.values))

    def _logm(self):
        if not bool((self.values > 0).all()):
            return NotImplemented
        return self._with(np.log(self.values))

    def _scale(self, c):
        if isinstance(c, complex | np.complexfloating):
            return NotImplemented
        dtype = np.result_type(self.dtype, c)
        return KroneckerEigenbasis(self.vectors.astype(dtype), c * self.values)

    def _pinv(self, rcond):
        w = self.values
        keep = abs(w) > rcond * abs(w).max(initial=0)
        return self._with(keep / (w + ~keep))

    def _lstsq(self, B, rcond):
        inverse = self._pinv(rcond)
        S = self._svdvals()
        return LstsqResult(inverse._apply(B), None, int((S > rcond * S[:1]).sum()), S)

    def _factorize(self):
        return EigenbasisFactorization(
            self, self.vectors, self.values, "known eigenvectors", self._place
        )

    def _slogdet(self):
        return log_product(self.values)

    # ------------------------------------------------------------ numbers

    def _diagonal(self):
        """(|Q_1|^2 (x) ... (x) |Q_d|^2) w."""
        squared = Kronecker(
            *(abs(dense_factor(Q, self._namespace)) ** 2 for Q in self.vectors.factors)
        )
        return squared._apply(self.values[:, None])[:, 0].astype(self.dtype)

    def _trace(self):
        return self.values.sum()

    def _is_hermitian(self):
        return True

    def _norm(self, ord):
        S = abs(self.values)
        if ord not in ("fro", 2, -2, "nuc") or not S.size:
            return NotImplemented if S.size else 0.0
        top = float(S.max())
        if ord == "fro" and 0 < top < math.inf:
            return top * float(np.linalg.norm(S.astype(np.float64) / top))
        return {2: top, "fro": top, -2: float(S.min()), "nuc": float(S.sum())}[ord]

    def _rank(self, rtol):
        S = abs(self.values)
        return int((S > rtol * S.max(initial=0)).sum())

    # ------------------------------------------------------------ spectrum

    def _eigh(self):
        order = np.argsort(_checks.finite(self.values), kind="stable")
        return EighResult(self.values[order], permuted(self.vectors, order))

    def _eigvalsh(self):
        return np.sort(_checks.finite(self.values))

    def _eig(self):
        return EigResult(self.values, self.vectors)

    def _eigvals(self):
        return self.values.copy()

    def _svd(self, full_matrices):
        return svd_of(self.vectors, _checks.finite(self.values))

    def _svdvals(self):
        return np.sort(abs(_checks.finite(self.values)))[::-1]

    def _cost(self, verb, ncols):
        return eigenbasis_cost(self, self.vectors, verb, ncols)


def _through(Q, X, middle):
    """Q middle(Q^H X)."""
    Y = middle(Q._adjoint()._apply(X))
    return Q._apply(namespace_of(Y).ascontiguousarray(Y))


def permuted(Q, order):
    """Q[:, order], as a product with a permutation; Q itself where nothing moves."""
    if bool((order[1:] > order[:-1]).all()):
        return Q
    # Permutation(p) has its ones at (i, p[i]): column j of Q P is column order[j] of Q.
    return Q @ Permutation(np.argsort(order), dtype=Q.dtype)


def svd_of(Q, w):
    """SVD of Q diag(w) Q^H with real w: U = Q P sign(w), V = Q P."""
    order = np.argsort(-abs(w), kind="stable")
    V = permuted(Q, order)
    sign = np.where(w[order] < 0, -1, 1).astype(Q.dtype)
    U = V if bool((sign > 0).all()) else V @ _rules.make("diagonal", sign)
    return SVDResult(U, abs(w[order]), V._adjoint())


def _refuse_zero(values, structure, describe):
    zero = values == 0
    if bool(zero.any()):
        raise _checks.singular(structure, describe(int(zero.argmax())))


def log_product(values):
    """(sign, log |product|); the logarithms are summed in double precision."""
    _checks.finite(values)
    modulus = abs(values)
    if bool((modulus == 0).any()):
        return 0.0, -math.inf
    logarithm = float(np.log(modulus).sum(dtype=np.float64))
    if values.dtype.kind == "c":
        angle = float(namespace_of(values).angle(values).sum(dtype=np.float64))
        return complex(math.cos(angle), math.sin(angle)), logarithm
    return (-1.0 if int((values < 0).sum()) % 2 else 1.0), logarithm


def log_of_chunks(chunks, *, real):
    """`log_product` over chunks of numbers; `real` says that the product is a real number."""
    total, angle, odd = 0.0, 0.0, 0
    for values in chunks:
        modulus = abs(values)
        if not bool((modulus > 0).all()):
            _checks.finite(modulus)
            return 0.0, -math.inf
        total += float(np.log(modulus).sum())
        if values.dtype.kind == "c":
            angle += float(namespace_of(values).angle(values).sum())
        else:
            odd ^= int((values < 0).sum()) & 1
    if not real:
        return complex(math.cos(angle), math.sin(angle)) * (-1) ** odd, total
    # Phases of conjugate pairs cancel; what is left is a multiple of pi.
    return (-1.0 if (round(angle / math.pi) + odd) % 2 else 1.0), total


def extreme_sums(values, k, which):
    """Multi-indices of the k extreme sums of one entry of each ascending vector, ascending by sum.

    Best first: the sums that follow a sum take the next entry in one of the modes, so a heap of at
    most k d candidates finds them in O(k d log(k d)).
    """
    wanted = []
    if which in ("LA", "LM"):
        wanted += _best_sums([-v[::-1] for v in values], k)
        wanted = [tuple(len(v) - 1 - i for v, i in zip(values, at)) for at in wanted]
    if which in ("SA", "LM"):
        wanted += _best_sums(values, k)

    def total(at):
        return float(sum(v[i] for v, i in zip(values, at)))

    # Of largest modulus are only the highest and the lowest.
    chosen = sorted(set(wanted), key=lambda at: -abs(total(at)))[:k] if which == "LM" else wanted
    return sorted(chosen, key=total)


def _best_sums(values, k):
    values = [[float(x) for x in v] for v in values]
    start = (0,) * len(values)
    heap, seen, found = [(sum(v[0] for v in values), start)], {start}, []
    while heap and len(found) < k:
        _, at = heapq.heappop(heap)
        found.append(at)
        for mode, v in enumerate(values):
            if at[mode] + 1 < len(v):
                after = (*at[:mode], at[mode] + 1, *at[mode + 1 :])
                if after not in seen:
                    seen.add(after)
                    heapq.heappush(heap, (sum(w[i] for w, i in zip(values, after)), after))
    return found


def eigenbasis_cost(A, vectors, verb, ncols):
    """Cost of the verbs in an eigenbasis whose vectors are Q_1 (x) ... (x) Q_d."""
    sizes = [Q.shape[0] for Q in vectors.factors]
    N, wide = float(math.prod(sizes)), (4 if A.dtype.kind == "c" else 1)
    apply = wide * (4 * N * sum(sizes) + N) * ncols
    moved = (4 * len(sizes) + 1) * N * ncols * A.dtype.itemsize
    flops = {"matmul": apply, "solve": apply, "slogdet": 20 * N, "svd": 10 * N, "eigh": 10 * N}
    return Cost("two products with its eigenvectors", flops[verb], moved)


class EigenbasisFactorization(Factorization):
    """Q diag(w) Q^H in factored form, for solving; w may be complex (a normal matrix).

    A real normal matrix has complex vectors; the solution is then the real part.
    """

    def __init__(self, A, vectors, values, method, describe):
        _checks.finite(values)
        self.shape, self.dtype, self.structure = A.shape, A.dtype, type(A).__name__
        self.vectors, self.values, self.method = vectors, values, method
        _refuse_zero(values, self.structure, describe)
        modulus = abs(values)
        # In the 2-norm, exactly.
        self.rcond = float(modulus.min() / modulus.max()) if values.shape[0] else 1.0

    def _solve(self, B):
        X = _through(
            self.vectors, B.astype(self.vectors.dtype, copy=False),
            lambda Y: Y / self.values[:, None],
        )  # fmt: skip
        return X.real.astype(self.dtype) if self.dtype.kind != X.dtype.kind else X

    def _slogdet(self):
        sign, logarithm = log_product(self.values)
        if self.dtype.kind != "c" and isinstance(sign, complex):
            sign = -1.0 if sign.real < 0 else 1.0
        return sign, logarithm


def vectors_of(modes):
    """Q_1 (x) ... (x) Q_d of Schur modes."""
    return Kronecker(*(m.Z for m in modes))


def rotated(modes, X, inverse=False):
    """Z X, or Z^H X, with Z = Z_1 (x) ... (x) Z_d."""
    Z = Kronecker(*(adjoint(m.Z) if inverse else m.Z for m in modes))
    return Z._apply(namespace_of(X).ascontiguousarray(X, dtype=Z.dtype))


def describe_sum(modes):
    """Words for the zero among sums of eigenvalues."""
    sizes = [len(m.values) for m in modes]

    def describe(index):
        return " plus ".join(place(index, sizes)) + " is zero"

    return describe
