"""Closure of Kronecker products under +, @, kron, solve and the elementwise product."""

from structmat import _rules, linalg
from structmat._backend.arrays import is_array
from structmat._rules import register
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.kronecker.direct import _lu, per_factor
from structmat.matrices.kronecker.matrix import Kronecker
from structmat.matrices.kronecker.modes import size_of

__all__ = ["merged_sum"]


@register("kron", StructuredMatrix, StructuredMatrix)
def _kron(A, B):
    return Kronecker(A, B)


# ---------------------------------------------------------------- products


def _groups(left, right):
    """Runs of factors of A and of B between common cuts of the inner dimension.

    [((2, 3), (6,)), ((4,), (4,))] as ranges of positions: a cut is where the sizes' products agree.
    """
    groups, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        start, n, m = (i, j), left[i], right[j]
        i, j = i + 1, j + 1
        while n != m:
            if n < m and i < len(left):
                n, i = n * left[i], i + 1
            elif m < n and j < len(right):
                m, j = m * right[j], j + 1
            else:
                return None
        groups.append((range(start[0], i), range(start[1], j)))
    # Sizes of one that are left over join the last group.
    if groups:
        rows, columns = groups[-1]
        groups[-1] = range(rows.start, len(left)), range(columns.start, len(right))
    return groups


@register("matmul", Kronecker, Kronecker)
def _matmul(A, B):
    """(A (x) B) (C (x) D) = A C (x) B D; neighbours are merged where their cuts agree."""
    if 0 in A.shape or 0 in B.shape:
        return NotImplemented
    groups = _groups([F.shape[1] for F in A.factors], [F.shape[0] for F in B.factors])
    if groups is None or (len(groups) == 1 and len(A.factors) + len(B.factors) > 2):
        return NotImplemented
    return Kronecker(
        *(_group_product([A._parts[i] for i in p], [B._parts[j] for j in q]) for p, q in groups)
    )


def _group_product(left, right):
    """One factor of the product: formed where it holds no more than its parts did, else lazy."""
    m = size_of(F.shape[0] for F in left)
    n = size_of(F.shape[1] for F in right)
    inner = size_of(F.shape[1] for F in left)
    parts = sum(F.size for F in (*left, *right))
    if all(is_array(F) for F in (*left, *right)):
        # Of groups of several, the smaller one is multiplied out on the way.
        transient = inner * min(m, n) if len(left) + len(right) > 2 else 0
        if m * n <= max(64, 2 * parts) and transient <= max(2**16, 8 * parts):
            if n <= m:
                return _one(left) @ _array(right)
            return (_one(right).T @ _array(left).T).T
    A, B = _rules.lift(_one(left)), _rules.lift(_one(right))
    single = len(left) == len(right) == 1
    return A @ B if single and not (is_array(left[0]) and is_array(right[0])) else _lazy(A, B)


def _one(group):
    return group[0] if len(group) == 1 else Kronecker(*group)


def _array(group):
    return group[0] if len(group) == 1 else Kronecker(*group).toarray()


def _lazy(A, B):
    return _rules.make("product", A, B)


# ---------------------------------------------------------------- sums


def merged_sum(A, B):
    """A (x) B + A (x) C = A (x) (B + C): products that differ in one factor only, signs aside."""
    if [F.shape for F in A.factors] != [F.shape for F in B.factors]:
        return NotImplemented
    sign, differing = 1, []
    for i, (F, G) in enumerate(zip(A.factors, B.factors)):
        same = _multiple(F, G)
        if same is None:
            differing.append(i)
            if len(differing) > 1:
                return NotImplemented
        else:
            sign *= same
    at = differing[0] if differing else 0
    F, G = A.factors[at], B.factors[at]
    if not differing:
        # Equal but for the sign: the sign of this factor is counted with the others.
        sign *= _multiple(F, G)
    G = G if sign > 0 else -G
    if is_array(F) != is_array(G):
        F, G = _rules.lift(F), _rules.lift(G)
    return Kronecker(*A.factors[:at], F + G, *A.factors[at + 1 :])


def _multiple(F, G):
    """1 if F equals G, -1 if it equals -G, else None; zeros count as equal."""
    if F is G:
        return 1
    if not (is_array(F) and is_array(G)):
        return 1 if type(F) is type(G) and bool(F == G) else None
    if type(F) is not type(G):
        return None
    if bool((F == G).all()):
        return 1
    return -1 if bool((F == -G).all()) else None


# ---------------------------------------------------------------- elementwise products, systems


@register("hadamard", Kronecker, Kronecker)
def _hadamard(A, B):
    """(A (x) B) o (C (x) D) = (A o C) (x) (B o D) for factors of equal shapes."""
    if [F.shape for F in A.factors] != [F.shape for F in B.factors]:
        return NotImplemented
    factors = []
    for F, G in zip(A._parts, B._parts):
        if is_array(F) and is_array(G):
            factors.append(F * G)
            continue
        try:
            factors.append(_rules.combine("hadamard", _rules.lift(F), _rules.lift(G)))
        except NotImplementedError:
            return NotImplemented
    return Kronecker(*factors)


@register("solve", Kronecker, Kronecker)
def _solve(A, B):
    """(A (x) B)^-1 (C (x) D) = A^-1 C (x) B^-1 D, for factors that fit one by one."""
    if [F.shape[0] for F in A.factors] != [F.shape[0] for F in B.factors] or 0 in A.shape:
        return NotImplemented
    A._refuse_rectangular_factors()
    pairs = dict(enumerate(zip(A._parts, B._parts)))
    numbered = [_Pair(F, G) for F, G in pairs.values()]
    return Kronecker(*per_factor(_solve_factor, numbered))


class _Pair:
    """A factor and its right-hand side."""

    def __init__(self, matrix, right):
        self.matrix, self.right = matrix, right


def _solve_factor(pair):
    F, G = pair.matrix, pair.right
    if is_array(F) and is_array(G):
        return _lu(F).solve(G)
    return linalg.solve(_rules.lift(F), G)
