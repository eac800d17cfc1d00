"""The other ways to multiply, invert and fit what `bench_chain` measures.

Each function takes a matrix of structmat and its operand and returns (call, as_array): `call` is
what is timed, with the operand laid out beforehand as that library likes it, and `as_array` turns
its answer into an array of the operand's shape. A library that is not installed raises ImportError.
"""

import functools

import numpy as np

__all__ = [
    "batched_inverses",
    "batched_solves",
    "dense",
    "dense_inverse",
    "dense_solve",
    "hazy",
    "ksd",
    "lazylinop",
    "lazylinop_inverse",
    "lazylinop_scipy",
    "lazylinop_torch",
    "np_matmul",
    "pyfaust",
    "pyfaust_optimised",
    "scipy_chain",
    "torch_bmm",
]


# ------------------------------------------------------------- chains of any number of factors


def dense(A, X):
    D = A.toarray()
    return lambda: D @ X, np.asarray


def scipy_chain(A, X):
    """CSR factors, the last first."""
    factors = [F.tosparse() for F in A.factors[::-1]]
    return lambda: functools.reduce(lambda Y, F: F @ Y, factors, X), np.asarray


def _faust(A):
    from pyfaust import Faust
    from scipy.sparse import csr_matrix

    return Faust([csr_matrix(F.tosparse()) for F in A.factors])


def pyfaust(A, X):
    faust, X = _faust(A), np.asfortranarray(X)
    return lambda: faust @ X, np.asarray


def pyfaust_optimised(A, X):
    from pyfaust import opt_butterfly_faust

    faust, X = opt_butterfly_faust(_faust(A)), np.asfortranarray(X)
    return lambda: faust @ X, np.asarray


def _lazylinop():
    """Its butterfly module, which needs two packages that it does not declare."""
    import pandas  # noqa: F401
    import psutil  # noqa: F401
    from lazylinop import butterfly

    return butterfly


def _ksm(A, convert=np.ascontiguousarray, backend="xp"):
    values = [convert(np.ascontiguousarray(F.values.transpose(0, 2, 3, 1))) for F in A.factors]
    return _lazylinop().ksm(values, ksm_args={"backend": backend, "params": None})


def lazylinop(A, X):
    K = _ksm(A)
    return lambda: K @ X, np.asarray


def lazylinop_scipy(A, X):
    K = _ksm(A, backend="scipy")
    return lambda: K @ X, np.asarray


def lazylinop_torch(A, X):
    import torch

    K, X = _ksm(A, torch.from_numpy), torch.from_numpy(X)
    return lambda: K @ X, np.asarray


def hazy(A, X, library):
    """The compiled operators torch_butterfly of the shared library `library`; columns are rows."""
    if library is None:
        raise ImportError("no --hazy FILE")
    import torch

    torch.ops.load_library(library)
    multiply = torch.ops.torch_butterfly.butterfly_multiply_fw
    half = A.shape[0] // 2
    values = np.stack([F.values.reshape(half, 2, 2) for F in A.factors[::-1]])
    values = torch.from_numpy(values[None, None])  # stacks, blocks, log2 n, n/2, 2, 2
    rows = torch.from_numpy(np.ascontiguousarray(np.atleast_2d(X.T)[:, None]))

    def call():
        with torch.inference_mode():
            return multiply(values, rows, True, None)

    return call, lambda Y: np.asarray(Y)[:, 0].T.reshape(X.shape)


# ------------------------------------------------------------- Monarch by batched products


def _stacks(A):
    """(L, R) of a Monarch matrix of block rank one: L[l] is s x k, R[k] is l x p."""
    return np.ascontiguousarray(A.left[..., 0]), np.ascontiguousarray(A.right[:, :, 0])


def np_matmul(A, X):
    """Two stacks of products; the permutations are strides, the second writes through `out`."""
    L, R = _stacks(A)
    (l, s, _), (k, _, p) = L.shape, R.shape
    stacked = X.reshape(k, p, -1)

    def call():
        out = np.empty((s, l, stacked.shape[2]), X.dtype)
        middle = np.matmul(R, stacked).transpose(1, 0, 2)
        np.matmul(L, middle, out=out.transpose(1, 0, 2))
        return out

    return call, lambda Y: Y.reshape(X.shape)


def torch_bmm(A, X):
    import torch

    L, R = map(torch.from_numpy, _stacks(A))
    stacked = torch.from_numpy(X).reshape(R.shape[0], R.shape[2], -1)

    def call():
        middle = torch.bmm(R, stacked).permute(1, 0, 2)
        return torch.bmm(L, middle).permute(1, 0, 2).contiguous()

    return call, lambda Y: np.asarray(Y).reshape(X.shape)


def _by_blocks(left, right, l, s, k, p, X):
    """left and right applied to the stacks of X as an inverse needs them: left blocks first."""
    Y = left(X.reshape(s, l, -1).transpose(1, 0, 2))
    return right(Y.transpose(1, 0, 2)).reshape(k * p, -1)


def batched_inverses(A, X):
    """Two stacks of np.linalg.inv, nothing else."""
    L, R = _stacks(A)
    shape = (*L.shape[:2], *R.shape[::2])

    def as_array(found):
        left, right = (functools.partial(np.matmul, stack) for stack in found)
        return _by_blocks(left, right, *shape, X).reshape(X.shape)

    return lambda: (np.linalg.inv(L), np.linalg.inv(R)), as_array


def batched_solves(A, X):
    """Two stacks of np.linalg.solve and the permutations."""
    L, R = _stacks(A)
    shape = (*L.shape[:2], *R.shape[::2])
    left, right = (functools.partial(np.linalg.solve, stack) for stack in (L, R))
    return lambda: _by_blocks(left, right, *shape, X), lambda Y: Y.reshape(X.shape)


def lazylinop_inverse(A, X):
    K, inv = _ksm(A), _lazylinop().inv
    return lambda: inv(K), lambda found: np.asarray(found @ X)


def dense_inverse(A, X):
    D = A.toarray()
    return lambda: np.linalg.inv(D), lambda found: found @ X


def dense_solve(A, X):
    D = A.toarray()
    return lambda: np.linalg.solve(D, X), np.asarray


# ------------------------------------------------------------- projection


def ksd(M, blocks):
    """The fit of lazylinop; `as_array` gives its error, relative and in the Frobenius norm."""
    fit, Chain = _lazylinop().ksd, _lazylinop().Chain
    chain = Chain.monarch(M.shape, p=M.shape[0] // blocks, q=blocks)

    def error(found):
        return np.linalg.norm(M - np.asarray(found.toarray())) / np.linalg.norm(M)

    return lambda: fit(M, chain), error
