"""One thread for BLAS (set before NumPy is imported), Hypothesis profiles, exhaustive runs."""

import os

for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

_COMMON = {
    "deadline": None,  # the first call of a kernel compiles
    "derandomize": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("default", max_examples=50, **_COMMON)
settings.register_profile("exhaustive", max_examples=1000, **_COMMON)


def pytest_addoption(parser):
    parser.addoption(
        "--exhaustive", action="store_true", help="draw 1,000 examples a property instead of 50"
    )


def pytest_configure(config):
    settings.load_profile("exhaustive" if config.getoption("--exhaustive") else "default")


@pytest.fixture
def rng():
    import numpy as np

    return np.random.default_rng(20240229)
