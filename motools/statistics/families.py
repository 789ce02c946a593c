"""Families: what many comparisons at once may claim."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

__all__ = ["holm"]


def holm(values: Sequence[float]) -> list[float]:
    """The p of each comparison of a family, adjusted: what is below 0.05 then has one false claim among them in 20
    families at most, however they depend on one another. Holm, Scandinavian J. of Statistics 6 (1979) 65."""
    ranked = sorted(range(len(values)), key=values.__getitem__)
    bounds = (min(1.0, (len(values) - rank) * values[place]) for rank, place in enumerate(ranked))
    adjusted = dict(zip(ranked, accumulate(bounds, max), strict=True))
    return [adjusted[place] for place in range(len(values))]
