"""Evaluations side by side: the differences of their means, and how often the intervals hold the true one."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from chain import Chain
from hypothesis import given
from hypothesis import strategies as st

from motools.atom import DatasetAtom, EvalAtom, ModelAtom
from motools.atom.columns import Values, _column, as_number, is_mean
from motools.atom.comparison import compare
from motools.atom.eval_differences import Arm, _by_seed, differences, independent, paired
from motools.atom.trainings import Training
from motools.errors import AtomError, DamagedError
from motools.repo.survey import Survey
from motools.report.known_figures import Figures
from motools.statistics import PairedNewcombe, mean_of, welch


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
        return EvalAtom.create(user="ada", artifact_path=folder, made_from=extra.get("made_from"))

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
    for value in (
        "C",
        "I",
        "P",
        "N",
        "c",
        "yes",
        "No",
        "TRUE",
        "False",
        "0.5",
        "1e3",
        "nan",
        "",
        "other",
        True,
        False,
        3,
        0.25,
    ):
        assert as_number(value) == inspect(value), value
    assert as_number(None) is None
    assert as_number(float("nan")) is None
    assert as_number(["C"]) is None


def test_a_column_without_a_score_has_no_mean() -> None:
    assert is_mean(0.5, {("a",): 0.0, ("b",): 1.0, ("c",): None})
    assert not is_mean(0.6, {("a",): 0.0, ("b",): 1.0})
    assert not is_mean("0.5", {("a",): 0.5})
    assert not is_mean(0.5, {("a",): None})
    assert is_mean(0.0, {("a",): 1e-10}), "as far as numbers are told"


def test_samples_without_a_score_leave_their_pair_and_are_counted(evaluation: Any) -> None:
    first = evaluation([(n, 1, {"s": v}) for n, v in enumerate("CIIC")], {"s": {"accuracy": 0.5}})
    second = evaluation([(n, 1, {"s": v}) for n, v in enumerate(["C", "C", "I", None])], {"s": {"accuracy": 2 / 3}})
    (found,) = differences(first, second).values()
    assert (found.value, found.n, found.left_out, found.paired) == (pytest.approx(1 / 3), "3", 1, True)
    assert (found.first, found.second) == (pytest.approx(1 / 3), pytest.approx(2 / 3)), "of the three pairs"
    assert (found.low, found.high) == PairedNewcombe.of_table(1, 0, 1, 3).interval()


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
    assert (fair.low, fair.high) == PairedNewcombe.of_table(0, 4, 0, 4).interval(), (
        "all differ alike, and yet of four nobody is sure"
    )


def test_only_means_that_both_have_of_samples_that_both_have_are_compared(evaluation: Any) -> None:
    samples = [(n, 1, {"s": n}) for n in range(3)]
    first = evaluation(samples, {"s": {"mean": 1.0, "median": 1.0}, "t": {"mean": 1.0}, "u": {"accuracy": 1.0}})
    second = evaluation(samples, {"s": {"mean": 1.0, "median": 1.0}, "t": {"mean": 1.0}})
    found = differences(first, second)
    assert [*found] == ["task.s.mean"]
    assert not found["task.s.mean"].same_seeds


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
    assert (found.low, found.high) == mean_of([b - a for a, b in zip(one, two, strict=True)]).estimate.interval()
    apart = independent(numbered(one), numbered(two))
    assert apart is not None
    assert (apart.low, apart.high) == welch(mean_of(one), mean_of(two)).interval()
    assert (apart.first, apart.second, apart.value) == (0.625, 0.75, 0.125)


def test_other_questions_under_the_same_ids_are_not_paired(evaluation: Any) -> None:
    first = evaluation([(n, 1, {"s": v}) for n, v in enumerate([0, 1])], {"s": {"mean": 0.5}})
    second = evaluation([(n, 1, {"s": v}) for n, v in enumerate([1, 0])], {"s": {"mean": 0.5}}, input="another")
    assert differences(first, first)["task.s.mean"].paired
    assert not differences(first, second)["task.s.mean"].paired
    assert differences(first, second)["task.s.mean"].n == "2 and 2"


def test_of_different_samples_all_that_have_no_score_are_left_out() -> None:
    none, some = numbered([None, None]), numbered([1.0, None, 0.0])
    assert (independent(none, some), independent(some, none), independent({}, {})) == (None, None, None)
    found = independent(some, numbered([1.0, 0.5, 0.25, None, None]))
    assert found is not None
    assert (found.counts, found.left_out) == ((2, 3), 3)


def test_a_mean_that_the_samples_do_not_give_has_no_interval(evaluation: Any) -> None:
    reduced = evaluation([(1, 1, {"s": 0}), (1, 2, {"s": 1})], {"s": {"mean": 1.0}})  # the larger of both epochs
    plain = evaluation([(1, 1, {"s": 0}), (1, 2, {"s": 1})], {"s": {"mean": 0.5}})
    assert list(differences(plain, plain)) == ["task.s.mean"]
    for first, second in ((reduced, reduced), (plain, reduced), (reduced, plain)):
        assert differences(first, second) == {}


def test_a_mean_is_told_as_it_was_written_and_of_what_is_none_of_the_samples_it_is_said(evaluation: Any) -> None:
    answers = [(1, 1, {"s": 0, "r": 0}), (2, 1, {"s": 0, "r": 0}), (3, 1, {"s": 1, "r": 1})]
    written = 0.3333333334
    metrics = {"s": {"mean": written, "stderr": 0.3}, "r": {"accuracy": 1.0, "mean": 0.0, "most": 1.0}}
    atom, bare = evaluation(answers, metrics), evaluation([], metrics)
    told = compare([atom, bare])
    assert [line.value for line in told.lines if line.metric == "task.s.mean"] == [written, written]
    assert [(line.metric, line.n) for line in told.lines if line.n is not None] == [("task.s.mean", 3)]
    assert [note for note in told.notes if "no interval" in note] == [
        f"task.r.{metric} of {atom.id} is not the mean of its samples' scores, so it has no interval."
        for metric in ("accuracy", "mean")
    ]


def test_what_trainings_have_that_is_no_mean_of_samples_is_averaged_where_all_of_it_are_numbers(
    trained: Any, evaluation: Any
) -> None:
    models = [trained("o", seed, {"q": 1.0}).made_from["model"] for seed in (1, 2, 3)]
    values = {"all": (1.0, 2.0, 6.0), "some": (1.0, None, 6.0), "words": (1.0, "two", 6.0), "one": (None, 5, None)}
    evals = [
        evaluation([], {"s": {n: v[k] for n, v in values.items() if v[k] is not None}}, made_from={"model": model})
        for k, model in enumerate(models)
    ]
    told = {line.metric.rpartition(".")[2]: line.value for line in compare([Arm(*evals, name="arm")]).lines}
    assert told == {"all": 3.0, "some": 3.5, "words": 1.0, "one": 5}


def test_each_of_three_evaluations_is_compared_with_the_first(evaluation: Any) -> None:
    every = [evaluation([(1, 1, {"s": v}), (2, 1, {"s": 1})], {"s": {"mean": (v + 1) / 2}}) for v in (0, 1, 2)]
    found = compare(every)
    assert found.rows == {"task.s.mean": (0.5, 1.0, 1.5)}
    assert [(line.arm, line.value) for line in found.lines] == [
        (atom.id, value) for atom, value in zip(every, (0.5, 1.0, 1.5), strict=True)
    ]
    assert {arm: d.value for arm, d in found.differences["task.s.mean"].items()} == {
        every[1].id: 0.5,
        every[2].id: 1.0,
    }
    assert compare(every[:1]).differences == {}


@pytest.fixture
def trained(evaluation: Any) -> Any:
    """Makes an evaluation of a model that was trained with a seed, or, without one, of a model that was not trained."""
    dataset = DatasetAtom.create(user="ada", metadata={"rows": 3})

    def make(name: str, seed: int | None, answers: dict[str, float | None]) -> EvalAtom:
        about = {"model_id": f"{name}-{seed}", **({} if seed is None else {"hyperparameters": {"seed": seed}})}
        model = ModelAtom.create(user="ada", metadata=about, made_from={} if seed is None else {"dataset": dataset.id})
        known = [value for value in answers.values() if value is not None]
        samples = [(question, 1, {"s": value}) for question, value in answers.items()]
        return evaluation(samples, {"s": {"mean": fmean(known)}}, made_from={"model": model.id})  # type: ignore[no-any-return]

    return make


def drawn_arm(rng: random.Random, level: float, seeds: tuple[int, ...]) -> dict[int, dict[str, float | None]]:
    ease = [random.Random(number).gauss(0, 0.3) for number in range(10)]
    lift = {seed: level + rng.gauss(0, 0.1) for seed in seeds}
    return {seed: {f"q{n}": e + lift[seed] + rng.gauss(0, 0.1) for n, e in enumerate(ease)} for seed in seeds}


@pytest.mark.parametrize("seeds", [(1, 2, 3), (4, 5, 6)])
def test_three_seeds_of_two_arms_have_an_interval_over_questions_and_one_over_trainings(
    trained: Any, seeds: tuple[int, ...]
) -> None:
    """Recomputed with numpy and scipy, from the answers alone."""
    import numpy as np
    from scipy import stats

    rng = random.Random(7)
    before, after = drawn_arm(rng, 0.2, (1, 2, 3)), drawn_arm(rng, 0.6, seeds)
    control = Arm(*(trained("control", seed, answers) for seed, answers in before.items()), name="control")
    later = [trained("organism", seed, after[seed]) for seed in reversed(seeds)]
    found = compare([control, Arm(*later, name="organism")])
    one, two = (np.array([[*answers.values()] for answers in arm.values()]) for arm in (before, after))

    first, second = found.lines
    for line, answers in ((first, one), (second, two)):
        assert (line.value, line.n, len(line.values)) == (pytest.approx(answers.mean()), 10, 3)
        for said, axis in ((line.questions, 0), (line.trainings, 1)):
            assert said is not None
            told = stats.ttest_1samp(answers.mean(axis=axis), 0).confidence_interval()
            assert said == pytest.approx(tuple(told))
    difference = second.difference
    assert difference is not None
    questions = stats.ttest_rel(two.mean(axis=0), one.mean(axis=0))
    assert (difference.low, difference.high) == pytest.approx(tuple(questions.confidence_interval()))
    shared = seeds == (1, 2, 3)
    by_training = (
        stats.ttest_rel(two.mean(axis=1), one.mean(axis=1))
        if shared
        else stats.ttest_ind(two.mean(axis=1), one.mean(axis=1), equal_var=False)
    )
    over = difference.trainings
    assert over is not None
    assert (over.low, over.high) == pytest.approx(tuple(by_training.confidence_interval()))
    assert (difference.p_holm, difference.same_seeds, difference.seeds) == (
        pytest.approx(max(questions.pvalue, by_training.pvalue)),
        shared,
        (3, 3),
    )
    assert not any("One training" in note for note in found.notes)


def test_one_training_says_nothing_about_retraining_and_a_model_that_was_not_trained_has_no_other(
    trained: Any, evaluation: Any
) -> None:
    answers = drawn_arm(random.Random(8), 0.5, (1, 2, 3))
    base, *organisms = trained("base", None, answers[1]), *(trained("o", seed, answers[seed]) for seed in (2, 3))
    one = compare([Arm(base, name="base"), Arm(organisms[0], name="organism")])
    assert one.notes[0] == (
        "One training each (organism): the intervals say what other questions might have given, and nothing about "
        "retraining."
    )
    assert one.lines[1].difference is not None
    assert one.lines[1].difference.trainings is None
    both_arm = Arm(*organisms, name="organism")
    both = compare([Arm(base, name="base"), both_arm])
    assert both.lines[1].difference is not None
    over = both.lines[1].difference.trainings
    assert over is not None
    means = [fmean(v for v in answers[seed].values() if v is not None) for seed in (1, 2, 3)]
    apart = mean_of([mean - means[0] for mean in means[1:]])
    assert (over.low, over.high) == pytest.approx(apart.estimate.interval())
    assert not any("One training" in note for note in both.notes)
    assert both.notes[0] == "Taken as they are, for they were not trained here: base."
    assert "One training each (a, b)" in compare([Arm(base, name="a"), Arm(base, name="b")]).notes[0]
    bases = [base, trained("another", None, answers[2])]
    assert not any("as they are" in note for note in compare([Arm(*bases, name="bases"), both_arm]).notes)
    with pytest.raises(AtomError, match=r"'twice' has 2 evaluations of one model, model-"):
        Arm(organisms[0], organisms[0], name="twice")
    made_by_hand = evaluation([("q", 1, {"s": 1})], {"s": {"mean": 1.0}})
    with pytest.raises(AtomError, match=r"'twice' has 2 times one evaluation, eval-"):
        Arm(made_by_hand, made_by_hand, name="twice")


def test_epochs_with_missing_samples_are_averaged_over_those_that_there_are(evaluation: Any) -> None:
    """Recomputed with numpy: a table of question and epoch, with holes."""
    import numpy as np
    from scipy import stats

    rng = np.random.default_rng(5)
    tables = rng.normal([[[0.2]], [[0.5]]], 0.3, (2, 12, 4))
    tables[rng.random((2, 12, 4)) < 0.2] = np.nan
    tables[0, 3], tables[1, 7] = np.nan, np.nan
    evals = [
        evaluation(
            [
                (f"q{question}", epoch, {"s": None if np.isnan(value) else float(value)})
                for question, row in enumerate(table)
                for epoch, value in enumerate(row, 1)
            ],
            {"s": {"mean": float(np.nanmean([np.nanmean(row) for row in table if not np.isnan(row).all()]))}},
        )
        for table in tables
    ]
    (found,) = differences(*evals).values()
    means = [[float(np.nanmean(row)) if not np.isnan(row).all() else None for row in table] for table in tables]
    pairs = [(one, two) for one, two in zip(*means, strict=True) if one is not None and two is not None]
    told = stats.ttest_rel([two for _, two in pairs], [one for one, _ in pairs])
    assert (found.low, found.high) == pytest.approx(tuple(told.confidence_interval()))
    assert (found.questions.p, found.counts, found.left_out) == (pytest.approx(told.pvalue), (10, 10), 2)


def test_18_comparisons_are_adjusted_for_18_and_with_primary_ones_for_these(evaluation: Any) -> None:
    from statsmodels.stats.multitest import multipletests

    rng = random.Random(18)
    scores = [f"s{n}" for n in range(6)]

    def arm(shift: float) -> EvalAtom:
        answers = [{score: rng.gauss(shift * n, 1) for n, score in enumerate(scores)} for _ in range(15)]
        metrics = {score: {"mean": fmean(each[score] for each in answers)} for score in scores}
        return evaluation([(f"q{n}", 1, each) for n, each in enumerate(answers)], metrics)  # type: ignore[no-any-return]

    every = [arm(shift) for shift in (0, 0.05, 0.2, 0.4)]
    known = [d for arms in compare(every).differences.values() for d in arms.values()]
    assert len(known) == compare(every).family == 18
    told = multipletests([d.questions.p for d in known], method="holm")[1]
    assert [d.p_holm for d in known] == pytest.approx(list(told))
    assert "Holm's p is adjusted for 18 comparisons." in compare(every).notes
    assert any(note.startswith("Detectable: a true difference of this size") for note in compare(every).notes)
    assert not any("Detectable" in note for note in compare(every[:1]).notes)
    primary = compare(every, primary=["task.s5.mean"], margin=0.5)
    assert primary.family == 3
    chosen = [*primary.differences["task.s5.mean"].values()]
    for adjusted, raw in (("p_holm", "p"), ("p_within_holm", "p_within")):
        told = multipletests([getattr(d.questions, raw) for d in chosen], method="holm")[1]
        assert [getattr(d, adjusted) for d in chosen] == pytest.approx(list(told))
    assert {d.p_holm for d in primary.differences["task.s1.mean"].values()} == {None}
    with pytest.raises(AtomError, match=r"no such metric. Did you mean 'task.s5.mean'"):
        compare(every, primary=["task.s5.maen"])
    with pytest.raises(AtomError, match="margin of 0 holds no difference"):
        compare(every, margin=0)


def test_samples_are_paired_by_their_names_also_where_one_evaluation_has_fewer(evaluation: Any) -> None:
    first = evaluation([(f"q{n}", 1, {"s": n / 8}) for n in range(8)], {"s": {"mean": 3.5 / 8}})
    fewer = evaluation(
        [(f"q{n}", 1, {"s": n / 8 + 0.1 + n / 100}) for n in range(4)],
        {"s": {"mean": 1.5 / 8 + 0.1 + 1.5 / 100}},
        input="in other words",
    )
    (found,) = differences(first, fewer).values()
    assert (found.paired, found.counts, found.left_out) == (True, (4, 4), 4)
    assert found.value == pytest.approx(0.115)
    others = [(f"p{n}" if n else "q1", 1, {"s": n / 8}) for n in range(4)]
    (apart,) = differences(first, evaluation(others, {"s": {"mean": 1.5 / 8}})).values()
    assert (apart.paired, apart.counts) == (False, (8, 4)), "one sample in common is no comparison"


def test_evaluations_that_are_asked_for_by_id_are_called_by_where_they_stand(project: Path) -> None:
    chain = Chain.lay(project)
    ids = []
    for seed, folder in (1, "."), (2, "experiments/a"), (3, "experiments/b"), (2, "experiments/same_as_a"):
        (project / folder).mkdir(parents=True, exist_ok=True)
        params = f"workflow: chain.py:workflow\nevaluate: {{seed: {seed}}}\n"
        (project / folder / "params.yaml").write_text(params)
        (results,) = (s for s in json.loads(chain.command("run", folder, "--json").out) if s["stage"] == "evaluate")
        ids.append(results["atoms"]["results"])
    assert ids.pop() == ids[1]
    first, *rows = chain.command("compare", *ids).out.splitlines()
    assert first.split("\t") == ["metric", "arm", "value"]
    assert [row.split("\t") for row in rows] == [
        ["task.score.mean", "results", "1.5"],
        ["task.score.mean", "experiments/a/results", "2.5"],
        ["task.score.mean", "experiments/b/results", "3.5"],
    ]
    by_path = ["experiments/a/atoms/results", "results", ids[2]]
    assert [row.split("\t")[1] for row in chain.command("compare", *by_path).out.splitlines()[1:]] == [
        "experiments/a/atoms/results",
        "results",
        "experiments/b/results",
    ]
    told = json.loads(chain.command("compare", *by_path, "--json").out)["evaluations"]
    assert [each["id"] for each in told] == [ids[1], ids[0], ids[2]]


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        ([1, 2, 3], [3, 1, 2], [1, 2, 0]),
        ([1], [1], None),
        ([1, 1], [1, 2], None),
        ([1, 2], [1, 1], None),
        ([1, 2], [1, 2, 3], None),
        ([1, 2], [3, 4], None),
        ([1, None], [1, 2], None),
        ([1, 2], [1, None], None),
    ],
)
def test_trainings_are_pairs_where_both_have_the_same_seeds_once_each_and_at_least_two(
    first: list[Any], second: list[Any], order: list[int] | None
) -> None:
    assert _by_seed([Training(seed=seed) for seed in first], [Training(seed=seed) for seed in second]) == order


def own(folder: Path, metrics: str, samples: str = "") -> EvalAtom:
    """An evaluation that a step of one's own has made."""
    folder.mkdir()
    (folder / "metrics.json").write_text(metrics)
    (folder / "samples.jsonl").write_text(samples)
    return EvalAtom.create(user="ada", artifact_path=folder)


OWN = [
    ('{"accuracy": 0.5}', '{"id": 1, "score": 1}\n', {"accuracy": 0.5}),
    ('{"greek": {"accuracy": 0.5}, "n": 3}', "", {"greek.accuracy": 0.5, "n": 3}),
    ('{"t": {"s": {"mean": 1.0}}}', '{"id": "a", "scores": {"s": 1.0}}\n', {"t.s.mean": 1.0}),
    ('{"t": {"s": {"mean": 0.5}}}', '{"id": [1], "scores": {"s": {"value": 0.5}}}\n', {"t.s.mean": 0.5}),
    ('{"t": {"s": {"mean": NaN}}}', '{"id": "a", "scores": {"s": {"value": NaN}}}\n', {"t.s.mean": None}),
    ('{"t": {"s": {"mean": 1e308}}}', '{"id": "a", "scores": {"s": {"value": 1e308}}}\n' * 2, {"t.s.mean": None}),
    (f'{{"t": {{"s": {{"mean": {10**400}}}}}}}', f'{{"id": "a", "scores": {{"s": {10**400}}}}}\n', {"t.s.mean": None}),
    ('{"t": {"s": {"mean": 1.0}}}', '{"id": "a", "scores": null, "clusters": ["c"]}\n', {"t.s.mean": 1.0}),
]


@pytest.mark.parametrize(("metrics", "samples", "told"), OWN, ids=range(len(OWN)))
def test_what_a_step_of_ones_own_writes_is_compared_as_far_as_it_can_be(
    metrics: str, samples: str, told: dict[str, Any], project: Path, tmp_path: Path
) -> None:
    one, other = own(tmp_path / "own", metrics, samples), own(tmp_path / "other", '{"t": {"s": {"mean": 1.0}}}')
    for arms in ([one, other], [other, one]):
        lines = compare(arms).lines
        assert {line.metric: line.value for line in lines if line.arm == one.id} == told
    figures = Figures(Survey(one.project)).of(one.md5)
    assert figures is not None
    assert {n: each.value for n, each in figures.figures.items()} == {n: v for n, v in told.items() if v is not None}


def test_a_plain_value_is_the_score_and_has_an_interval(project: Path, tmp_path: Path) -> None:
    rows = "".join(f'{{"id": "{number}", "scores": {{"s": {number % 2}}}}}\n' for number in range(10))
    (line,) = compare([own(tmp_path / "own", '{"t": {"s": {"mean": 0.5}}}', rows)]).lines
    assert (line.n, line.questions) == (10, pytest.approx((0.2366, 0.7634), abs=1e-4))


def test_samples_that_are_no_objects_are_told_by_line(project: Path, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match=r"The samples\.jsonl of eval-\w+, line 2, is no JSON object\.$"):
        compare([own(tmp_path / "own", "{}", "{}\n[1]\n")])


def test_samples_are_read_once_however_many_metrics_there_are(evaluation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {f"s{number}": 1.0 for number in range(50)}
    atom = evaluation([("a", 1, scores)], {name: {"mean": 0.0, "accuracy": 0.0} for name in scores})
    read, samples = [], EvalAtom.samples
    monkeypatch.setattr(EvalAtom, "samples", lambda self: read.append(self) or samples(self))
    assert len(compare([atom]).notes) == 100
    assert len(read) == 1


@pytest.mark.parametrize("margin", [math.inf, math.nan, -1.0])
def test_a_margin_that_holds_everything_or_nothing_is_refused(evaluation: Any, margin: float) -> None:
    with pytest.raises(AtomError, match="holds no difference, or all: give a number above 0"):
        compare([evaluation([("a", 1, {"s": 1.0})], {"s": {"mean": 1.0}})], margin=margin)


def test_a_misspelt_metric_finds_the_one_that_ends_so(evaluation: Any) -> None:
    atom = evaluation([("a", 1, {"s": 1.0})], {"s": {"accuracy": 1.0}})
    with pytest.raises(AtomError, match=r"no such metric\. Did you mean 'task\.s\.accuracy'\?"):
        compare([atom], primary=["acuracy"])
