"""Products with a transform: fast ones, and by an array where that is faster."""

import weakref

import numpy as np

from structmat._backend import blocks
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.fourier.small import SMALLEST, copies, dense_columns

__all__ = ["TransformProduct"]


class TransformProduct(StructuredMatrix):
    """A square matrix with `_fast` and `_fast_adjoint` (of a vector or a block) and `_toarray`.

    `limits` are those of `small`. Not for use by itself.
    """

    _real_entries = True
    # Once asked for: the array of a small order, and strongly where it is tiny; the adjoint.
    _dense = staticmethod(lambda: None)
    _kept = _partner = None

    def __init__(self, n, dtype, limits):
        super().__init__(dtype, (n, n))
        counted = np.finfo(self.dtype).dtype if self._real_entries else self.dtype
        self._real_operand = np.finfo(self.dtype).dtype if self.dtype.kind == "c" else None
        self._dense_first, self._dense_columns = dense_columns(n, counted, limits)
        if counted is not self.dtype:  # a complex column is two real ones
            self._dense_columns //= 2
        # A tiny array is complex, because taking complex columns for real ones costs as much.
        tiny = n * n * self.dtype.itemsize <= 4 * SMALLEST
        self._key_dtype = self.dtype if tiny else counted
        parameters = {name: getattr(self, name) for name in self._parameters}
        self._key = type(self), tuple({**parameters, "dtype": self._key_dtype}.values())

    @classmethod
    def _from_parameters(cls, **values):
        # By position: the argument `norm` is kept as `normalization`, because A.norm is a verb.
        return cls(*values.values())

    def __matmul__(self, x):
        # A product with a few vectors of order 64 takes no longer than the door for all the rest.
        if type(x) is np.ndarray and x.shape[:1] == self.shape[1:] and x.ndim <= 2:
            columns = x.shape[1] if x.ndim == 2 else 1
            if self._dense_first <= columns <= self._dense_columns:
                if x.dtype is self.dtype:
                    dense = self._dense()
                    if dense is not None and dense.dtype is x.dtype:
                        return dense.dot(x)
                    if x.flags.c_contiguous:
                        return self._small_product(x)
                if x.dtype is self._real_operand:
                    return self._small_product(np.ascontiguousarray(x, self.dtype))
            elif x.dtype is self._real_operand and columns and _plain(x):
                return self._fast(x).astype(self.dtype, copy=False)
        return super().__matmul__(x)

    def _small_product(self, X):
        """A @ X by the array of A, for a contiguous X."""
        dense = self._dense()
        if dense is None:
            dense = copies.of(self._key)
            self._dense = weakref.ref(dense)
            if dense.nbytes <= SMALLEST:
                self._kept = dense
        if self._key_dtype is self.dtype:
            return dense.dot(X)
        pairs = X.view(self._key_dtype).reshape(len(X), -1)
        return dense.dot(pairs).view(self.dtype).reshape(X.shape)

    def _product(self, x):
        """A real operand of a complex matrix is transformed as a real one, in half the time."""
        if self.dtype.kind != "c" or type(x) is not np.ndarray or x.dtype.kind == "c":
            return super()._product(x)
        columns = x.shape[1] if x.ndim == 2 else 1
        small = not columns or self._dense_first <= columns <= self._dense_columns
        if x.ndim not in (1, 2) or x.shape[0] != self.shape[1] or small:
            return super()._product(x)
        dtype = blocks.common_dtype(self.dtype, x)
        X = np.require(x, np.finfo(dtype).dtype, ["C", "A"])
        return self.astype(dtype)._fast(X).astype(dtype, copy=False)

    def _apply(self, X):
        columns = X.shape[1]
        if not columns:
            return X.copy()
        if self._dense_first <= columns <= self._dense_columns and type(X) is np.ndarray:
            return self._small_product(X)
        if columns == 1:  # a contiguous vector is transformed faster than a column
            return self._fast(X.reshape(-1)).reshape(-1, 1)
        return self._fast(X)

    def _adjoint(self):
        if self._partner is None:
            self._partner = self._conjugate_transpose()
        return self._partner

    def _conj(self):
        return self


def _plain(x):
    """As kernels need it: unaligned memory is undefined behaviour in a vector load."""
    return x.flags.c_contiguous and x.flags.aligned
