"""The nearest chain to a dense matrix, with a two-sided bracket of its error."""
