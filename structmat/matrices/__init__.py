"""The families. Importing this package loads all of them and fills the tables of rules."""

from structmat.matrices import (
    chain,
    construct,
    conversions,
    displacement,
    elementary,
    foreign,
    fourier,
    inverse,
    io,
    kronecker,
    lazy,
    real,
)

__all__ = [
    "chain",
    "construct",
    "conversions",
    "displacement",
    "elementary",
    "foreign",
    "fourier",
    "inverse",
    "io",
    "kronecker",
    "lazy",
    "real",
]
