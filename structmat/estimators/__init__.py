"""Estimators: statistics that run on structured matrices, in the manner of scikit-learn.

Constructors store their arguments and nothing else; ``fit`` learns attributes whose names end in an
underscore.

=====  =====================================================================
`gp`   exact Gaussian processes on any structured covariance
=====  =====================================================================
"""

from structmat.estimators import gp

__all__ = ["gp"]
