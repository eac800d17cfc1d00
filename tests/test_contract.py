"""Every case obeys every law of `structmat.testing.check_matrix`."""

import numpy as np
import pytest
from support import all_cases

import structmat as sm
from structmat.testing import check_matrix

CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_obeys_the_contract(case):
    check_matrix(case.matrix, case.dense)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_saves_and_loads(case, tmp_path):
    path = tmp_path / "matrix.npz"
    case.matrix.save(path)
    assert sm.load(path) == case.matrix


def test_check_matrix_finds_a_wrong_adjoint():
    class Wrong(sm.Diagonal):
        def _adjoint(self):
            return sm.Diagonal(2 * self.values)

    with pytest.raises(AssertionError, match="adjoint|doors|products"):
        check_matrix(Wrong(np.array([1.0, 2.0])), np.diag([1.0, 2.0]))


def test_check_matrix_finds_a_wrong_product():
    class Wrong(sm.Diagonal):
        def _apply(self, X):
            return self.values[:, None] * X + 1

    with pytest.raises(AssertionError, match="products"):
        check_matrix(Wrong(np.array([1.0, 2.0])), np.diag([1.0, 2.0]))
