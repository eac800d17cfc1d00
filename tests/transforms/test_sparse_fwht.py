"""sparse_fwht: the published thresholds and success rates, hard supports, noise, and refusals."""

import itertools
import warnings

import fake_cupy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hadamard

import structmat as sm
from structmat.transforms import sparse_peeling
from structmat.transforms.sparse import SparseSpectrum, _plan, peeling_threshold, sparse_fwht


def support(n, size, rng):
    """`size` different random indices in ascending order."""
    found = set()
    while len(found) < size:
        found.update(rng.integers(0, 1 << n, size=size - len(found), dtype=np.int64).tolist())
    return np.array(sorted(found), dtype=np.int64)


def signal_of(k, values, noise=0.0, rng=None):
    """m -> sum_j values[j] (-1)^<m, k[j]>, written with the bits of each pair."""

    def signal(m):
        x = np.empty(m.size, values.dtype)
        for i in range(0, m.size, 4096):
            ones = np.bitwise_count(m[i : i + 4096, None] & k).astype(np.int64)
            x[i : i + 4096] = (1 - 2 * (ones % 2)) @ values
        return x + noise * rng.standard_normal(m.size) if noise else x

    return signal


def outcome(n, size, seed, noise=0.0, kind="signs", expect=None, **options):
    """(right, result) of one random trial; a wrong result must say so."""
    rng = np.random.default_rng(seed)
    k = support(n, size, rng)
    values = rng.choice([-1.0, 1.0], size) if kind == "signs" else rng.standard_normal(size)
    signal = signal_of(k, values, noise, rng)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = sparse_fwht(signal, n, expect or size, noise or None, rng, **options)
    right = np.array_equal(found.indices, k)
    if right and not noise:
        right = bool(np.abs(found.values - values).max() < 1e-12)
    assert found.converged == (not caught)
    if not noise:
        assert right == found.converged, "a wrong result is never certified, a right one always"
    return right, found


# ---------------------------------------------------------------- published figures


@pytest.mark.parametrize(
    ("groups", "eta"), [(2, 1.0), (3, 0.4073), (4, 0.3237), (5, 0.2850), (6, 0.2616)]
)
def test_density_evolution_thresholds(groups, eta):
    threshold = peeling_threshold(groups)
    assert round(threshold, 4) == eta

    def hidden(eta):
        p = 1.0
        for _ in range(20_000):
            p = (1 - np.exp(-p / eta)) ** (groups - 1)
        return p

    if groups > 2:  # two groups come to rest too slowly at the threshold itself
        assert hidden(1.001 * threshold) < 1e-12
        assert hidden(0.999 * threshold) > 0.1


@pytest.mark.parametrize(
    ("n", "size", "options", "samples"),
    [
        (16, 32, {"bins": 32, "groups": 3}, 1632),
        (20, 200, {"bins": 128, "groups": 3}, 8064),
        (30, 100, {"bins": 128, "groups": 3}, 11904),
        (40, 200, {}, 20992),
    ],
)
def test_twelve_of_twelve(n, size, options, samples):
    for seed in range(12):
        right, found = outcome(n, size, seed, **options)
        assert right, seed
        assert found.samples % samples < 65 * found.attempts  # and 64 for the certificate
        assert found.attempts <= 2
    if n == 40:
        assert found.samples == 20992 + 64


@pytest.mark.parametrize("kind", ["signs", "normal"])
def test_one_attempt_around_the_threshold(kind):
    options = {"bins": 128, "groups": 3, "max_retries": 0, "kind": kind}
    # Bins for each coefficient 0.64, 0.50, 0.39: above, above, and below 0.4073.
    rates = [
        sum(outcome(20, size, seed, **options)[0] for seed in range(12)) for size in (200, 256, 330)
    ]
    assert rates[0] == 12
    assert rates[1] >= 11
    assert rates[2] == 0


def test_below_the_threshold_new_hashes_finish_the_work():
    for seed in range(6):
        right, found = outcome(20, 330, seed, bins=128, groups=3)
        assert right
        assert 1 < found.attempts <= 4


@pytest.mark.parametrize("groups", [2, 3, 4, 5, 6])
def test_every_number_of_groups(groups):
    assert all(outcome(30, 64, seed, groups=groups)[0] for seed in range(4))


RATES = {  # exact support, published for P1 = 1, 3, 6, 10
    20: (0.88, 1, 1, 1),
    10: (0.75, 0.88, 1, 1),
    5: (0.75, 1, 1, 1),
    0: (0, 1, 1, 1),
    -5: (0, 0, 0.38, 1),
}
NMSE = {20: 1.5e-5, 10: 1.3e-4, 5: 4.9e-4, 0: 1.6e-3, -5: 4.6e-3}  # for P1 = 10


@pytest.mark.parametrize("snr", RATES)
def test_noise(snr):
    noise = np.sqrt(32 / 10 ** (snr / 10))
    for repetitions, rate in zip((1, 3, 6, 9), RATES[snr]):
        options = {"bins": 128, "groups": 3, "repetitions": repetitions, "max_retries": 0}
        trials = [outcome(16, 32, seed, noise, **options) for seed in range(8)]
        assert np.mean([right for right, _ in trials]) >= rate
        assert all(right for right, found in trials if found.converged)
        if repetitions == 9:
            assert all(found.samples < 2**16 for _, found in trials)
            errors = [np.mean((np.abs(found.values) - 1) ** 2) for right, found in trials if right]
            assert np.median(errors) < NMSE[snr]


@pytest.mark.parametrize("snr", [20, 10, 0, -10])
def test_noise_with_the_default_repetitions(snr):
    noise = np.sqrt(32 / 10 ** (snr / 10))
    for seed in range(3):
        right, found = outcome(30, 32, seed, noise)
        assert right
        assert found.converged
        assert found.samples < 10**6


# ---------------------------------------------------------------- supports and values


def certified(k, values, n, size=None, rng=0, **options):
    k = np.asarray(k, dtype=np.int64)
    values = np.asarray(values)[np.argsort(k)]
    found = sparse_fwht(signal_of(np.sort(k), values), n, size or len(k), rng=rng, **options)
    assert found.converged
    assert np.array_equal(found.indices, np.sort(k))
    scale = np.abs(values).max(initial=0.0)
    assert np.abs(found.values - values).max(initial=0.0) <= 1e-14 * scale * (1 + len(k)) ** 0.5
    assert found.residual < 1e-13
    return found


def test_matches_the_transform_of_all_values(rng):
    for n in range(9):
        H = hadamard(2**n) if n else np.ones((1, 1))
        X = np.zeros(2**n)
        k = rng.integers(0, 2**n, size=3)
        X[k] = rng.standard_normal(3)
        x = H @ X
        found = sparse_fwht(lambda m: x[m], n, min(3, 2**n), rng=rng)  # noqa: B023
        assert found.converged
        assert np.array_equal(found.indices, np.flatnonzero(X))
        assert np.allclose(found.values, X[found.indices], rtol=0, atol=1e-15 * 2**n)


@given(st.integers(12, 63), st.integers(1, 40), st.booleans(), st.integers(0, 2**32 - 1))
def test_random_spectra(n, size, is_complex, seed):
    rng = np.random.default_rng(seed)
    k = support(n, size, rng)
    values = rng.standard_normal(size) + (1j * rng.standard_normal(size) if is_complex else 0)
    found = certified(k, values, n, rng=rng)
    assert found.values.dtype == values.dtype
    assert found.indices.dtype == np.int64


@pytest.mark.parametrize("n", [20, 40, 63])
@pytest.mark.parametrize("values", ["equal", "random"])
def test_structured_supports(n, values, rng):
    def draw(size):
        return np.ones(size) if values == "equal" else rng.standard_normal(size)

    subspace = [0]
    for basis in rng.integers(0, 1 << n, size=5, dtype=np.int64).tolist():
        subspace += [x ^ basis for x in subspace]
    degree_two = [
        sum(1 << i for i in bits)
        for size in (0, 1, 2)
        for bits in itertools.combinations(range(14), size)
    ]
    for k in (
        subspace,
        degree_two,
        [1 << i for i in range(n)],
        range(64),
        [2**n - 1 - i for i in range(64)],
    ):
        for seed in range(3):
            certified(list(k), draw(len(list(k))), n, rng=seed)


def test_63_bits():
    top = 2**63 - 1
    found = certified([0, 1, top, top - 1, 2**62, top ^ 2**62], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 63)
    assert found.samples < 10_000


def test_constant_zero_and_one_character():
    found = certified([0], [3.0], 50)
    assert found.samples < 2000
    certified([2**49 + 7], [-2.0], 50)
    zero = sparse_fwht(lambda m: np.zeros(m.size), 50, 10, rng=0)
    assert zero.converged
    assert zero.indices.size == zero.values.size == 0
    assert zero.residual == 0
    ints = sparse_fwht(lambda m: 1 - 2 * (np.bitwise_count(m & 12).astype(int) % 2), 50, 1, rng=0)
    assert ints.indices.tolist() == [12]
    assert ints.values.tolist() == [1.0]


def test_dynamic_range(rng):
    k = support(40, 50, rng)
    certified(k, 10.0 ** -np.linspace(0, 11, 50), 40)


@pytest.mark.parametrize("scale", [1e-250, 1e-150, 1e150, 1e300])
def test_scales(scale, rng):
    k = support(40, 20, rng)
    certified(k, scale * rng.uniform(0.1, 1, 20), 40)


def test_single_precision(rng):
    k = support(40, 50, rng)
    for dtype in (np.float32, np.complex64):
        values = rng.uniform(0.5, 1, 50).astype(dtype)
        signal = signal_of(k, values)
        found = sparse_fwht(signal, 40, 50, rng=0)
        assert found.converged
        assert np.array_equal(found.indices, k)
        assert found.values.dtype == dtype
        assert np.abs(found.values - values).max() < 1e-6


def test_complex_noise(rng):
    k = support(40, 30, rng)
    values = np.exp(2j * np.pi * rng.uniform(size=30))
    exact = signal_of(k, values)

    def signal(m):
        error = rng.standard_normal(m.size) + 1j * rng.standard_normal(m.size)
        return exact(m) + 2 * error / np.sqrt(2)

    found = sparse_fwht(signal, 40, 30, noise=2.0, rng=1)
    assert found.converged
    assert np.array_equal(found.indices, k)
    assert np.abs(found.values - values).max() < 0.2
    assert 0.2 < found.residual < 0.5  # the noise is 2 in sqrt(34)


def test_a_signal_without_dependence_and_noise_only():
    zero = sparse_fwht(lambda m: np.zeros(m.size), 30, 4, noise=0.1, rng=0)
    assert zero.converged
    assert zero.indices.size == 0
    rng = np.random.default_rng(3)
    only = sparse_fwht(lambda m: rng.standard_normal(m.size), 30, 4, noise=1.0, rng=0)
    assert only.converged
    assert only.indices.size == 0


def test_the_seed_decides(rng):
    signal = signal_of(support(40, 60, rng), rng.standard_normal(60))
    first, again = sparse_fwht(signal, 40, 60, rng=7), sparse_fwht(signal, 40, 60, rng=7)
    assert np.array_equal(first.values, again.values)
    assert first[2:] == again[2:]
    generator = np.random.default_rng(7)
    assert sparse_fwht(signal, 40, 60, rng=generator).samples == first.samples


# ---------------------------------------------------------------- what cannot be certified


def test_far_more_coefficients_than_k_is_said(rng):
    signal = signal_of(support(40, 1000, rng), rng.standard_normal(1000))
    with pytest.warns(RuntimeWarning, match=r"not certified after 4 attempt.*Raise `k` \(now 20\)"):
        found = sparse_fwht(signal, 40, 20, rng=0)
    assert not found.converged
    assert found.residual > 0.5


def test_a_few_more_coefficients_than_k_are_found(rng):
    certified(support(40, 100, rng), rng.standard_normal(100), 40, size=40)


def test_a_signal_that_is_not_sparse_is_said():
    generator = np.random.default_rng(0)
    with pytest.warns(RuntimeWarning, match="`noise` of the signal"):
        found = sparse_fwht(lambda m: generator.standard_normal(m.size), 40, 5, rng=0)
    assert not found.converged
    assert isinstance(found, SparseSpectrum)


def test_noise_that_is_not_said_is_not_certified(rng):
    signal = signal_of(support(40, 10, rng), np.ones(10), 1e-3, rng)
    with pytest.warns(RuntimeWarning, match="not certified"):
        assert not sparse_fwht(signal, 40, 10, rng=0).converged
    assert sparse_fwht(signal, 40, 10, noise=1e-3, rng=0).converged


def test_noise_larger_than_said_is_not_certified(rng):
    signal = signal_of(support(40, 10, rng), np.ones(10), 0.5, rng)
    with pytest.warns(RuntimeWarning, match="not certified"):
        assert not sparse_fwht(signal, 40, 10, noise=0.1, rng=0).converged


def test_coefficients_below_the_noise_are_missed_aloud(rng):
    # One strong coefficient, and many that single bins cannot tell from noise.
    k = support(30, 201, rng)
    values = np.full(201, 0.12)
    values[0] = 1.0
    with pytest.warns(RuntimeWarning, match="not certified"):
        found = sparse_fwht(
            signal_of(k, values, 1.0, rng), 30, 201, 1.0, 0, repetitions=1, max_retries=0
        )
    assert not found.converged


# ---------------------------------------------------------------- parts


def test_hashes_have_full_rank(rng):
    # A random 4 x 4 matrix over GF(2) is singular in 7 of 10 draws.
    for n, b in (*[(4, 4)] * 20, (10, 3), (63, 20)):
        columns = sparse_peeling.random_hash(n, b, rng)
        combinations = np.zeros(1, np.int64)
        for column in columns[:10]:
            combinations = np.concatenate((combinations, combinations ^ column))
        assert len(set(combinations.tolist())) == 2 ** min(b, 10)
        assert columns.dtype == np.int64
        assert columns.min() > 0


def test_folding(rng):
    # U[j, p] = sum over M^T k = j of X[k] (-1)^<d_p, k>, by literal loops.
    n, b = 6, 3
    X = rng.standard_normal(2**n)
    x = hadamard(2**n) @ X
    d = sparse_peeling.offsets(n, 2, rng)
    hashes = [sparse_peeling.random_hash(n, b, rng) for _ in range(2)]
    U = sparse_peeling.bins_of(lambda m: x[m], hashes, d)
    expected = np.zeros((2, 2**b, d.size))
    for c, columns in enumerate(hashes):
        for k in range(2**n):
            j = sum((int(column) & k).bit_count() % 2 << i for i, column in enumerate(columns))
            for p, offset in enumerate(d):
                expected[c, j, p] += X[k] * (-1) ** (int(offset) & k).bit_count()
    assert np.abs(U - expected).max() < 1e-13
    sparse_peeling.subtract(U, hashes, d, np.arange(2**n), X)
    assert np.abs(U).max() < 1e-13


def test_the_plan_uses_the_fewest_samples():
    for k in range(1, 2000):
        groups, bins = _plan(60, k, None, None)
        assert bins & (bins - 1) == 0
        assert bins / k >= 1.3 * peeling_threshold(groups)
        assert groups * bins <= max(24, 3 * 1.3 * k)
    assert _plan(40, 200, None, None) == (4, 128)
    assert _plan(40, 200, 3, None) == (3, 256)
    assert _plan(40, 200, None, 512) == (3, 512)


# ---------------------------------------------------------------- refusals


def test_refusals_of_arguments():
    def signal(m):
        return np.ones(m.size)

    with pytest.raises(ValueError, match="`n` must be at most 63"):
        sparse_fwht(signal, 64, 1)
    with pytest.raises(ValueError, match="non-negative"):
        sparse_fwht(signal, -1, 1)
    with pytest.raises(ValueError, match="0 < k <= 16"):
        sparse_fwht(signal, 4, 17)
    with pytest.raises(ValueError, match="0 < k"):
        sparse_fwht(signal, 40, 0)
    with pytest.raises(ValueError, match="`noise` must be a non-negative number"):
        sparse_fwht(signal, 40, 1, -1.0)
    with pytest.raises(ValueError, match="`groups` must be at least 2"):
        sparse_fwht(signal, 40, 1, groups=1)
    with pytest.raises(ValueError, match="`bins` must be a power of two; got 12"):
        sparse_fwht(signal, 40, 1, bins=12)
    with pytest.raises(ValueError, match="`repetitions`"):
        sparse_fwht(signal, 40, 1, repetitions=0)
    with pytest.raises(TypeError, match="`max_retries` must be an integer"):
        sparse_fwht(signal, 40, 1, max_retries=None)
    with pytest.raises(TypeError, match=r"must be a callable.*ndarray.*transforms\.fwht"):
        sparse_fwht(np.ones(16), 4, 1)
    with pytest.raises(MemoryError, match="more than half"):
        sparse_fwht(signal, 60, 2**40)
    with pytest.raises(MemoryError, match="more than half"):
        sparse_fwht(signal, 40, 2**38)
    with pytest.raises(ValueError, match="at least 2; got 1"):
        peeling_threshold(1)


def test_refusals_of_what_the_signal_returns(monkeypatch):
    with pytest.raises(ValueError, match=r"one value for each index.*\(64,\).*returned shape \(\)"):
        sparse_fwht(lambda m: 1.0, 40, 1)
    with pytest.raises(ValueError, match=r"returned shape \(64, 1\)"):
        sparse_fwht(lambda m: np.ones((m.size, 1)), 40, 1)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="result of `signal` must not contain infs or NaNs"):
            sparse_fwht(lambda m: np.full(m.size, bad), 40, 1)  # noqa: B023
    with pytest.raises(TypeError, match="result of `signal`"):
        sparse_fwht(lambda m: None, 40, 1)
    with pytest.raises(TypeError, match="float16"):
        sparse_fwht(lambda m: np.ones(m.size, np.float16), 40, 1)
    cupy = fake_cupy.install(monkeypatch)
    with pytest.raises(sm.MixedDevicesError, match="NumPy array"):
        sparse_fwht(lambda m: cupy.asarray(np.ones(m.size)), 40, 1)
    with pytest.raises(ZeroDivisionError):  # the caller's own errors pass through
        sparse_fwht(lambda m: 1 // 0, 40, 1)


def test_a_signal_may_overwrite_its_argument(rng):
    k, values = support(40, 5, rng), rng.standard_normal(5)
    exact = signal_of(k, values)

    def signal(m):
        x = exact(m)
        m[:] = 0
        return x

    found = sparse_fwht(signal, 40, 5, rng=0)
    assert found.converged
    assert np.array_equal(found.indices, k)
