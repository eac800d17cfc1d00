"""Chains whose factors are extreme, and whose product is not."""

import copy
import pickle

import fake_cupy
import numpy as np
import pytest
from gpu import emulated, emulator

import structmat as sm
from structmat.matrices.chain import scale
from tests.support import randn

EXPONENTS = {  # of ten, for every factor; they add up to zero but in the last
    "large last": [-150] * 3 + [150] * 3 + [0, 0],
    "large first": [150] * 3 + [-150] * 3 + [0, 0],
    "alternating": [150, -150] * 4,
    "one against all": [210] + [-30] * 7,
    "a large product": [280] + [0] * 7,
}


def pair(name, n=256):
    """(extreme chain, moderate chain, c) with the first c times the second."""
    C0 = sm.random(sm.Butterfly, n, rng=0)
    xs = EXPONENTS[name]
    return (
        sm.Butterfly([F.values * 10.0**x for F, x in zip(C0.factors, xs)]),
        C0,
        10.0 ** sum(xs),
    )


def close(found, expected, c=1.0):
    """Largest error of found / c, relative to the largest entry, in units of rounding."""
    found, expected = np.asarray(found) / c, np.asarray(expected)
    eps = np.finfo(expected.dtype).eps
    return float(abs(found - expected).max() / abs(expected).max() / eps)


@pytest.mark.parametrize("name", EXPONENTS)
def test_every_verb_of_a_chain_with_extreme_factors(name, rng):
    C, C0, c = pair(name)
    dense = C0.toarray()
    x, X = randn((256,), rng), randn((256, 40), rng)
    assert close(C.toarray(), dense, c) < 100
    assert close(C @ x, dense @ x, c) < 1000
    assert close(C @ X, dense @ X, c) < 1000
    assert close(C.T @ x, dense.T @ x, c) < 1000
    assert close(C.diagonal(), dense.diagonal(), c) < 100
    assert close(C[:3, :3], dense[:3, :3], c) < 100
    assert close(C[3], dense[3], c) < 100
    assert close(C[:, 7], dense[:, 7], c) < 100
    assert close(C[np.arange(5), np.arange(5, 10)], dense[np.arange(5), np.arange(5, 10)], c) < 100
    assert close(C.trace(), dense.trace(), c) < 1000
    assert close(sm.linalg.norm(C), np.linalg.norm(dense), c) < 100
    for count in (1, 3):
        fused = C.fuse(count)
        assert len(fused.factors) == count
        assert close(fused.toarray(), dense, c) < 100
    assert close(np.imag(1j * C).toarray(), dense, c) < 100


@pytest.mark.parametrize("name", [name for name in EXPONENTS if name != "a large product"])
def test_products_of_chains_with_extreme_factors(name):
    C, C0, _ = pair(name)
    dense = C0.toarray()
    assert close((C @ C.T).toarray(), dense @ dense.T) < 1000
    assert close((C.H @ C).toarray(), dense.T @ dense) < 1000
    assert close((C @ C).toarray(), dense @ dense) < 1000
    assert close((C @ C.T).trace(), (dense @ dense.T).trace()) < 1000
    assert close((C @ C0.T).toarray(), dense @ dense.T) < 1000
    assert close((C + C0).toarray(), 2 * dense) < 100
    assert close(sm.hadamard(C, C).toarray(), dense * dense) < 100
    assert close(sm.hadamard(C, C0).toarray(), dense * dense) < 100


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("power", [170.0, -170.0])
def test_products_of_monarchs_with_extreme_factors(power, dtype):
    A0 = sm.random(sm.Monarch, 16, rng=0, dtype=dtype)
    A = sm.Monarch(A0.left * 10**power, A0.right / 10**power)
    M = A0.toarray()
    assert close((A @ A.H).toarray(), M @ M.conj().T) < 100
    assert close((A.H @ A).toarray(), M.conj().T @ M) < 100
    assert close((A @ A).toarray(), M @ M) < 100
    squared, added = sm.hadamard(A, A), A + A0
    assert isinstance(squared, sm.Monarch)
    assert isinstance(added, sm.Monarch)
    assert close(squared.toarray(), M * M) < 100
    assert close(added.toarray(), 2 * M) < 100
    assert close((added @ added.H).toarray(), 4 * M @ M.conj().T) < 100
    assert close(A.fuse(1).toarray(), M) < 100


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_single_precision(dtype, rng):
    A0 = sm.random(sm.Monarch, 64, rng=0, dtype=dtype)
    A = sm.Monarch(A0.left * np.float32(1e25), A0.right * np.float32(1e-25))
    M, x = A0.toarray(), randn((64,), rng, dtype)
    assert (A @ A.H).dtype == dtype
    assert close((A @ A.H).toarray(), M @ M.conj().T) < 100
    assert close(sm.hadamard(A, A).toarray(), M * M) < 100
    assert close(A @ x, M @ x) < 100


def test_cropped_and_permuted_chains(rng):
    C, C0, _ = pair("large last")
    P = sm.Permutation(rng.permutation(256))
    A = sm.Chain([P, *C.factors, P], (200, 150))
    M = sm.Chain([P, *C0.factors, P], (200, 150)).toarray()
    x = randn((150,), rng)
    assert close(A @ x, M @ x) < 1000
    assert close(A.toarray(), M) < 100
    assert close(A[:5, 3:9], M[:5, 3:9]) < 100
    assert close((A @ A.H).toarray(), M @ M.T) < 1000


def test_cropped_monarchs(rng):
    A0 = sm.random(sm.Monarch, (13, 11), rng=0, blocks=(4, 3), block_rank=2)
    assert A0.cropped
    A = sm.Monarch(A0.left * 1e-170, A0.right * 1e170, A0.shape)
    M, x = A0.toarray(), randn((11,), rng)
    assert close(A @ x, M @ x) < 100
    assert close(A[2:4], M[2:4]) < 100
    assert close(A.diagonal(), M.diagonal()) < 100
    assert close((A @ A.T).toarray(), M @ M.T) < 100
    assert close((A.T @ A).toarray(), M.T @ M) < 100
    assert close(sm.hadamard(A, A0).toarray(), M * M) < 100


def test_products_that_are_too_large_are_not_finite():
    A = sm.Chain([np.full((1, 1, 2, 2), 1e200)] * 2)
    with np.errstate(over="ignore", invalid="ignore"):
        assert not np.isfinite(A @ np.ones(2)).any()  # BLAS makes NaN of infinities at times
        assert np.array_equal(A.toarray(), np.full((2, 2), np.inf))
        assert not np.isfinite(A[0, 1])


def test_factors_stay_as_they_were_given(rng):
    C, C0, _ = pair("large last")
    given = [F.values.copy() for F in C.factors]
    C @ np.ones(256), C.toarray(), C.trace(), C[3]
    assert all(np.array_equal(F.values, v) for F, v in zip(C.factors, given))
    for again in (copy.deepcopy(C), pickle.loads(pickle.dumps(C))):
        assert all(np.array_equal(F.values, v) for F, v in zip(again.factors, given))
        assert np.array_equal(again.toarray(), C.toarray())
    assert C0._parts is C0.factors  # moderate factors are not copied
    assert (C0 @ sm.Permutation(rng.permutation(256))).factors[0] is C0.factors[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moderate_chains_keep_their_factors(dtype):
    for n, kind in ((2**14, sm.Butterfly), (256, sm.Monarch), (243, sm.Butterfly)):
        A = sm.random(kind, n, rng=0, dtype=dtype)
        assert A._parts is A.factors


def test_extreme_factors_on_a_device(rng, monkeypatch):
    cupy = (emulated if emulator.available() else fake_cupy).install(monkeypatch)
    xs = EXPONENTS["large last"][:6]
    C0 = sm.random(sm.Butterfly, 64, rng=0)
    C = sm.Butterfly([F.values * 10.0**x for F, x in zip(C0.factors, xs)])
    A, M, x = C.to_device("cuda"), C0.toarray(), randn((64, 3), rng)
    assert isinstance(A @ cupy.asarray(x), cupy.ndarray)
    assert close((A @ cupy.asarray(x)).get(), M @ x) < 1000
    assert close(A.toarray().get(), M) < 100
    assert close((A @ A.H).toarray().get(), M @ M.T) < 1000
    assert close(A.diagonal().get(), M.diagonal()) < 100


def test_magnitudes_are_looked_at_once(monkeypatch):
    C, _, _ = pair("large last")
    C @ np.ones(256)
    monkeypatch.setattr(scale, "size", None)
    C @ np.ones(256), C.trace(), C.diagonal(), C[3], C.toarray(), C @ np.ones((256, 9))


def test_numbers_that_would_sink_stay_where_they_are():
    first, second = np.diag([1e150, 1e-200]), np.diag([1e-150, 1e150])
    A = sm.Chain([x[None, None] for x in (first, second)])
    assert A._parts is A.factors
    assert np.allclose(A.toarray(), np.diag([1.0, 1e-50]), rtol=1e-15, atol=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_factor_without_a_magnitude(value):
    A = sm.Chain([np.full((1, 1, 2, 2), value), np.full((1, 1, 2, 2), 1e200)])
    assert A._parts is A.factors
    with np.errstate(invalid="ignore"):
        assert np.array_equal(A @ np.ones(2), np.full(2, value), equal_nan=True)


def test_no_factor_holds_numbers():
    A = sm.Chain([sm.Permutation([1, 0]), sm.Permutation([1, 0])])
    assert A._parts is A.factors
    empty = sm.Chain([np.zeros((1, 1, 3, 0)), np.zeros((1, 1, 0, 2))])
    assert np.array_equal(empty @ np.ones(2), np.zeros(3))


# ---------------------------------------------------------------- norms, and narrower numbers


@pytest.mark.parametrize("z", [1.5e308, 1.5e308 * (1 + 1j)])
@pytest.mark.parametrize("ord", ["fro", 1, np.inf, 2, "nuc"])
def test_norms_that_are_too_large_are_refused(z, ord):
    R = sm.KroneckerSparse(np.full((1, 1, 2, 2), z))
    for A in (R, sm.Chain([R]), sm.Butterfly([R])) if ord == "fro" else (R,):
        with pytest.raises(OverflowError), np.errstate(over="ignore"):
            sm.linalg.norm(A, ord)


@pytest.mark.parametrize(
    "exponents", [[193, 347, 283, -228, 289, -884], [-884, 289, 300, 295, 0, 0]]
)
def test_slices_of_zeros_do_not_hide_the_others(exponents):
    A0 = sm.random(sm.Butterfly, 34, rng=0)  # cropped: rows and columns of zeros in the whole
    factors = [2.0**e * F for e, F in zip(exponents, A0.factors)]
    A = sm.Butterfly(factors, A0.shape)
    expected = np.linalg.norm(A0.toarray())
    assert abs(sm.linalg.norm(A) / expected - 1) < 1e-14
    nothing = sm.Butterfly([np.array([[[[1e200, 0.0]]]]), np.array([[[[0.0], [1e200]]]])])
    assert sm.linalg.norm(nothing) == 0.0


@pytest.mark.parametrize("ord", ["fro", 1, np.inf])
def test_norms_of_infinite_entries_are_infinite(ord):
    A = sm.KroneckerSparse(np.full((1, 1, 2, 2), np.inf))
    assert sm.linalg.norm(A, ord) == np.inf
    with pytest.raises(OverflowError):
        sm.linalg.norm(sm.Chain([np.full((1, 1, 2, 2), 1e308 * (1 + 1j))] * 2))


def test_norms_near_the_largest_number():
    z = 1.2e308 * (1 + 1j)  # its modulus is representable, the sum of its parts is not
    A = sm.Chain([np.full((1, 1, 1, 1), z)])
    assert abs(sm.linalg.norm(A) / abs(z) - 1) < 1e-15
    Z = sm.Chain([np.full((1, 1, 2, 2), 1.5e308 * (1 + 1j)), np.full((1, 1, 2, 2), 1e-305)])
    expected = 1.5e3 * np.sqrt(2) * 4
    assert abs(sm.linalg.norm(Z) / expected - 1) < 1e-14
    assert close(Z.toarray(), np.full((2, 2), 3e3 * (1 + 1j))) < 10


def test_a_large_complex_factor_goes_into_single_precision():
    Z, S = np.full((1, 1, 2, 2), 1.5e308 * (1 + 1j)), np.full((1, 1, 2, 2), 1e-305)
    A = sm.Chain([Z, S]).astype(np.complex64)
    assert A.dtype == np.complex64
    assert close(A.toarray(), np.full((2, 2), 3e3 * (1 + 1j), np.complex64)) < 10
    for scaled in (1e10 * sm.Chain([S, Z]), sm.Chain([S, Z]) * 1e-10):
        assert np.isfinite(scaled.toarray()).all()
