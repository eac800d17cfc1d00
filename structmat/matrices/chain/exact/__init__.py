"""Chains that are exactly a known matrix: fast transforms, convolutions, random features."""
