"""Statistics: each figure recomputed by other means than it is computed by, or by statsmodels, SciPy and evalstats."""

from __future__ import annotations

import itertools
import math
import random
from statistics import NormalDist, fmean, variance
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motools.atom.columns import Values
from motools.atom.eval_differences import independent, paired
from motools.statistics import (
    Estimate,
    Newcombe,
    PairedNewcombe,
    Student,
    Wilson,
    holm,
    mean_of,
    of_one,
    of_pairs,
    of_trainings,
    of_two,
    quantile,
    tail,
    welch,
)

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


def columns(first: list[float], second: list[float]) -> tuple[Values, Values]:
    return dict(enumerate(first)), dict(enumerate(second))  # type: ignore[return-value]


# -- means and clusters ------------------------------------------------------------------


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
    assert found.low == pytest.approx(value - 3.182446 * error)
    assert paired(one, two, {}, clusters) == found, "whichever of the two has told of the clusters"


def test_the_error_of_clusters_of_unequal_sizes_is_that_of_a_regression() -> None:
    import statsmodels.api as sm

    rng = random.Random(3)
    for _ in range(20):
        clusters = [rng.randrange(7) for _ in range(30)]
        shared = [rng.gauss(0, 1) for _ in range(7)]
        values = [shared[cluster] + rng.gauss(0, 1) for cluster in clusters]
        mean = mean_of(values, clusters)
        value, error = by_least_squares(values, clusters)
        assert (mean.value, math.sqrt(mean.squared)) == (pytest.approx(value), pytest.approx(error))
        assert mean.units == len(set(clusters))
        fitted = sm.OLS(values, np.ones(30)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
        assert mean.estimate.interval() == pytest.approx(tuple(fitted.conf_int()[0]))
        assert mean.estimate.p() == pytest.approx(fitted.pvalues[0])


def test_clusters_of_one_sample_are_no_clusters() -> None:
    values = [0.1, 0.7, 0.4, 0.9]
    assert mean_of(values, ["a", "b", "c", "d"]) == mean_of(values)


def test_values_without_their_clusters_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        mean_of([0.1, 0.7, 0.4], ["a", "b"])


@pytest.mark.parametrize("freedom", [1, 3, 8])
def test_the_quantile_is_that_of_draws(freedom: int) -> None:
    assert quantile(freedom, 0.95) == pytest.approx(student(freedom, random.Random(freedom)), rel=0.1)


@pytest.mark.parametrize("freedom", [1, 1.5, 2, 4.7, 29, 1e3, 1e6, math.inf])
def test_tails_and_quantiles_are_those_of_scipy(freedom: float) -> None:
    from scipy import stats

    for errors in (-40.0, -1.5, 0.0, 0.1, 1.0, 3.0, 30.0, 38.0):
        assert tail(errors, freedom) == pytest.approx(stats.t.sf(errors, freedom), rel=1e-8)
    assert (tail(math.inf, freedom), tail(-math.inf, freedom)) == (0.0, 1.0)
    for level in (0.6, 0.8, 0.9, 0.95, 0.999999):
        assert quantile(freedom, level) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-8)


def test_other_samples_have_the_interval_and_the_p_of_welch() -> None:
    from scipy import stats

    rng = random.Random(5)
    one, two = [rng.gauss(0, 1) for _ in range(9)], [rng.gauss(1, 3) for _ in range(14)]
    found, told = of_two(one, two), stats.ttest_ind(two, one, equal_var=False)
    assert found.interval() == pytest.approx(tuple(told.confidence_interval()))
    assert (found.p(), found.freedom) == (pytest.approx(told.pvalue), pytest.approx(told.df))


def test_the_same_samples_have_the_interval_and_the_p_of_their_differences() -> None:
    from scipy import stats

    rng = random.Random(6)
    one = [rng.gauss(0, 3) for _ in range(11)]
    two = [value + rng.gauss(0.3, 1) for value in one]
    found, told = of_pairs(one, two), stats.ttest_rel(two, one)
    assert found.interval() == pytest.approx(tuple(told.confidence_interval()))
    assert found.p() == pytest.approx(told.pvalue)


def test_one_cluster_shows_nothing() -> None:
    clusters: Any = dict.fromkeys(range(4), "all")
    found = paired(*columns([0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]), clusters)
    assert found is not None
    assert (found.low, found.high, found.clusters) == (None, None, (1, 1))
    said = found.questions
    assert (said.p, said.at_most, said.detectable) == (None, None, None)
    assert Student(0.5, 0.0, 3).p_within(0.1) is None


def test_other_samples_in_clusters_have_welchs_interval_of_the_clusters() -> None:
    one, two = [0.1, 0.2, 0.5, 0.9, 0.4, 0.3], [0.5, 0.7, 0.9, 0.8]
    clusters: tuple[Any, Any] = (dict(enumerate("aabbcc")), dict(enumerate("ddee")))
    found = independent(*columns(one, two), *clusters)
    assert found is not None
    parts = [by_least_squares(values, [*group.values()]) for values, group in zip((one, two), clusters, strict=True)]
    squared = [error**2 for _, error in parts]
    freedom = sum(squared) ** 2 / (squared[0] ** 2 / 2 + squared[1] ** 2 / 1)
    half = quantile(freedom, 0.95) * math.sqrt(sum(squared))
    assert (found.low, found.high) == (pytest.approx(found.value - half), pytest.approx(found.value + half))
    assert found.clusters == (3, 2)


def test_what_is_left_of_rounding_is_no_spread() -> None:
    assert mean_of([0.1] * 6, ["a", "a", "b", "b", "c", "c"]).squared == 0.0
    assert mean_of([0.1] * 5 + [0.1 + 1e-9], ["a", "a", "b", "b", "c", "c"]).squared > 0.0


def test_of_two_means_one_may_be_without_spread() -> None:
    found = welch(mean_of([0.5, 0.5, 0.5]), mean_of([0.0, 1.0, 1.0, 0.0]))
    assert found.freedom == pytest.approx(3)


def test_two_means_without_spread_have_no_welch_interval() -> None:
    assert welch(mean_of([0.5, 0.5]), mean_of([0.25, 0.25])).interval() is None


# -- shares ------------------------------------------------------------------------------


@pytest.mark.parametrize(("hits", "count"), [(0, 50), (50, 50), (1, 8), (10, 20), (0, 1)])
def test_wilsons_interval_holds_the_shares_that_a_test_would_not_reject(hits: int, count: int) -> None:
    from statsmodels.stats.proportion import proportion_confint

    share = of_one([1.0] * hits + [0.0] * (count - hits))
    assert isinstance(share, Wilson)
    low, high = share.interval()
    for at in np.linspace(0.0005, 0.9995, 1000):
        kept = abs(hits / count - at) <= Z * math.sqrt(at * (1 - at) / count)
        assert kept == (low <= at <= high)
    assert (low, high) == pytest.approx(proportion_confint(hits, count, method="wilson"), abs=1e-12)


def test_no_hit_of_fifty_leaves_7_percent_open_and_all_of_fifty_as_much() -> None:
    assert of_one([0.0] * 50).interval() == (0.0, pytest.approx(Z * Z / (50 + Z * Z)))
    assert of_one([1.0] * 50).interval() == (pytest.approx(50 / (50 + Z * Z)), 1.0)


def test_newcombes_intervals_are_those_of_the_published_examples() -> None:
    # 56 of 70 and 48 of 80: the first example of the paper, whose difference is the first less the second
    assert Newcombe.of((48, 56), (80, 70)).interval() == pytest.approx((0.0524, 0.3339), abs=1e-4)
    # 1, 1, 7 and 12: Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014) 2850, table V
    assert PairedNewcombe.of_table(1, 7, 1, 21).interval() == pytest.approx((-0.507, -0.026), abs=5e-4)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_newcombes_interval_is_that_of_statsmodels(count: int, other: int, data: st.DataObject) -> None:
    from statsmodels.stats.proportion import confint_proportions_2indep

    hits = data.draw(st.integers(0, count)), data.draw(st.integers(0, other))
    told = confint_proportions_2indep(hits[1], other, hits[0], count, method="newcomb", compare="diff")
    assert Newcombe.of(hits, (count, other)).interval() == pytest.approx(told, abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_newcombes_interval_of_pairs_is_that_of_evalstats(pairs: list[tuple[bool, bool]]) -> None:
    from evalstats.core.resampling import newcombe_mover_paired_ci

    one, two = ([float(pair[i]) for pair in pairs] for i in (0, 1))
    told = newcombe_mover_paired_ci(np.array(two), np.array(one), 0.05)
    assert of_pairs(one, two).interval() == pytest.approx(told, abs=1e-9)


def test_no_hit_in_either_of_fifty_has_an_interval_and_all_in_both_too() -> None:
    for value in (0.0, 1.0):
        same, other = (between(*columns([value] * 50, [value] * 50)) for between in (paired, independent))
        for found in (same, other):
            assert found is not None
            assert (found.low, found.high) == (
                pytest.approx(-Z * Z / (50 + Z * Z)),
                pytest.approx(Z * Z / (50 + Z * Z)),
            )
            assert found.questions.p == 1.0


def test_clusters_of_one_mind_count_as_one_draw_each() -> None:
    clusters: Any = {number: number // 10 for number in range(50)}
    found = paired(*columns([0.0] * 50, [0.0] * 50), clusters)
    assert found is not None
    assert found.high == pytest.approx(Z * Z / (5 + Z * Z))
    apart = independent(*columns([0.0] * 50, [1.0] * 50), clusters, clusters)
    assert apart is not None
    assert (apart.low, apart.high) == Newcombe.of((0, 5), (5, 5)).interval()
    assert of_one([1.0] * 50, [*clusters.values()]).interval() == (pytest.approx(5 / (5 + Z * Z)), 1.0)
    halves = [float(number % 2) for number in range(50)]
    alike = of_pairs(halves, halves, [*clusters.values()]).interval()
    assert alike is not None
    assert alike == (pytest.approx(-alike[1]), pytest.approx(PairedNewcombe.of_table(2.5, 0, 0, 5).interval()[1]))


def test_a_share_in_clusters_is_of_as_many_draws_as_have_its_error() -> None:
    """Recomputed: the shares that are fewer of their own standard errors away than Student's quantile."""
    rng = random.Random(9)
    clusters = [number // 5 for number in range(40)]
    ease = [rng.random() for _ in range(8)]
    values = [float(rng.random() < ease[cluster]) for cluster in clusters]
    value, error = by_least_squares(values, clusters)
    found = of_one(values, clusters).interval()
    assert found is not None
    draws = value * (1 - value) / error**2
    assert draws < 40
    for at in np.linspace(0.0005, 0.9995, 1000):
        kept = abs(value - at) <= quantile(7, 0.95) * math.sqrt(at * (1 - at) / draws)
        assert kept == (found[0] <= at <= found[1])


def test_one_training_of_a_recipe_shows_nothing_of_others() -> None:
    assert of_trainings([0.1, 0.2], [0.3], paired=False) is None
    assert of_trainings([0.3], [0.1, 0.2], paired=False) is None


def test_one_cluster_shows_nothing_though_all_its_answers_are_alike() -> None:
    ones, zeros, clusters = [1.0] * 3, [0.0] * 3, [0] * 3
    assert of_one(ones, clusters).interval() is None
    assert of_pairs(zeros, ones, clusters).interval() is None
    assert of_two(zeros, ones, clusters, clusters).interval() is None


def test_the_ends_of_the_interval_of_a_share_lie_as_many_standard_errors_of_theirs_away_as_its_level_says() -> None:
    share = Wilson(0.8, 10)
    assert [share.score(end) for end in share.interval()] == pytest.approx([1.959964, -1.959964], abs=1e-6)
    assert (share.score(0.5), share.score(0.8)) == pytest.approx((0.3 / math.sqrt(0.25 / 10), 0.0))
    assert [share.score(0.0), share.score(1.0), Wilson(1.0, 10).score(1.0)] == [math.inf, -math.inf, 0.0]


def test_a_share_in_two_clusters_is_of_one_degree_of_freedom_and_stays_between_0_and_1() -> None:
    values, clusters = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [0, 0, 0, 1, 1, 1]
    value, error = by_least_squares(values, clusters)
    found = of_one(values, clusters).interval()
    assert found is not None
    assert 0 <= found[0] < value < found[1] <= 1
    assert found == pytest.approx(Wilson(value, value * (1 - value) / error**2, 1).interval())


@pytest.mark.parametrize(("size", "squared"), [(2, 1 / (4 * 40**2)), (5, 8 * 0.5**2 / 40**2 * 8 / 7)])
def test_clusters_that_are_more_alike_than_chance_have_the_error_that_was_seen(size: int, squared: float) -> None:
    found = of_one([1.0, 0.0] * 20, [number // size for number in range(40)]).interval()
    more = quantile(40 / size - 1, 0.95) ** 2 / (0.25 / squared)
    assert found is not None
    half = math.sqrt(more / 4 + more**2 / 4) / (1 + more)
    assert found == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))


# -- what follows from an estimate -------------------------------------------------------

ESTIMATES = st.one_of(
    st.builds(Student, st.floats(-3, 3), st.floats(0.01, 4), st.floats(1, 50)),
    st.builds(lambda a, b: Newcombe.of((min(a, 20), min(b, 30)), (20, 30)), st.integers(0, 20), st.integers(0, 30)),
    st.builds(
        lambda pairs: of_pairs([float(a) for a, _ in pairs], [float(b) for _, b in pairs]),
        st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=30),
    ),
)


@given(ESTIMATES, st.floats(-1, 1), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_p_is_small_where_the_interval_does_not_reach_and_only_there(
    estimate: Estimate, at: float, level: float
) -> None:
    ends, p = estimate.interval(level), estimate.p(at)
    assert ends is not None
    assert p is not None
    if min(abs(at - end) for end in ends) > 1e-6:
        assert (ends[0] < at < ends[1]) == (p > 1 - level)


@given(ESTIMATES, st.floats(0.01, 1))
def test_no_more_than_a_margin_is_what_two_one_sided_tests_say(estimate: Estimate, margin: float) -> None:
    p, most, ends = estimate.p_within(margin), estimate.at_most(), estimate.interval(0.9)
    assert p is not None
    assert most is not None
    assert ends is not None
    if abs(margin - most) > 1e-6:
        assert (p < 0.05) == (most < margin) == (-margin < ends[0] and ends[1] < margin)


def test_equivalence_is_that_of_statsmodels() -> None:
    from statsmodels.stats.weightstats import ttost_paired

    rng = random.Random(2)
    one = [rng.gauss(0, 1) for _ in range(20)]
    two = [value + rng.gauss(0, 0.3) for value in one]
    for margin in (0.05, 0.2, 0.4):
        told = ttost_paired(np.array(two), np.array(one), -margin, margin)[0]
        assert of_pairs(one, two).p_within(margin) == pytest.approx(told)


def test_holms_p_of_18_comparisons_is_that_of_all_their_families() -> None:
    """By closed testing: the largest that Bonferroni gives in any family that a comparison is in."""
    from statsmodels.stats.multitest import multipletests

    rng = random.Random(18)
    values = [rng.random() ** 4 for _ in range(15)] + [0.001, 0.001, 0.9]
    families = (np.arange(1, 2**18)[:, None] >> np.arange(18)) & 1 > 0
    sizes = families.sum(axis=1)
    bonferroni = np.minimum(1, sizes * np.where(families, values, 2).min(axis=1))
    closed = [float(bonferroni[families[:, place]].max()) for place in range(18)]
    assert holm(values) == pytest.approx(closed)
    assert holm(values) == pytest.approx(list(multipletests(values, method="holm")[1]))
    assert holm([]) == []


def test_what_is_detectable_of_many_samples_is_that_of_the_power_tables() -> None:
    from statsmodels.stats.power import TTestPower

    rng = random.Random(4)
    for count in (12, 60):
        apart = [rng.gauss(0, 2) for _ in range(count)]
        told = TTestPower().solve_power(nobs=count, alpha=0.05, power=0.8) * math.sqrt(variance(apart))
        assert mean_of(apart).estimate.detectable() == pytest.approx(told, rel=0.02)
    many = Student(0.0, 1.0, math.inf)
    assert many.detectable() == pytest.approx(2.8016, abs=1e-4)


@pytest.mark.parametrize(("first", "loss"), [(0, 0), (50, 0), (10, 0), (10, 4), (40, 3), (25, 6)])
def test_8_in_10_differences_of_shares_of_the_detectable_size_are_noticed(first: int, loss: int) -> None:
    """Exactly: every table that may come of it, with its probability."""
    least = PairedNewcombe.of_table(first - loss, loss, loss, 50).detectable()
    assert least is not None
    loss, gain = (loss / 50, loss / 50 + least) if first <= 25 else (loss / 50 + least, loss / 50)
    noticed = sum(
        math.comb(50, losses) * loss**losses * math.comb(50 - losses, gains) * gain**gains
        * (1 - loss - gain) ** (50 - losses - gains)
        for losses in range(51) for gains in range(51 - losses)
        if (table := PairedNewcombe.of_table(max(first - losses, 0), losses, gains, 50)).hits[1] <= 50
        and not (ends := table.interval())[0] <= 0 <= ends[1]
    )  # fmt: skip
    assert noticed == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize(("hits", "counts"), [(0, (50, 80)), (50, (50, 80)), (20, (50, 50)), (3, (12, 30))])
def test_so_are_those_of_other_samples(hits: int, counts: tuple[int, int]) -> None:
    share = hits / counts[0]
    least = Newcombe.of((hits, round(share * counts[1])), counts).detectable()
    assert least is not None
    other = share + least if share <= 0.5 else share - least
    noticed = sum(
        math.comb(counts[0], a) * share**a * (1 - share) ** (counts[0] - a)
        * math.comb(counts[1], b) * other**b * (1 - other) ** (counts[1] - b)
        for a in range(counts[0] + 1) for b in range(counts[1] + 1)
        if not (ends := Newcombe.of((a, b), counts).interval())[0] <= 0 <= ends[1]
    )  # fmt: skip
    assert noticed == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize("first", [3, 18, 24])
def test_what_is_detectable_is_the_same_of_hits_and_of_misses(first: int) -> None:
    hits, misses = (PairedNewcombe.of_table(each - 3, 3, 3, 50) for each in (first, 50 - first))
    assert hits.detectable() == pytest.approx(misses.detectable(), rel=1e-9)
    hits, misses = (Newcombe.of((each, each), (50, 50)) for each in (first, 50 - first))
    assert hits.detectable() == pytest.approx(misses.detectable(), rel=1e-9)


def test_of_three_samples_no_difference_would_be_noticed() -> None:
    assert of_pairs([0.0, 1.0, 0.0], [1.0, 1.0, 0.0]).detectable() is None
    assert of_two([0.0, 1.0], [1.0, 1.0]).detectable() is None


# -- trainings ---------------------------------------------------------------------------


def test_three_trainings_each_are_three_draws_each() -> None:
    from scipy import stats

    control, organism = [0.10, 0.20, 0.12], [0.50, 0.35, 0.62]
    found, told = of_trainings(control, organism, False), stats.ttest_ind(organism, control, equal_var=False)
    assert found is not None
    assert found.interval() == pytest.approx(tuple(told.confidence_interval()))
    by_seed, told = of_trainings(control, organism, True), stats.ttest_rel(organism, control)
    assert by_seed is not None
    assert (by_seed.interval(), by_seed.freedom) == (pytest.approx(tuple(told.confidence_interval())), 2)


def test_a_model_that_was_not_trained_is_no_draw_and_one_training_tells_of_no_other() -> None:
    from scipy import stats

    organism = [0.50, 0.35, 0.62]
    found, told = of_trainings([0.1], organism, False, (True, False)), stats.ttest_1samp(organism, 0.1)
    assert found is not None
    low, high = told.confidence_interval()
    assert found.interval() == pytest.approx((low - 0.1, high - 0.1))
    back = of_trainings(organism, [0.1], False, (False, True))
    assert back is not None
    assert back.interval() == pytest.approx((0.1 - high, 0.1 - low))
    assert of_trainings([0.1], organism, False) is None
    assert of_trainings([0.1], [0.5], False, (True, False)) is None


# -- coverage ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [8, 20, 100])
def test_intervals_of_shares_hold_the_truth_95_times_in_100_over_all_truths(count: int) -> None:
    """Exactly, not by drawing: every outcome with its probability, for truths drawn evenly."""
    truths = [(number + 0.5) / 40 for number in range(40)]
    ends = [Wilson(hits / count, count).interval() for hits in range(count + 1)]
    held = fmean(
        sum(math.comb(count, hits) * p**hits * (1 - p) ** (count - hits) for hits in range(count + 1)
            if ends[hits][0] <= p <= ends[hits][1])
        for p in truths
    )  # fmt: skip
    assert 0.94 <= held <= 0.97


@pytest.mark.parametrize("count", [8, 20])
def test_paired_intervals_of_shares_hold_the_truth_95_times_in_100_over_all_truths(count: int) -> None:
    """Likewise, for two shares drawn evenly, and for the four cells of their table drawn evenly."""
    tables = [t for t in itertools.product(range(count + 1), repeat=3) if sum(t) <= count]
    ends = np.array([PairedNewcombe.of_table(*table, count).interval() for table in tables])
    seen = np.array([[*table, count - sum(table)] for table in tables])
    ways = np.array([math.lgamma(count + 1) - sum(math.lgamma(n + 1) for n in row) for row in seen])
    rng = np.random.default_rng(0)
    even = [(p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)) for p, q in rng.random((400, 2))]
    for truths in (even, rng.dirichlet([1, 1, 1, 1], 400)):
        held = []
        for cells in truths:
            chances, truth = np.exp(ways + seen @ np.log(cells)), cells[2] - cells[1]
            held.append(chances[(ends[:, 0] <= truth) & (truth <= ends[:, 1])].sum())
        assert 0.94 <= fmean(held) <= 0.97
