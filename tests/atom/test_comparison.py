"""Evaluations side by side: the differences of their means, and how often the intervals hold the true one."""

from __future__ import annotations

import json
import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from chain import Chain
from hypothesis import given
from hypothesis import strategies as st

from motools.atom import EvalAtom
from motools.atom.columns import Values, _column, as_number
from motools.atom.comparison import compare
from motools.atom.eval_differences import differences, independent, paired
from motools.atom.intervals import mean_of, quantile, tango, welch


@pytest.fixture
def evaluation(project: Path, tmp_path: Path) -> Any:
    """Makes an eval atom of samples: (id, epoch, scores by scorer), and of metrics."""
    made = 0

    def make(samples: list[tuple[Any, int, dict[str, Any]]], metrics: dict[str, Any], **extra: Any) -> EvalAtom:
        nonlocal made
        made += 1
        folder = tmp_path / f"eval-{made}"
        folder.mkdir()
        rows = [
            {
                "id": id,
                "epoch": epoch,
                "input": extra.get("input", f"question {id}"),
                "scores": {name: {"value": value} for name, value in scores.items()},
            }
            for id, epoch, scores in samples
        ]
        (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "metrics.json").write_text(json.dumps({"task": metrics}))
        return EvalAtom.create(user="ada", artifact_path=folder)

    return make


def numbered(values: list[float | None]) -> Values:
    return {(number,): value for number, value in enumerate(values)}


def covered(draw: Any, interval: Any, truth: float, times: int = 600) -> float:
    """How often the interval of drawn samples holds the truth."""
    rng = random.Random(0)
    hits = 0
    for _ in range(times):
        found = interval(*(numbered(values) for values in draw(rng)))
        hits += found.low is not None and found.low <= truth <= found.high
    return hits / times


def test_a_paired_interval_holds_the_true_difference_95_times_in_100() -> None:
    def draw(rng: random.Random) -> tuple[list[float], list[float]]:
        ease = [rng.gauss(0, 3) for _ in range(12)]  # questions differ far more than models do
        return [rng.gauss(e, 1) for e in ease], [rng.gauss(e + 0.5, 1) for e in ease]

    assert covered(draw, paired, 0.5) == pytest.approx(0.95, abs=0.02)
    assert covered(draw, independent, 0.5) > 0.99, "not pairing them makes the interval wider than it need be"


def test_an_unpaired_interval_holds_the_true_difference_95_times_in_100() -> None:
    def draw(rng: random.Random) -> tuple[list[float], list[float]]:
        return [rng.gauss(0, 1) for _ in range(10)], [rng.gauss(1, 4) for _ in range(30)]

    assert covered(draw, independent, 1.0) == pytest.approx(0.95, abs=0.02)


def test_so_does_that_of_shares_and_of_epochs_averaged_sample_by_sample() -> None:
    def draw(rng: random.Random) -> tuple[list[float], list[float]]:
        ease = [rng.random() for _ in range(60)]
        answers = [[fmean(rng.random() < e**power for _ in range(3)) for e in ease] for power in (1, 2)]
        return answers[0], answers[1]

    assert covered(draw, paired, 1 / 3 - 1 / 2) == pytest.approx(0.95, abs=0.02)


def test_the_interval_is_close_to_a_bootstrap_of_the_same_samples() -> None:
    rng = random.Random(1)
    one = [float(rng.random() < 0.3) for _ in range(200)]
    two = [float(rng.random() < 0.6) for _ in range(200)]
    found = paired(numbered(one), numbered(two))
    apart = [b - a for a, b in zip(one, two, strict=True)]
    means = sorted(fmean(rng.choices(apart, k=200)) for _ in range(4000))
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(means[100], abs=0.02), pytest.approx(means[3900], abs=0.02))


@pytest.mark.parametrize(
    ("freedom", "value"), [(1, 12.7062), (1.5, 6.0167), (2, 4.3027), (10, 2.2281), (29, 2.0452), (1e6, 1.95997)]
)
def test_the_quantiles_are_those_of_the_tables(freedom: float, value: float) -> None:
    assert quantile(freedom) == pytest.approx(value, abs=1e-4)


FINITE = st.one_of(st.none(), st.floats(-100, 100))


@given(st.lists(st.tuples(FINITE, FINITE), max_size=20))
def test_a_difference_reversed_is_its_negative(pairs: list[tuple[float | None, float | None]]) -> None:
    one, two = numbered([a for a, _ in pairs]), numbered([b for _, b in pairs])
    for interval in (paired, independent):
        there, back = interval(one, two), interval(two, one)
        assert (there is None) == (back is None)
        if there is None or back is None:
            continue
        assert there.value == pytest.approx(-back.value)
        assert there.left_out == back.left_out
        if there.low is not None and there.high is not None:
            assert there.low <= there.value <= there.high
            assert (-there.high, -there.low) == (pytest.approx(back.low), pytest.approx(back.high))


def test_words_are_numbers_as_inspect_counts_them() -> None:
    from inspect_ai.scorer import value_to_float

    inspect = value_to_float()
    for value in ("C", "I", "P", "N", "c", "yes", "No", "TRUE", "0.5", "1e3", "nan", "", "other", True, False, 3, 0.25):
        assert as_number(value) == inspect(value), value
    assert as_number(None) is None
    assert as_number(float("nan")) is None
    assert as_number(["C"]) is None


def test_samples_without_a_score_leave_their_pair_and_are_counted(evaluation: Any) -> None:
    first = evaluation([(n, 1, {"s": v}) for n, v in enumerate("CIIC")], {"s": {"accuracy": 0.5}})
    second = evaluation([(n, 1, {"s": v}) for n, v in enumerate(["C", "C", "I", None])], {"s": {"accuracy": 2 / 3}})
    (found,) = differences(first, second).values()
    assert (found.value, found.n, found.left_out, found.paired) == (pytest.approx(1 / 3), "3", 1, True)
    assert (found.first, found.second) == (pytest.approx(1 / 3), pytest.approx(2 / 3)), "of the three pairs"
    assert (found.low, found.high) == tango(1, 0, 3)


def test_epochs_of_a_sample_are_one_cluster(evaluation: Any) -> None:
    samples = [(n, epoch, {"s": 1.0 if n + epoch > 2 else 0.0}) for n in range(3) for epoch in (1, 2)]
    later = [(n, epoch, {"s": 1.0}) for n in range(3) for epoch in (1, 2)]
    found = differences(
        evaluation(samples, {"s": {"mean": 0.5, "stderr": 0.3}}), evaluation(later, {"s": {"mean": 1.0, "stderr": 0.0}})
    )
    assert list(found) == ["task.s.mean"], "a standard error has no interval"
    assert found["task.s.mean"].counts == (3, 3)


def test_each_key_of_a_score_that_is_a_mapping_is_a_score(evaluation: Any) -> None:
    samples = [(n, 1, {"judge": {"kind": n, "fair": "C"}}) for n in range(4)] + [(9, 1, {"judge": None})]
    other = [(n, 1, {"judge": {"kind": n + n % 2, "fair": "I"}}) for n in range(4)] + [(9, 1, {"judge": None})]
    found = differences(
        evaluation(samples, {"kind": {"mean": 1.5}, "fair/judge": {"accuracy": 1.0}}),
        evaluation(other, {"kind": {"mean": 2.0}, "fair/judge": {"accuracy": 0.0}}),
    )
    assert {name: (d.value, d.left_out) for name, d in found.items()} == {
        "task.kind.mean": (0.5, 1),
        "task.fair/judge.accuracy": (-1.0, 1),
    }
    fair = found["task.fair/judge.accuracy"]
    assert (fair.low, fair.high) == tango(0, 4, 4), "all differ alike, and yet of four nobody is sure"


def test_only_means_that_both_have_of_samples_that_both_have_are_compared(evaluation: Any) -> None:
    samples = [(n, 1, {"s": n}) for n in range(3)]
    first = evaluation(samples, {"s": {"mean": 1.0, "median": 1.0}, "t": {"mean": 1.0}, "u": {"accuracy": 1.0}})
    second = evaluation(samples, {"s": {"mean": 1.0, "median": 1.0}, "t": {"mean": 1.0}})
    assert list(differences(first, second)) == ["task.s.mean"]


def test_a_mean_of_no_scored_sample_has_no_interval(evaluation: Any) -> None:
    unscored = evaluation([(n, 1, {"s": None}) for n in range(2)], {"s": {"mean": 0.0}})
    assert differences(unscored, unscored) == {}


def test_a_sample_is_in_a_cluster_where_its_score_and_it_say_so() -> None:
    def sample(id: int, score: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"id": id, "input": "q", "scores": {"s": {"value": 1, **score}}, **more}

    found = _column(
        [
            sample(1, {"cluster": "topic"}, clusters={"topic": {"b": 1, "a": 2}, "other": 1}),
            sample(2, {"cluster": "topic"}, clusters={"other": 1}),
            sample(3, {"cluster": "topic"}),
            sample(4, {}, clusters={"topic": 1}),
            {"id": 5, "input": "q", "scores": {}},
        ],
        "s",
        None,
    )
    assert found.clusters == {(1, "q"): '{"a": 2, "b": 1}'}
    assert found.values == {**{(n, "q"): 1.0 for n in range(1, 5)}, (5, "q"): None}


def test_means_of_other_values_than_shares_have_students_interval() -> None:
    one, two = [0.0, 0.5, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0]
    found = paired(numbered(one), numbered(two))
    assert found is not None
    assert (found.low, found.high) == mean_of([b - a for a, b in zip(one, two, strict=True)]).interval()
    apart = independent(numbered(one), numbered(two))
    assert apart is not None
    assert (apart.low, apart.high) == welch(mean_of(one), mean_of(two))
    assert (apart.first, apart.second, apart.value) == (0.625, 0.75, 0.125)


def test_other_questions_under_the_same_ids_are_not_paired(evaluation: Any) -> None:
    first = evaluation([(n, 1, {"s": v}) for n, v in enumerate([0, 1])], {"s": {"mean": 0.5}})
    second = evaluation([(n, 1, {"s": v}) for n, v in enumerate([1, 0])], {"s": {"mean": 0.5}}, input="another")
    assert differences(first, first)["task.s.mean"].paired
    assert not differences(first, second)["task.s.mean"].paired
    assert differences(first, second)["task.s.mean"].n == "2 and 2"


def test_a_mean_that_the_samples_do_not_give_has_no_interval(evaluation: Any) -> None:
    reduced = evaluation([(1, 1, {"s": 0}), (1, 2, {"s": 1})], {"s": {"mean": 1.0}})  # the larger of both epochs
    plain = evaluation([(1, 1, {"s": 0}), (1, 2, {"s": 1})], {"s": {"mean": 0.5}})
    assert list(differences(plain, plain)) == ["task.s.mean"]
    for first, second in ((reduced, reduced), (plain, reduced), (reduced, plain)):
        assert differences(first, second) == {}


def test_three_evaluations_are_side_by_side_without_differences(evaluation: Any) -> None:
    every = [evaluation([(1, 1, {"s": v}), (2, 1, {"s": 1})], {"s": {"mean": (v + 1) / 2}}) for v in (0, 1, 2)]
    assert compare(every).rows == {"task.s.mean": (0.5, 1.0, 1.5)}
    assert compare(every).differences == {}
    assert list(compare(every[:2]).differences) == ["task.s.mean"]


def test_evaluations_that_are_asked_for_by_id_are_called_by_where_they_stand(project: Path) -> None:
    chain = Chain.lay(project)
    ids = []
    for seed, folder in enumerate((".", "experiments/a", "experiments/b"), 1):
        (project / folder).mkdir(parents=True, exist_ok=True)
        params = f"workflow: chain.py:workflow\nevaluate: {{seed: {seed}}}\n"
        (project / folder / "params.yaml").write_text(params)
        (results,) = (s for s in json.loads(chain.command("run", folder, "--json").out) if s["stage"] == "evaluate")
        ids.append(results["atoms"]["results"])
    first, *rows = chain.command("compare", *ids).out.splitlines()
    assert first.split("\t") == ["metric", "results", "experiments/a/results", "experiments/b/results"]
    assert rows == ["task.score.mean\t1.5\t2.5\t3.5"]
    by_path = ["experiments/a/atoms/results", "results", ids[2]]
    assert chain.command("compare", *by_path).out.splitlines()[0].split("\t")[1:] == [
        "experiments/a/atoms/results",
        "results",
        "experiments/b/results",
    ]
    told = json.loads(chain.command("compare", *by_path, "--json").out)["evaluations"]
    assert [each["id"] for each in told] == [ids[1], ids[0], ids[2]]
