"""AdjointTransform: the conjugate transpose of a transform that is not itself one of the family."""

import numpy as np

from structmat import _rules
from structmat._results import EigResult
from structmat.matrices.fourier.transform import Transform

__all__ = ["AdjointTransform"]


class AdjointTransform(Transform):
    """A^H for a transform A, with everything that is known of A.

    ``A.H`` gives one where the conjugate transpose is no transform of the same name: that of a
    Fourier, a Haar or a non-symmetric Hadamard matrix, and of a cosine or sine transform that is
    not orthogonal. Its inverse is the adjoint of the inverse.

    Parameters
    ----------
    matrix : DFT, Hadamard, DCT, DST or Haar, shape (n, n)
        A.

    Raises
    ------
    TypeError
        `matrix` is none of these.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> F = sm.DFT(4)
    >>> x = np.array([1.0, 2.0, 3.0, 4.0])
    >>> bool(np.allclose(F.H @ (F @ x), 4 * x))
    True
    >>> F.H @ F == 4 * sm.Identity(4, complex)
    True
    """

    _parameters = ("matrix",)

    def __init__(self, matrix):
        if not isinstance(matrix, Transform) or isinstance(matrix, AdjointTransform):
            raise TypeError(
                "`matrix` must be a DFT, Hadamard, DCT, DST or Haar; "
                f"got {type(matrix).__name__}. Write A.H"
            )
        self.matrix = matrix
        self._weights, self._ends = matrix._weights[::-1], matrix._ends
        root = matrix._root
        self._root = None if root is None else root.conjugate()
        self._real_entries = matrix._real_entries
        n = matrix.shape[0]
        super().__init__(n, matrix.dtype, matrix._base, matrix._exponent, (0, 0, 0))
        self._key, self._key_dtype = (_of_adjoint, matrix._key), matrix._key_dtype
        self._dense_first, self._dense_columns = matrix._dense_first, matrix._dense_columns

    def _fast(self, X):
        return self.matrix._fast_adjoint(X)

    def _fast_adjoint(self, X):
        return self.matrix._fast(X)

    def _adjoint(self):
        return self.matrix

    def _present(self):
        return self.matrix._present()

    def _trace(self):
        value = self.matrix._trace()
        return value if value is NotImplemented else value.conjugate()

    def _conj(self):
        return self.matrix._conj()._adjoint()

    def _toarray(self):
        return np.ascontiguousarray(self.matrix._toarray().conj().T)

    def _entries(self, i, j):
        return self.matrix._entries(j, i).conj()

    def _unit(self):
        return self.matrix._unit_adjoint()

    def _unit_adjoint(self):
        return self.matrix._unit()

    def _with_norm(self, norm):
        return self.matrix._with_norm(norm)._adjoint()

    def _ortho(self):
        return self.matrix._ortho()._adjoint()

    def _inv(self):
        return self.matrix._inv()._adjoint()

    def _det_sign(self):
        return self.matrix._det_sign().conjugate()

    def _spectrum(self):
        return self.matrix._spectrum()

    def _sum_norm(self, ord):
        return self.matrix._sum_norm({1: np.inf, -1: -np.inf, np.inf: 1, -np.inf: -1}[ord])

    def _eigvals(self):
        w = self.matrix._eigvals()
        return w if w is NotImplemented else w.conj()

    def _eigenbasis(self):
        # A known basis is orthonormal: A V = V w gives A^H V = V conj(w).
        found = self.matrix._eigenbasis()
        return found if found is NotImplemented else EigResult(found[0].conj(), found[1])

    def _has_eigenbasis(self):
        return self.matrix._has_eigenbasis()

    def _unit_power(self, r):
        return self.matrix._unit_power(r)._adjoint()

    def _flops(self):
        return self.matrix._flops()

    @property
    def _algorithm(self):
        return self.matrix._algorithm

    @classmethod
    def _random(cls, shape, rng, dtype):
        raise NotImplementedError("an AdjointTransform is the A.H of a transform A")


def _of_adjoint(cls, parameters):
    return cls(*parameters)._adjoint()


_rules.maker("adjoint_transform")(AdjointTransform)
