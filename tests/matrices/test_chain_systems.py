"""Solve, inverse and determinant of chains."""

import math
import warnings

import numpy as np
import pytest
import support
from chains import factor, literal, product, well
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import LinAlgWarning

import structmat as sm
from structmat.matrices.chain import patterns
from structmat.matrices.chain.systems import balance, direct

RATIO = 30.0


def butterfly(radices, rng, dtype=np.float64, make=well):
    return sm.Butterfly([make(p, rng, dtype) for p in patterns.square(radices)])


def monarch(l, k, rng, dtype=np.float64):
    """A square Monarch of square factors, l k x k l."""
    left = support.randn((l, k, k, 1), rng, dtype)
    right = support.randn((k, l, 1, l), rng, dtype)
    return sm.Monarch(left, right)


def replaced(A, i, place, block):
    """A with another block, or entry, in factor i."""
    factors = [sm.KroneckerSparse(F.values.copy()) for F in A.factors]
    factors[i].values[place] = block
    return sm.Butterfly(factors)


# ---------------------------------------------------------------- chains of square factors

CHAINS = {
    "dyadic 16": lambda rng, dtype: butterfly((2,) * 4, rng, dtype, factor),
    "radices 2 3 5": lambda rng, dtype: butterfly((2, 3, 5), rng, dtype, factor),
    "one factor": lambda rng, dtype: sm.Chain([factor((2, 3, 3, 2), rng, dtype)]),
    "order 1": lambda rng, dtype: butterfly((1,), rng, dtype, factor),
    "monarch 6 4": lambda rng, dtype: monarch(6, 4, rng, dtype),
    "monarch 19 13": lambda rng, dtype: monarch(19, 13, rng, dtype),
    "dyadic 256": lambda rng, dtype: butterfly((2,) * 8, rng, dtype),
    "permuted": lambda rng, dtype: sm.Chain(
        [
            sm.Permutation(rng.permutation(180)),
            factor((3, 5, 5, 12), rng, dtype),
            sm.Permutation(rng.permutation(180)),
            sm.Permutation(rng.permutation(180)),
            factor((1, 12, 12, 15), rng, dtype),
        ]
    ),
    "not chainable": lambda rng, dtype: sm.Chain(
        [factor((4, 3, 3, 15), rng, dtype), factor((3, 4, 4, 15), rng, dtype)]
    ),
    "permutations": lambda rng, dtype: sm.Chain(
        [sm.Permutation(rng.permutation(7), dtype), sm.Permutation(rng.permutation(7), dtype)]
    ),
}


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("name", CHAINS)
def test_chain_solves(name, dtype):
    rng = np.random.default_rng(5)
    A = CHAINS[name](rng, dtype)
    D = product(A)
    n = len(D)
    for method in ("auto", "direct"):
        for b in (support.randn(n, rng, dtype), support.randn((n, 3), rng, dtype)):
            x, info = A.solve(b, method=method, return_info=True)
            assert x.dtype == dtype
            assert support.ratio_solve(D.astype(dtype), x, b) < RATIO
            assert info.backward_error < 30 * support.eps(np.zeros(0, dtype))
            assert 0.2 * np.linalg.cond(D, 1) < info.cond < 3 * np.linalg.cond(D, 1)
    sign, value = A.slogdet()
    expected = np.linalg.slogdet(D)
    assert abs(sign - expected[0]) < 1e3 * support.eps(np.zeros(0, dtype))
    assert abs(value - expected[1]) < 1e3 * support.eps(np.zeros(0, dtype)) * (abs(expected[1]) + n)


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("name", CHAINS)
def test_chain_inverse_is_a_chain(name, dtype):
    rng = np.random.default_rng(6)
    A = CHAINS[name](rng, dtype)
    X = A.inv()
    assert isinstance(X, sm.Chain)
    assert isinstance(X, sm.Butterfly) == isinstance(A, sm.Butterfly)
    assert X.dtype == dtype
    assert [p for p in X.patterns if p] == [p for p in A.patterns[::-1] if p]
    D = product(A)
    size = math.prod(np.linalg.cond(literal(F).astype(D.dtype), 1) for F in A.factors)
    error = np.abs(product(X) @ D - np.eye(len(D))).max()
    assert error < 10 * support.eps(np.zeros(0, dtype)) * size


def structured(A):
    """The factorisation that large chains get, whatever the order."""
    return direct.ChainLU(A)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.sampled_from(support.DTYPES),
    st.integers(0, 2**32 - 1),
    st.integers(0, 4),
)
def test_structured_solves_of_any_radices(radices, dtype, seed, columns):
    rng = np.random.default_rng(seed)
    A = butterfly(radices, rng, dtype)
    D = product(A)
    b = support.randn((len(D), columns), rng, dtype)
    factored = structured(A)
    x = factored.solve(b)
    assert x.shape == b.shape
    assert support.ratio_solve(D.astype(dtype), x, b) < RATIO
    cond = np.linalg.cond(D, 1)
    assert 0.2 * cond < 1 / factored.rcond < 1.01 * cond + 1e3 * support.eps(x) * cond


@pytest.mark.parametrize("n", [8, 64, 512])
@pytest.mark.parametrize("structure", [True, False])
def test_zero_sub_diagonal_blocks(n, structure):
    """A chain on which elimination without pivoting divides by zero: blocks of condition 37."""
    rng = np.random.default_rng(7)
    A = butterfly((2,) * (n.bit_length() - 1), rng)
    A = replaced(A, 0, (0, 0), [[0.0, 3.0], [2.0, 15.0]])
    A = replaced(A, 1, (0, 1), [[6.0, 1.0], [0.0, 1.0]])
    assert 35 < np.linalg.cond(A.factors[0].values[0, 0]) < 40
    D, b = product(A), rng.standard_normal(n)
    x = structured(A).solve(b) if structure else A.solve(b)
    assert support.ratio_solve(D, x, b) < RATIO
    assert np.isfinite(A.inv().toarray()).all()


@pytest.mark.parametrize("structure", [True, False])
def test_a_swap_factor(structure):
    rng = np.random.default_rng(8)
    factors = list(butterfly((2,) * 5, rng).factors)
    factors[2] = sm.KroneckerSparse(np.tile([[0.0, 1.0], [1.0, 0.0]], (4, 4, 1, 1)))
    A = sm.Butterfly(factors)
    D, b = product(A), rng.standard_normal((32, 2))
    x = structured(A).solve(b) if structure else A.solve(b)
    assert support.ratio_solve(D, x, b) < RATIO
    assert support.ratio_inverse(D, A.inv()) < RATIO
    assert A.slogdet().sign == np.linalg.slogdet(D)[0]


def test_random_blocks_with_poor_conditions_are_solved_to_rounding():
    """Random 2 x 2 blocks: some of 2,304 have conditions of thousands, and so has the product."""
    rng = np.random.default_rng(9)
    A = butterfly((2,) * 9, rng, make=factor)
    D, b = product(A), rng.standard_normal((512, 2))
    x, info = A.solve(b, return_info=True)
    assert support.ratio_solve(D, x, b) < RATIO
    assert info.cond > 1e6


def undoing(cond, rng):
    """A chain of order 256 and condition below 4, whose first two factors undo each other."""
    U, _, Vh = np.linalg.svd(rng.standard_normal((1, 16, 16, 16)))
    S = np.geomspace(1, 1 / cond, 16)
    V, Uh = Vh.transpose(0, 1, 3, 2), U.transpose(0, 1, 3, 2)
    return sm.Chain([(U * S) @ Vh, (V / S) @ Uh, well((16, 16, 16, 1), rng)])


@pytest.mark.parametrize("cond", [1e2, 1e5, 1e12])
def test_what_factors_magnify_is_announced(cond):
    """The product is known to eps |F_1| |F_2| |F_3| only; a residual beyond rounding is told."""
    rng = np.random.default_rng(10)
    A, b = undoing(cond, rng), rng.standard_normal(256)
    if cond == 1e2:
        assert support.ratio_solve(product(A), A.solve(b), b) < RATIO
    elif cond == 1e5:
        with pytest.warns(LinAlgWarning, match="backward error"):
            x = A.solve(b)
        error = np.linalg.norm(product(A) @ x - b) / np.linalg.norm(x)
        assert error < 30 * cond * np.finfo(float).eps
    else:
        with pytest.raises(np.linalg.LinAlgError, match="no accurate solution"):
            A.solve(b)


def test_poor_blocks_are_eliminated_for_every_right_hand_side():
    """A block of condition 1e13 makes an inverse of three digits; LU solves with it stably."""
    rng = np.random.default_rng(10)
    F = well((1, 16, 16, 16), rng)
    U, _, Vh = np.linalg.svd(F.values)
    A = sm.Chain([(U * np.geomspace(1, 1e-13, 16)) @ Vh, well((16, 16, 16, 1), rng)])
    D, b = product(A), rng.standard_normal((256, 2))
    x, info = A.solve(b, return_info=True)
    assert support.ratio_solve(D, x, b) < RATIO
    assert info.cond > 1e12


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("n", [32, 512])
@pytest.mark.parametrize("scales", [(1e150, 1e-150), (1e-150, 1e150), (1e200, 1e200, 1e-300)])
def test_extreme_scales_of_factors(scales, n, dtype):
    rng = np.random.default_rng(11)
    plain = butterfly((2,) * (n.bit_length() - 1), rng, dtype)
    factors = list(plain.factors)
    for i, s in zip((0, 2, 3), scales):
        factors[i] = factors[i] * s
    A = sm.Butterfly(factors)
    scale = math.exp(math.fsum(math.log(s) for s in scales))
    b = support.randn((n, 2), rng, dtype)
    x = A.solve(b)
    assert support.ratio_solve(product(plain), x * scale, b) < RATIO
    sign, value = A.slogdet()
    expected = plain.slogdet()
    assert abs(sign - expected.sign) < 1e-12
    assert abs(value - expected.logabsdet - n * math.log(scale)) < 1e-12 * n * 1500
    X = A.inv()
    for F, G in zip(X.factors[::-1], A.factors):
        assert np.abs(literal(F) @ literal(G) - np.eye(n)).max() < 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_extreme_scales_in_single_precision(dtype):
    rng = np.random.default_rng(12)
    plain = butterfly((4, 4, 4, 4), rng, dtype)
    factors = list(plain.factors)
    factors[0], factors[3] = factors[0] * 1e15, factors[3] * 1e-15
    b = support.randn(256, rng, dtype)
    x = sm.Butterfly(factors).solve(b)
    assert support.ratio_solve(product(plain), x, b) < RATIO


def test_scales_that_differ_within_a_factor():
    """Columns of 1e150 beside 1e-150, which the rows of the next factor undo."""
    rng = np.random.default_rng(13)
    F, G = well((1, 16, 16, 16), rng), well((16, 16, 16, 1), rng)
    s = 10.0 ** rng.choice([-150, 0, 150], 256)
    columns = s.reshape(1, 16, 16).transpose(0, 2, 1)[:, :, None, :]
    rows = s.reshape(16, 16, 1).transpose(0, 2, 1)[:, :, :, None]
    A = sm.Chain([F.values * columns, G.values / rows])
    D = product(sm.Chain([F, G]))
    b = rng.standard_normal((256, 2))
    assert support.ratio_solve(D, A.solve(b), b) < RATIO


def test_balancing_is_exact():
    rng = np.random.default_rng(14)
    for dtype in (np.float64, np.complex128):
        A = butterfly((2, 3, 4), rng, dtype)
        factors = [A.factors[0] * 1e120, sm.Permutation(rng.permutation(24)), A.factors[1] * 1e-90]
        factors.append(A.factors[2] * 1e30)
        even, exponent = balance.balanced(sm.Chain(factors).factors)
        before, after = sm.Chain(factors), sm.Chain(even)
        assert np.array_equal(
            before.toarray(), balance.shifted(after.toarray(), np.asarray(exponent))
        )
        assert (
            max(np.abs(F.values).max() for F in after.factors if F.shape and hasattr(F, "values"))
            <= 1
        )
    assert balance.balanced(A.factors) == (A.factors, 0)


def test_a_solution_that_overflows_says_so():
    rng = np.random.default_rng(15)
    A = sm.Chain([well((1, 16, 16, 16), rng) * 1e-200, well((16, 16, 16, 1), rng) * 1e-100])
    with pytest.raises(OverflowError, match="solve"):
        A.solve(np.full(256, 1e30))
    assert np.isfinite(A.solve(np.full(256, 1e-10))).all()


@pytest.mark.parametrize("n", [16, 512])
def test_singular_block_is_named_with_its_factor(n):
    rng = np.random.default_rng(16)
    A = butterfly((2,) * (n.bit_length() - 1), rng)
    A = replaced(A, 2, (1, 1), [[1.0, 2.0], [2.0, 4.0]])
    for verb in (A.inv, A.factorize, lambda: A.solve(np.ones(n))):
        with pytest.raises(
            np.linalg.LinAlgError, match=r"factor 2 .*block \(i, l\) = \(1, 1\), pivot 1"
        ):
            verb()
    assert A.slogdet() == (0.0, -math.inf)
    assert A.det() == 0


@pytest.mark.parametrize("n", [16, 512])
def test_nearly_singular_is_announced(n):
    rng = np.random.default_rng(17)
    A = butterfly((2,) * (n.bit_length() - 1), rng)
    A = replaced(A, 1, (0, 0), [[1.0, 1.0], [1.0, 1.0 + 4e-16]])
    with pytest.warns(LinAlgWarning, match="ill-conditioned"):
        A.solve(np.ones(n))
    with pytest.warns(LinAlgWarning, match="ill-conditioned"):
        A.inv()


def test_no_warning_where_only_the_factors_bound_is_poor():
    rng = np.random.default_rng(18)
    A = butterfly((2,) * 10, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X = A.inv()
        A.solve(np.ones(1024))
    assert X.shape == A.shape


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("n", [16, 512])
def test_nan_in_a_factor_is_refused(n, bad):
    A = butterfly((2,) * (n.bit_length() - 1), np.random.default_rng(19))
    A = replaced(A, 1, (0, 1, 0, 0), bad)
    for verb in (A.inv, A.factorize, A.slogdet, lambda: A.solve(np.ones(n)), A.pinv):
        with pytest.raises(ValueError, match="infs or NaNs"):
            verb()


def test_right_hand_sides_of_every_layout():
    rng = np.random.default_rng(20)
    A = monarch(16, 12, rng)
    B = rng.standard_normal((192, 4))
    expected = A.solve(B)
    for name, X in support.layouts(B):
        assert np.array_equal(A.solve(X), expected), name
    assert np.allclose(A.solve(B[:, 0]), expected[:, 0], rtol=1e-10)
    assert A.solve(np.arange(192)).dtype == np.float64
    assert A.solve(B + 1j).dtype == np.complex128
    assert support.ratio_solve(product(A), A.solve(B + 1j), B + 1j) < RATIO
    assert A.astype(np.float32).solve(B).dtype == np.float64
    with pytest.raises(ValueError, match="incompatible shapes"):
        A.solve(np.ones(191))


def test_factorization_solves_again():
    rng = np.random.default_rng(21)
    A = monarch(20, 16, rng)
    factored = A.factorize()
    D, b = product(A), rng.standard_normal(320)
    assert support.ratio_solve(D, factored.solve(b), b) < RATIO
    assert factored.slogdet() == A.slogdet()
    assert "every block of every factor" in factored.method
    assert factored.structure == "Monarch"
    assert factored.solve(np.zeros((320, 0))).shape == (320, 0)


def test_bit_identical_for_every_worker_count():
    rng = np.random.default_rng(22)
    for A in (butterfly((2,) * 11, rng), monarch(48, 48, rng)):
        b = rng.standard_normal((A.shape[0], 3))
        found = []
        for workers in (1, 2, 5):
            with sm.set_workers(workers):
                found.append((A.solve(b), A.inv() @ b, A.slogdet()))
        for one, two, five in zip(*found):
            assert np.array_equal(one, two)
            assert np.array_equal(one, five)


@pytest.mark.parametrize("workers", [1, 2])
def test_singular_block_that_a_worker_meets(workers):
    rng = np.random.default_rng(22)
    A = replaced(monarch(48, 48, rng), 1, (7, 0, 5), 0.0)
    words = r"factor 1 .*block \(i, l\) = \(7, 0\)"
    with sm.set_workers(workers), pytest.raises(np.linalg.LinAlgError, match=words):
        A.inv()


def test_empty_chains():
    A = sm.Chain([np.zeros((0, 3, 2, 2)), np.zeros((0, 6, 1, 1))])
    assert A.solve(np.zeros((0, 2))).shape == (0, 2)
    assert A.inv().shape == (0, 0)
    assert A.slogdet() == (1.0, 0.0)
    assert A.matrix_rank() == 0


def test_large_chain_is_solved_in_its_structure():
    """n = 2^14: the dense matrix would take 2 GiB."""
    rng = np.random.default_rng(23)
    A = butterfly((16, 32, 32), rng)
    b = rng.standard_normal(2**14)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, info = A.solve(b, return_info=True)
        sign, value = A.slogdet()
    assert info.backward_error < 30 * np.finfo(float).eps
    expected = [np.linalg.slogdet(F.values) for F in A.factors]
    assert sign == np.prod([np.prod(s) for s, _ in expected])
    assert abs(value - sum(v.sum() for _, v in expected)) < 1e-12 * abs(value)


# ---------------------------------------------------------------- costs


def test_explain_names_the_elimination():
    rng = np.random.default_rng(31)
    found = butterfly((2,) * 12, rng).explain("solve")
    assert "LU" in found.algorithm
    assert "block" in found.algorithm
    assert found.flops < 2 / 3 * 4096**3 / 1e3


def test_costs_name_what_runs():
    rng = np.random.default_rng(31)
    large, small = butterfly((2,) * 9, rng), butterfly((2,) * 6, rng)
    assert "every block" in direct.cost(large, "solve", 1).algorithm
    assert "dense" in direct.cost(small, "solve", 1).algorithm
    assert direct.cost(large, "matmul", 3).flops == 9 * 3 * 2 * 2 * 512
    assert "every block" in direct.cost(small, "slogdet", 1).algorithm
    assert "isometry" in direct.cost(sm.Chain([small.factors[0]]), "svd", 1).algorithm
    assert direct.cost(small, "svd", 1) is NotImplemented
    rank_two = sm.Monarch(rng.standard_normal((3, 3, 3, 2)), rng.standard_normal((3, 3, 2, 3)))
    assert direct.cost(rank_two, "solve", 1) is NotImplemented
    assert direct.cost(rank_two, "eigh", 1) is NotImplemented


# ---------------------------------------------------------------- factors that undo each other


@pytest.mark.parametrize("copies", [1, 256])
@pytest.mark.parametrize("gap", [1e-12, 1e-8, 1e-4])
def test_factors_that_undo_each_other_are_announced_at_every_order(gap, copies):
    """K K^-1 is known to eps |K| |K^-1| only, and one product hides that: it rounds alike twice."""
    K = np.array([[1.0, 1.0], [1.3, 1.3 + gap]])
    pair = [np.tile(F, (copies, 1, 1, 1)) for F in (K, np.linalg.inv(K))]
    A, b = sm.Chain(pair), np.random.default_rng(20).standard_normal(2 * copies)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _, info = A.solve(b, return_info=True)
        except np.linalg.LinAlgError as error:
            assert "no accurate solution" in str(error)
            return
    assert any("undo each other" in str(w.message) for w in caught)
    assert 0.1 / gap < info.cond < 100 / gap


def test_rectangular_factors_that_undo_each_other_are_announced():
    rng = np.random.default_rng(25)
    wide = rng.standard_normal((1, 1, 4, 8))
    K = np.eye(8) + 1e5 * rng.standard_normal((8, 8))[:, :1] * np.ones(8)
    undoing = sm.Chain([wide @ K, np.linalg.inv(K)[None, None] @ wide.swapaxes(2, 3)])
    with pytest.warns(LinAlgWarning, match="undo each other"):
        undoing.solve(np.ones(4))
    sm.Chain([wide, wide.swapaxes(2, 3)]).solve(np.ones(4))  # silent


def test_factors_that_leave_no_digit_are_refused():
    K = np.array([[1.0, 1.0], [1.0, 1.0 + 2.0**-52]])
    A = sm.Chain([K[None, None], np.linalg.inv(K)[None, None]])
    with pytest.raises(np.linalg.LinAlgError, match="no digit"):
        A.solve(np.ones(2))


@pytest.mark.parametrize("n", [16, 512])
def test_the_certificate_of_a_determinant_is_that_of_its_computation(n):
    rng = np.random.default_rng(21)
    A = butterfly((2,) * (n.bit_length() - 1), rng)
    (sign, value), info = A.slogdet(return_info=True)
    assert "block" in info.method
    assert (sign, value) == tuple(A.factorize().slogdet())


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("scale", [2.0**100, 2.0**500, 1e150])
def test_determinants_of_scaled_factors_lose_no_digit(dtype, scale):
    rng = np.random.default_rng(22)
    scale = min(scale, 1e30) if np.finfo(dtype).eps > 1e-10 else scale
    plain = butterfly((2,) * 8, rng, dtype)
    up, down = (np.asarray(x, np.finfo(dtype).dtype) for x in (scale, 1 / scale))
    factors = [plain.factors[0].values * up, *plain.factors[1:-1], plain.factors[-1].values * down]
    A = sm.Butterfly(factors)
    sign, value = A.slogdet()
    logs = []
    for F in A.factors:  # determinants of 2 x 2 blocks in extended precision
        V = F.values.astype(np.result_type(dtype, np.longdouble))
        logs.append(np.log(abs(V[..., 0, 0] * V[..., 1, 1] - V[..., 0, 1] * V[..., 1, 0])))
    expected = float(sum(x.sum() for x in logs))
    size = float(sum(abs(x).sum() for x in logs[1:-1])) + 256
    assert abs(value - expected) / size / support.eps(np.zeros(0, dtype)) < RATIO
    assert abs(abs(sign) - 1) < 1e-5


# ---------------------------------------------------------------- answers out of range, NaN


def extremes():
    rng = np.random.default_rng(23)
    left, right = rng.standard_normal((4, 4, 4, 1)), rng.standard_normal((4, 4, 1, 4))
    small = sm.Monarch(left * 1e-300, right * 1e-20)
    large = sm.Monarch(left * 1e300, right * 1e20)
    return sm.Monarch(left, right), small, large, rng.standard_normal(16)


@pytest.mark.parametrize("verb", ["inv", "pinv", "solve", "lstsq"])
def test_an_inverse_out_of_range_is_refused(verb):
    _, small, _, b = extremes()
    verbs = {
        "inv": lambda: small.inv(),
        "pinv": lambda: small.pinv(),
        "solve": lambda: small.solve(b),
        "lstsq": lambda: small.lstsq(b),
    }
    with pytest.raises(OverflowError, match="too large"):
        verbs[verb]()


@pytest.mark.parametrize("ord", [1, -1, 2, -2, "nuc", np.inf, -np.inf, "fro"])
def test_norms_of_a_matrix_out_of_range_are_refused(ord):
    plain, small, large, _ = extremes()
    with pytest.raises(OverflowError):
        large.norm(ord)
    expected = plain.norm(ord)  # times 1e-320, a few digits of a subnormal number
    assert abs(small.norm(ord) / 5e-324 - expected * 1e-320 / 5e-324) < 0.01 * expected * 2e3 + 2


def test_spectra_of_a_matrix_out_of_range_are_refused():
    plain, _, large, _ = extremes()
    for verb in (large.svd, lambda: sm.linalg.svdvals(large), large.eigvals, large.eig):
        with pytest.raises(OverflowError, match="too large"):
            verb()
    assert abs(large.cond() / plain.cond() - 1) < 1e-9
    assert abs(large.cond(1) / plain.cond(1) - 1) < 1e-9


def test_powers_out_of_range_are_refused():
    F = sm.KroneckerSparse(np.full((1, 2, 2, 2), 1e200))
    with pytest.raises(OverflowError, match="matrix_power"):
        sm.linalg.matrix_power(F, 2)
    with pytest.raises(ValueError, match="infs or NaNs"):
        sm.linalg.matrix_power(F * np.inf, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_named(bad):
    rng = np.random.default_rng(24)
    A = replaced(butterfly((2,) * 9, rng), 3, (2, 1), [[1.0, bad], [0.0, 1.0]])
    verbs = [lambda: A.solve(np.ones(512)), A.inv, A.svd, A.eig, A.eigvals, A.cond, A.slogdet]
    verbs += [lambda: A.norm(2), lambda: A.lstsq(np.ones(512))]
    for verb in verbs:
        with pytest.raises(ValueError, match=r"factor 3 .*infs or NaNs.*\(2, 1\)"):
            verb()
