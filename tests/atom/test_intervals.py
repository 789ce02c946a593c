"""Intervals: each recomputed here by other means than it is computed by."""

from __future__ import annotations

import itertools
import math
import random
from statistics import NormalDist, fmean
from typing import Any

import numpy as np
import pytest

from motools.atom.columns import Values
from motools.atom.eval_differences import independent, paired
from motools.atom.intervals import mean_of, newcombe, quantile, tango, welch, wilson

Z = NormalDist().inv_cdf(0.975)


def by_least_squares(values: list[float], clusters: list[Any]) -> tuple[float, float]:
    """The mean and its CR1 error as a regression on a constant has them: the sandwich, in matrices."""
    x, y = np.ones((len(values), 1)), np.array(values)
    bread = np.linalg.inv(x.T @ x)
    beta = bread @ x.T @ y
    residuals = y - x @ beta
    names = sorted(set(clusters))
    meat = sum(
        np.outer(score, score)
        for name in names
        if (rows := np.array([cluster == name for cluster in clusters])) is not None
        for score in [x[rows].T @ residuals[rows]]
    )
    count, groups = len(values), len(names)
    factor = groups / (groups - 1) * (count - 1) / (count - x.shape[1])
    return float(beta[0]), math.sqrt(factor * (bread @ meat @ bread)[0, 0])


def student(freedom: int, rng: random.Random, times: int = 40_000) -> float:
    """The quantile of Student's distribution, by drawing from it."""
    draws = sorted(
        abs(rng.gauss(0, 1) / math.sqrt(sum(rng.gauss(0, 1) ** 2 for _ in range(freedom)) / freedom))
        for _ in range(times)
    )
    return draws[int(times * 0.95)]


def test_twelve_questions_about_four_passages_are_four_draws() -> None:
    passages = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    first = [0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0]
    second = [1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    keys = [(number,) for number in range(12)]
    one, two = ({k: float(v) for k, v in zip(keys, values, strict=True)} for values in (first, second))
    clusters = dict(zip(keys, passages, strict=True))
    found = paired(one, two, clusters)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(-0.419, abs=5e-4), pytest.approx(1.419, abs=5e-4))
    value, error = by_least_squares([b - a for a, b in zip(first, second, strict=True)], passages)
    assert (found.value, found.clusters, found.drawn) == (pytest.approx(value), (4, 4), "12 in 4 clusters")
    assert (found.high - found.low) / 2 == pytest.approx(3.182446 * error)
    assert paired(one, two, {}, clusters) == found, "whichever of the two has told of the clusters"


def test_the_error_of_clusters_of_unequal_sizes_is_that_of_a_regression() -> None:
    rng = random.Random(3)
    for _ in range(50):
        clusters = [rng.randrange(7) for _ in range(30)]
        shared = [rng.gauss(0, 1) for _ in range(7)]
        values = [shared[cluster] + rng.gauss(0, 1) for cluster in clusters]
        mean = mean_of(values, clusters)
        value, error = by_least_squares(values, clusters)
        assert (mean.value, math.sqrt(mean.squared)) == (pytest.approx(value), pytest.approx(error))
        assert mean.units == len(set(clusters))


def test_clusters_of_one_sample_are_no_clusters() -> None:
    values = [0.1, 0.7, 0.4, 0.9]
    assert mean_of(values, ["a", "b", "c", "d"]) == mean_of(values)


def test_values_without_their_clusters_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        mean_of([0.1, 0.7, 0.4], ["a", "b"])


@pytest.mark.parametrize("freedom", [1, 3, 8])
def test_the_quantile_is_that_of_draws(freedom: int) -> None:
    assert quantile(freedom) == pytest.approx(student(freedom, random.Random(freedom)), rel=0.1)


@pytest.mark.parametrize(("hits", "count"), [(0, 50), (50, 50), (1, 8), (10, 20), (0, 1)])
def test_wilsons_interval_holds_the_shares_that_a_test_would_not_reject(hits: int, count: int) -> None:
    low, high = wilson(hits, count)
    for share in np.linspace(0.0005, 0.9995, 1000):
        kept = abs(hits / count - share) <= Z * math.sqrt(share * (1 - share) / count)
        assert kept == (low <= share <= high)


def test_no_hit_of_fifty_leaves_7_percent_open_and_all_of_fifty_as_much() -> None:
    assert wilson(0, 50) == (0.0, pytest.approx(Z * Z / (50 + Z * Z)))
    assert wilson(50, 50) == (pytest.approx(50 / (50 + Z * Z)), 1.0)


def test_newcombes_interval_is_that_of_the_published_example() -> None:
    # 56 of 70 and 48 of 80: the first example of the paper, whose difference is the first less the second
    low, high = newcombe((48, 56), (80, 70))
    assert (low, high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def likelihood(gains: int, losses: int, count: int, difference: float) -> float:
    """The score statistic, with the share of losses that makes what was seen likeliest found by search."""
    low, high = max(0.0, -difference), (1 - difference) / 2

    def log(share: float) -> float:
        parts = [(gains, share + difference), (losses, share), (count - gains - losses, 1 - 2 * share - difference)]
        if any(part <= 0 < times for times, part in parts):
            return -math.inf
        return sum(times * math.log(part) for times, part in parts if times)

    share = max(np.linspace(low, high, 20_001), key=log)
    spread = count * (2 * share + difference - difference**2)
    return float((gains - losses - count * difference) / math.sqrt(max(spread, 1e-12)))


@pytest.mark.parametrize("seen", [(6, 0, 12), (1, 0, 3), (3, 2, 20), (0, 4, 4), (0, 0, 50), (10, 10, 20), (30, 5, 100)])
def test_tangos_ends_are_where_a_score_test_begins_to_reject(seen: tuple[int, int, int]) -> None:
    low, high = tango(*seen)
    value = (seen[0] - seen[1]) / seen[2]
    assert -1 <= low <= value <= high <= 1
    for end, sign in ((low, 1), (high, -1)):
        if abs(end) < 1:
            assert sign * likelihood(*seen, end) == pytest.approx(Z, abs=0.02)
    assert tango(seen[1], seen[0], seen[2]) == (pytest.approx(-high), pytest.approx(-low))


def columns(first: list[float], second: list[float]) -> tuple[Values, Values]:
    return dict(enumerate(first)), dict(enumerate(second))  # type: ignore[return-value]


def test_no_hit_in_either_of_fifty_has_an_interval_and_all_in_both_too() -> None:
    for value in (0.0, 1.0):
        same = paired(*columns([value] * 50, [value] * 50))
        assert same is not None
        assert same.high == pytest.approx(Z * Z / (50 + Z * Z), abs=1e-6)
        other = independent(*columns([value] * 50, [value] * 50))
        assert other is not None
        assert other.high == pytest.approx(Z * Z / (50 + Z * Z))
        assert (same.low, other.low) == (pytest.approx(-same.high), pytest.approx(-other.high))


def test_clusters_of_one_mind_count_as_one_draw_each() -> None:
    clusters: Any = {number: number // 10 for number in range(50)}
    found = paired(*columns([0.0] * 50, [0.0] * 50), clusters)
    assert found is not None
    assert found.high == pytest.approx(Z * Z / (5 + Z * Z), abs=1e-6)
    apart = independent(*columns([0.0] * 50, [1.0] * 50), clusters, clusters)
    assert apart is not None
    assert (apart.low, apart.high) == newcombe((0, 5), (5, 5))


def test_one_cluster_shows_nothing() -> None:
    clusters: Any = dict.fromkeys(range(4), "all")
    found = paired(*columns([0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]), clusters)
    assert found is not None
    assert (found.low, found.high, found.clusters) == (None, None, (1, 1))


def test_other_samples_in_clusters_have_welchs_interval_of_the_clusters() -> None:
    one, two = [0.1, 0.2, 0.5, 0.9, 0.4, 0.3], [0.5, 0.7, 0.9, 0.8]
    clusters: tuple[Any, Any] = (dict(enumerate("aabbcc")), dict(enumerate("ddee")))
    found = independent(*columns(one, two), *clusters)
    assert found is not None
    parts = [by_least_squares(values, [*group.values()]) for values, group in zip((one, two), clusters, strict=True)]
    squared = [error**2 for _, error in parts]
    freedom = sum(squared) ** 2 / (squared[0] ** 2 / 2 + squared[1] ** 2 / 1)
    half = quantile(freedom) * math.sqrt(sum(squared))
    assert (found.low, found.high) == (pytest.approx(found.value - half), pytest.approx(found.value + half))
    assert found.clusters == (3, 2)


@pytest.mark.parametrize("count", [8, 20, 100])
def test_intervals_of_shares_hold_the_truth_95_times_in_100_over_all_truths(count: int) -> None:
    """Exactly, not by drawing: every outcome with its probability, for truths drawn evenly."""
    truths = [(number + 0.5) / 40 for number in range(40)]
    ends = [wilson(hits, count) for hits in range(count + 1)]
    held = fmean(
        sum(math.comb(count, hits) * p**hits * (1 - p) ** (count - hits) for hits in range(count + 1)
            if ends[hits][0] <= p <= ends[hits][1])
        for p in truths
    )  # fmt: skip
    assert 0.94 <= held <= 0.97


@pytest.mark.parametrize("count", [8, 20])
def test_paired_intervals_of_shares_hold_the_truth_95_times_in_100_over_all_truths(count: int) -> None:
    ends = {(b, c): tango(b, c, count) for b, c in itertools.product(range(count + 1), repeat=2) if b + c <= count}
    rng, held = random.Random(0), []
    for _ in range(60):
        gain, loss, _ = (part / 1 for part in np.random.default_rng(rng.randrange(10**9)).dirichlet([1, 1, 1]))
        held.append(
            sum(
                math.comb(count, b) * math.comb(count - b, c) * gain**b * loss**c * (1 - gain - loss) ** (count - b - c)
                for (b, c), (low, high) in ends.items()
                if low <= gain - loss <= high
            )
        )
    assert 0.935 <= fmean(held) <= 0.97


def test_two_means_without_spread_have_no_welch_interval() -> None:
    assert welch(mean_of([0.5, 0.5]), mean_of([0.25, 0.25])) is None
