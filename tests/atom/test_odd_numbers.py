"""Comparisons of odd scores and few draws, each figure computed again by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, variance
from typing import Any

import pytest

from motools.atom import EvalAtom, compare
from motools.atom.columns import as_number, columns_of
from motools.statistics import mean_of, of_one, of_pairs, of_two

T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}
"""Student's quantile of 95 %, two-sided, by degrees of freedom, as printed in tables."""


def evaluation(
    folder: Path, name: str, scores: Mapping[Any, Any], mean: float | None, metric: str = "mean", **more: Any
) -> EvalAtom:
    """Of a task with one score, as evaluations are written: id -> value, or the values of its epochs as a tuple."""
    made = folder / name
    made.mkdir()
    lines = [
        {"id": id, "epoch": epoch, "input": f"q{id}", "scores": {"of": {"value": value, **_cluster(id, more)}}}
        | ({"clusters": {"passage": more["passages"][id]}} if "passages" in more else {})
        for id, values in scores.items()
        for epoch, value in enumerate(values if isinstance(values, tuple) else (values,), 1)
    ]
    (made / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (made / "metrics.json").write_text(json.dumps({"task": {"of": {metric: mean}}}))
    return EvalAtom.create(user="ada", artifact_path=made, made_from={}, metadata={"name": name})


def _cluster(id: Any, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"cluster": "passage"} if "passages" in more else {}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (True, 1.0),
        (False, 0.0),
        ("C", 1.0),
        ("P", 0.5),
        ("N", 0.0),
        ("Yes", 1.0),
        ("0.25", 0.25),
        ("-3", -3.0),
        ("nothing", 0.0),
        (None, None),
        ([1, 0], None),
        ({"a": 1}, None),
        (10**400, None),
        (-(10**400), None),
        (1e300, None),
        (-0.0, 0.0),
    ],
)
def test_a_score_of_any_kind_is_a_number_or_none(value: Any, number: float | None) -> None:
    assert as_number(value) == number


def test_a_mean_of_lists_is_compared_by_nothing(project: Path) -> None:
    one = evaluation(project, "one", {1: [1, 0], 2: [0, 0]}, 0.25)
    two = evaluation(project, "two", {1: [1, 1], 2: [0, 0]}, 0.5)
    told = compare([one, two])
    assert [line.value for line in told.lines] == [0.25, 0.5]
    assert told.differences == {}


def test_one_cluster_has_a_mean_and_no_interval() -> None:
    for scores in ([0.1, 0.2, 0.9], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]):
        whole = of_one(scores, ["a"] * 3)
        assert whole.value == pytest.approx(fmean(scores))
        assert (whole.interval(), whole.p(), whole.at_most()) == (None, None, None)
        apart = of_pairs(scores, [score / 2 for score in scores], ["a"] * 3)
        assert (apart.interval(), apart.p(), apart.detectable()) == (None, None, None)
        other = of_two(scores, [0.3, 0.4], ["a"] * 3, ["b", "c"])
        assert other.value == pytest.approx(0.35 - fmean(scores))
        assert (other.interval(), other.p()) == (None, None)


def test_two_clusters_have_the_error_of_their_sums_and_one_degree_of_freedom() -> None:
    scores, clusters = [0.1, 0.5, 0.2, 0.9], ["odd", "even", "odd", "even"]
    mean = fmean(scores)
    sums = [(0.1 - mean) + (0.2 - mean), (0.5 - mean) + (0.9 - mean)]
    half = T[1] * math.sqrt(sum(each**2 for each in sums) / 16 * 2)
    assert of_one(scores, clusters).interval() == pytest.approx((mean - half, mean + half), rel=1e-3)


def test_clusters_of_one_sample_are_no_clusters() -> None:
    scores = [0.1, 0.5, 0.2, 0.9, 0.3]
    half = T[4] * math.sqrt(variance(scores) / 5)
    for clusters in (None, [*"abcde"], [1, "1", (1,), 1.5, None]):
        assert of_one(scores, clusters).interval() == pytest.approx((0.4 - half, 0.4 + half), abs=1e-3)


def test_negative_scores_are_numbers_as_others_are() -> None:
    scores = [-1.0, -0.5, 0.5, -2.0]
    half = T[3] * math.sqrt(variance(scores) / 4)
    assert of_one(scores).interval() == pytest.approx((-0.75 - half, -0.75 + half), rel=1e-3)
    assert of_pairs(scores, [-score for score in scores]).value == pytest.approx(1.5)


@pytest.mark.parametrize("scale", [1e-140, 1e-9, 1e9, 1e140])
def test_a_larger_or_smaller_unit_changes_nothing_but_the_unit(scale: float) -> None:
    scores, clusters = [0.1, 0.5, 0.2, 0.9], ["a", "b", "a", "c"]
    for groups in (None, clusters):
        plain, scaled = of_one(scores, groups), of_one([score * scale for score in scores], groups)
        low, high = plain.interval() or (math.nan, math.nan)
        assert scaled.interval() == pytest.approx((low * scale, high * scale), rel=1e-9, abs=0)
        assert scaled.p() == pytest.approx(plain.p())


def test_many_samples_are_added_up_exactly() -> None:
    scores = [0.1] * 100_000 + [0.3] * 100_000
    mean = mean_of(scores, [place // 2 for place in range(200_000)])
    assert mean.value == pytest.approx(0.2, rel=1e-15)
    assert mean.squared == pytest.approx(0.01 / 200_000 * 2, rel=1e-4)
    assert mean.units == 100_000


def test_a_sample_without_a_score_has_no_part_in_a_pair(project: Path) -> None:
    one = evaluation(project, "one", {1: 0.0, 2: 0.5, 3: None, 4: 0.25, 5: 0.9}, fmean([0, 0.5, 0.25, 0.9]))
    two = evaluation(project, "two", {1: 0.5, 2: None, 3: 1.0, 4: 0.5, 5: 0.8}, fmean([0.5, 1, 0.5, 0.8]))
    (difference,) = (each for by_arm in compare([one, two]).differences.values() for each in by_arm.values())
    apart = [0.5, 0.25, -0.1]
    half = T[2] * math.sqrt(variance(apart) / 3)
    assert (difference.counts, difference.left_out, difference.paired) == ((3, 3), 2, True)
    assert difference.value == pytest.approx(fmean(apart))
    assert (difference.low, difference.high) == pytest.approx((fmean(apart) - half, fmean(apart) + half), rel=1e-3)
    assert (difference.first, difference.second) == pytest.approx((fmean([0, 0.25, 0.9]), fmean([0.5, 0.5, 0.8])))


def test_epochs_are_one_draw_however_many_of_them_have_a_score(project: Path) -> None:
    one = evaluation(project, "one", {1: (0, 1, None), 2: (1, 1, 1), 3: (None,) * 3}, fmean([0.5, 1]))
    two = evaluation(project, "two", {1: (1, 1, 1), 2: (0, None, 0), 3: (1, 0, 0)}, fmean([1, 0, 1 / 3]))
    (difference,) = (each for by_arm in compare([one, two]).differences.values() for each in by_arm.values())
    assert difference.value == pytest.approx(fmean([0.5, -1]))
    assert (difference.counts, difference.left_out) == ((2, 2), 1)


def test_samples_are_paired_by_their_ids_in_whatever_order(project: Path) -> None:
    scores = {"b": 0.1, "a": 0.5, "10": 0.2, "9": 0.9}
    one = evaluation(project, "one", scores, fmean(scores.values()))
    mixed = dict(sorted(scores.items()))
    two = evaluation(project, "two", {id: value + 0.1 for id, value in mixed.items()}, fmean(scores.values()) + 0.1)
    (difference,) = (each for by_arm in compare([one, two]).differences.values() for each in by_arm.values())
    assert (difference.paired, difference.counts) == (True, (4, 4))
    assert difference.value == pytest.approx(0.1)
    assert difference.low is None or difference.low == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("passages", "clusters"),
    [
        ({1: "a", 2: "a", 3: "a", 4: "a"}, (1, 1)),
        ({1: "a", 2: "a", 3: 1, 4: "1"}, (3, 3)),
        ({1: 1, 2: True, 3: None, 4: 1.5}, None),
    ],
)
def test_passages_are_clusters_by_what_they_are(
    project: Path, passages: Mapping[int, Any], clusters: tuple[int, int] | None
) -> None:
    scores = {1: 0.1, 2: 0.5, 3: 0.2, 4: 0.9}
    arms = [
        evaluation(project, name, {id: value + more for id, value in scores.items()}, 0.425 + more, passages=passages)
        for name, more in (("one", 0.0), ("two", 0.05))
    ]
    (difference,) = (each for by_arm in compare(arms).differences.values() for each in by_arm.values())
    assert difference.clusters == clusters
    if clusters == (1, 1):
        assert (difference.low, difference.larger("p")) == (None, None)


def test_a_mean_that_is_not_that_of_its_samples_has_no_interval(project: Path) -> None:
    for name, mean in (("weighted", 0.7), ("none", None), ("of other samples", 0.5000001)):
        one = evaluation(project, name, {1: 1, 2: 0}, mean)
        (line,) = compare([one]).lines
        assert (line.questions, line.n) == (None, None)


@pytest.mark.parametrize("metric", ["std", "stderr", "median", "max"])
def test_only_means_have_a_difference(project: Path, metric: str) -> None:
    arms = [evaluation(project, name, {1: 1, 2: 0}, 0.5, metric) for name in ("one", "two")]
    assert compare(arms).differences == {}


def test_an_evaluation_of_nothing_is_compared_by_nothing(project: Path) -> None:
    one = evaluation(project, "one", {}, None)
    two = evaluation(project, "two", {1: None, 2: None}, None)
    assert columns_of(one) == {}
    told = compare([one, two])
    assert told.differences == {}
    assert json.dumps(told.as_dict(["one", "two"]), allow_nan=False)


def test_figures_are_json_whatever_is_compared(project: Path) -> None:
    odd: Sequence[Mapping[Any, Any]] = ({1: 1e149, 2: -1e149}, {1: 0, 2: 0}, {1: True, 2: "C"}, {1: 5e-324, 2: 0})
    arms = [
        evaluation(project, f"arm{n}", scores, fmean(as_number(v) or 0.0 for v in scores.values()))
        for n, scores in enumerate(odd)
    ]
    text = json.dumps(compare(arms, margin=0.1).as_dict([str(n) for n in range(4)]), allow_nan=False)
    assert len(json.loads(text)["lines"]) == 4
