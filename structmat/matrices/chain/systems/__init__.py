"""Linear algebra of chains: systems, least squares, spectra."""
