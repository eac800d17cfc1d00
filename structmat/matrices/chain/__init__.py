"""Chains of Kronecker-sparse factors: Monarch, butterfly and what they have in common.

A factor of the pattern (a, b, c, d) has the support ``I_a (x) ones(b, c) (x) I_d``: a d dense
blocks of b x c, interleaved. It is stored as an array ``values`` of shape (a, d, b, c), so that the
product is one batched matrix product, with the entry rule::

    F[i b d + j d + l, i c d + k d + l] = values[i, l, j, k]

The pattern (2, 2, 2, 2); (1, 2, 2, 4), which strides; and (4, 2, 2, 1), which is block-diagonal::

    [x . x . . . . .]    [x . . . x . . .]    [x x . . . . . .]
    [. x . x . . . .]    [. x . . . x . .]    [x x . . . . . .]
    [x . x . . . . .]    [. . x . . . x .]    [. . x x . . . .]
    [. x . x . . . .]    [. . . x . . . x]    [. . x x . . . .]
    [. . . . x . x .]    [x . . . x . . .]    [. . . . x x . .]
    [. . . . . x . x]    [. x . . . x . .]    [. . . . x x . .]
    [. . . . x . x .]    [. . x . . . x .]    [. . . . . . x x]
    [. . . . . x . x]    [. . . x . . . x]    [. . . . . . x x]

Two factors are **chainable** when ``a1 | a2``, ``d2 | d1`` and ``r = a1 c1 / a2 = b2 d2 / d1`` is
an integer. Their product then has the pattern ``(a1, b1 d1 / d2, a2 c2 / a1, d2)``, and its blocks
fall into disjoint slices of rank r [1]_: the product of chainable factors is exactly the set of
matrices whose slices have these ranks. The mirror image, with rows and columns exchanged, is
chainable as well. The three factors above, in the order 2, 1, 3, are the butterfly of order 8.

================  ==================================================================================
class             matrix
================  ==================================================================================
KroneckerSparse   one factor
Chain             F_1 F_2 ... F_L of any factors and permutations, or its leading part
Butterfly         a chain of chainable factors; square, 2 x 2 blocks: the classical butterfly
Monarch           two chainable factors with a = 1 on the left, d = 1 on the right, any block rank
================  ==================================================================================

Kronecker products, low-rank and block-diagonal matrices, the fast Fourier transform and its
relatives are chains. A product of L factors costs the sum of ``2 a b c d``.

References
----------
.. [1] L. Zheng, Q.-T. Le, E. Riccietti and R. Gribonval, Butterfly factorization with error
   guarantees, SIAM J. Matrix Anal. Appl. 46(4), 2025.
"""

from structmat.matrices.chain import rules
from structmat.matrices.chain.butterfly import Butterfly
from structmat.matrices.chain.exact import (
    constructors,
    convolutions,
    random_features,
    trigonometric,
)
from structmat.matrices.chain.exact.causal import causal_monarch, causality_leak, monarch_mix
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse
from structmat.matrices.chain.matrix import Chain
from structmat.matrices.chain.monarch import Monarch

__all__ = [
    "Butterfly",
    "Chain",
    "KroneckerSparse",
    "Monarch",
    "causal_monarch",
    "causality_leak",
    "constructors",
    "convolutions",
    "monarch_mix",
    "random_features",
    "rules",
    "trigonometric",
]
