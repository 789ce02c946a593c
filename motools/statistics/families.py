"""Families: what many comparisons at once may claim."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["holm"]


def holm(values: Sequence[float]) -> list[float]:
    """The p of each comparison of a family, adjusted: what is below 0.05 then has one false claim among them in 20
    families at most, however they depend on one another. Holm, Scandinavian J. of Statistics 6 (1979) 65."""
    adjusted, most = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        most = max(most, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = most
    return adjusted
