r"""
Add a family
============

A family needs three methods: a product, an adjoint, and the dense matrix from the definition. This
page writes one from beginning to end, an *arrowhead matrix*,

.. math::

   A = \begin{pmatrix} \operatorname{diag}(d) & u \\ v^H & \alpha \end{pmatrix},

a diagonal with one more row and column. It is described by :math:`3n - 2` numbers, multiplied in
:math:`6n` operations and solved in as few, by eliminating the diagonal first.
"""

# %%
# The class
# ---------
#
# ``_parameters`` names the attributes that make the matrix, which are its constructor's arguments
# too. From it the base class has ``astype``, ``copy``, ``==``, pickling, ``save`` and ``load``,
# ``nbytes`` and moving to a device. The three methods see trusted arguments: ``X`` in ``_apply`` is
# a 2-D, contiguous block of the matrix's own dtype, whatever the user passed; the result is a new
# array. A matrix is of float32, float64, complex64 or complex128, so the constructor converts
# integers.
#
# A *hook*, here ``_factorize`` and ``_diagonal``, is what the family knows better than the general
# way. The verbs ``solve``, ``inv``, ``slogdet`` and their relatives ask for it; a hook that is not
# written answers ``NotImplemented``, and they take another way.

import numpy as np

import structmat as sm


class Arrowhead(sm.StructuredMatrix):
    """Diagonal matrix with one more row and column.

    Parameters
    ----------
    d : array, shape (n - 1,)
        The diagonal, without its last entry.
    u, v : array, shape (n - 1,)
        Last column, and conjugate of the last row, without the corner.
    corner : array, shape (1,)
        The last entry.
    """

    _parameters = ("d", "u", "v", "corner")

    def __init__(self, d, u, v, corner):
        dtype = np.result_type(np.float32, *(np.asarray(p).dtype for p in (d, u, v, corner)))
        self.d, self.u, self.v, self.corner = (np.asarray(p, dtype) for p in (d, u, v, corner))
        n = len(self.d) + 1
        if not len(self.u) == len(self.v) == n - 1:
            raise ValueError(f"`u` and `v` need {n - 1} entries, as `d`; got {len(u)} and {len(v)}")
        super().__init__(dtype, (n, n))

    def _apply(self, X):
        top, last = X[:-1], X[-1:]
        below = self.v.conj()[None, :] @ top + self.corner * last
        return np.concatenate([self.d[:, None] * top + self.u[:, None] * last, below])

    def _adjoint(self):
        return Arrowhead(self.d.conj(), self.v, self.u, self.corner.conj())

    def _toarray(self):
        return np.block([[np.diag(self.d), self.u[:, None]], [self.v.conj()[None, :], self.corner]])

    def _diagonal(self):
        return np.concatenate([self.d, self.corner])

    def _factorize(self):
        if not self.d.all():  # the elimination needs every d; other ways need not
            return NotImplemented
        return Elimination(self)


# %%
# The factors
# -----------
#
# What ``_factorize`` returns solves with a block and knows the determinant. ``rcond`` is the
# reciprocal condition number; below the unit roundoff the verbs warn. Here it is a lower bound,
# from the formula of the inverse. A family that finds a zero pivot raises
# ``numpy.linalg.LinAlgError`` and names the place.


class Elimination(sm.linalg.Factorization):
    """Block elimination of the diagonal: A = L U with the Schur complement of the corner."""

    method = "elimination of the diagonal"
    structure = "Arrowhead"

    def __init__(self, A):
        self.A, self.shape, self.dtype = A, A.shape, A.dtype
        self.right = A.u / A.d
        self.left = (A.v / A.d.conj()).conj()
        self.pivot = A.corner[0] - A.v.conj() @ self.right
        if self.pivot == 0:
            raise np.linalg.LinAlgError(
                "singular matrix: Arrowhead: the last pivot is exactly zero"
            )
        # Column sums of |A^-1|: the diagonal's own, and the rank-one part times 1 / |pivot|.
        rows, columns = np.append(self.right, -1), np.append(self.left, -1)
        outer = abs(columns) * abs(rows).sum() / abs(self.pivot)
        bound = (np.append(abs(1 / A.d), 0) + outer).max()
        norm = max((abs(A.d) + abs(A.v)).max(), abs(A.u).sum() + abs(A.corner[0]))
        self.rcond = float(1 / (norm * bound))

    def _solve(self, B):
        last = (B[-1:] - self.left[None, :] @ B[:-1]) / self.pivot
        return np.concatenate([B[:-1] / self.A.d[:, None] - self.right[:, None] * last, last])

    def _slogdet(self):
        pivots = np.append(self.A.d, self.pivot)
        size = abs(pivots)
        return (pivots / size).prod(), np.log(size).sum()


# %%
# The contract
# ------------
#
# One call checks the laws that every matrix obeys: products in all shapes and dtypes, linearity,
# the adjoint identity, entries and slices, copies, pickling, equality, SciPy's interface. The dense
# matrix comes from the definition, not from the class.

from structmat.testing import check_matrix

rng = np.random.default_rng(0)
d, u, v, corner = 2 + rng.random(6), rng.random(6), rng.random(6), np.array([9.0])
dense = np.diag(np.append(d, corner))
dense[:-1, -1], dense[-1, :-1] = u, v

A = Arrowhead(d, u, v, corner)
check_matrix(A, dense)
print(A)

# %%
# What comes with it
# ------------------
#
# All of linear algebra. What the family has a hook for runs in linear time, here for a million
# unknowns:

n = 1_000_000
big = Arrowhead(2 + rng.random(n - 1), rng.random(n - 1) / n, rng.random(n - 1), np.array([9.0]))
x, info = sm.linalg.solve(big, np.ones(n), return_info=True)
print(f"{info.method}: backward error {info.backward_error:.1e}, condition {info.cond:.1f}")
print(np.linalg.slogdet(big))

# %%
# What it has no hook for takes the dense way while the matrix is small, and says so when it is not:

print(np.linalg.eigvals(A).real.round(3))
print(np.linalg.norm(A), sm.linalg.cond(A))

# %%
# Sums, products and Kronecker products with other families work at once:

K = sm.Kronecker(A, A)
print(K)
b = rng.random(K.shape[0])
print(np.abs(K @ np.linalg.solve(K, b) - b).max() < 1e-13)

# %%
# In the library itself
# ---------------------
#
# A family that joins structmat is a folder in ``structmat/matrices`` with its definition in
# ``__init__.py``, a file of cases in ``tests/cases`` that yields pairs like the one above, a page
# in ``docs/families``, a file in ``benchmarks``, and one line in ``structmat/__init__.py``. Every
# law, closure and verb test then runs on it. Arithmetic that stays in the family is a rule:
# ``structmat.register`` says what two types make together.
