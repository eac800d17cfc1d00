"""Chains for matrices without exact factors, and the factors of a Monarch product."""

from structmat.matrices.chain.learn.learned import fit_butterfly
from structmat.matrices.chain.learn.mm_star import factor_mm_star

__all__ = ["factor_mm_star", "fit_butterfly"]
