"""The elementary families: what everything else is built of.

=========================  =======================================================
`identity`                 Identity: nothing but an order
`zeros`                    Zeros: nothing but a shape
`permutation`              Permutation: rows in another order
`diagonal`                 Diagonal: one number a row
`tridiagonal`              Tridiagonal: three diagonals
`banded`                   Banded: a few diagonals
`triangular`               Triangular: one triangle of an array
`sparse`                   Sparse: compressed rows
`dense`                    Dense: an array
`block_diagonal`           BlockDiagonal: independent blocks along the diagonal
`block`                    Block: a grid of matrices of any kind
`low_rank`                 LowRank: a tall times a wide matrix
`diagonal_plus_low_rank`   DiagonalPlusLowRank: one number a row and a low-rank update
=========================  =======================================================
"""

from structmat.matrices.elementary.banded import Banded
from structmat.matrices.elementary.block import Block
from structmat.matrices.elementary.block_diagonal import BlockDiagonal
from structmat.matrices.elementary.dense import Dense
from structmat.matrices.elementary.diagonal import Diagonal
from structmat.matrices.elementary.diagonal_plus_low_rank import DiagonalPlusLowRank
from structmat.matrices.elementary.identity import Identity
from structmat.matrices.elementary.low_rank import LowRank
from structmat.matrices.elementary.permutation import Permutation
from structmat.matrices.elementary.sparse import Sparse
from structmat.matrices.elementary.triangular import Triangular
from structmat.matrices.elementary.tridiagonal import Tridiagonal
from structmat.matrices.elementary.zeros import Zeros

__all__ = [
    "Banded",
    "Block",
    "BlockDiagonal",
    "Dense",
    "Diagonal",
    "DiagonalPlusLowRank",
    "Identity",
    "LowRank",
    "Permutation",
    "Sparse",
    "Triangular",
    "Tridiagonal",
    "Zeros",
]
