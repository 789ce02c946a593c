"""Numbers of evaluations, each computed again by hand: scores that are odd or missing, epochs, clusters, groups."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from motools.atom import EvalAtom, ModelAtom
from motools.atom.columns import columns_of
from motools.errors import StepError
from motools.evals import EvalRequest, Evaluation
from motools.evals.inspect.evaluator import InspectEvaluator
from motools.evals.results import write_results

TASKS = '''
import math
from inspect_ai import Epochs, Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import Score, accuracy, grouped, mean, scorer, std, stderr
from inspect_ai.solver import solver

@solver
def fails(*ids):
    async def solve(state, generate):
        if state.sample_id in ids:
            raise RuntimeError(f"sample {state.sample_id} cannot be had")
        return state
    return solve

def told(name, values, *metrics):
    """A scorer that gives each sample its value, or each epoch of it its own."""
    @scorer(metrics=list(metrics) or [mean()], name=name)
    def given():
        async def score(state, target):
            value = values[state.sample_id]
            value = value[state.epoch - 1] if isinstance(value, tuple) else value
            return None if value is None else Score(value=value)
        return score
    return given()

@scorer(metrics={"a": [mean()], "b": [mean(), stderr()]})
def pair():
    async def score(state, target):
        n = state.sample_id
        return Score(value={"a": None if n == 1 else n, "b": math.nan if n == 2 else n > 2})
    return score

@scorer(metrics={"a": [mean()], "b": [mean()]})
def other():
    async def score(state, target):
        return Score(value={"a": 10 * state.sample_id, "b": -1})
    return score

def samples(*ids, **more):
    return MemoryDataset([Sample(id=n, input=f"q{n}", target="a", metadata={"half": n % 2}) for n in ids])

FOUR = (1, 2, 3, 4)

def kinds():
    values = {1: "C", 2: "P", 3: True, 4: 0.25}
    return Task(dataset=samples(*FOUR), scorer=told("kinds", values, mean(), accuracy()))

def not_finite():
    values = {1: math.nan, 2: 3.0, 3: None, 4: 5.0}
    return Task(dataset=samples(*FOUR), scorer=told("some", values))

def infinite():
    values = {1: math.inf, 2: 3.0, 3: 4.0, 4: 5.0}
    return Task(dataset=samples(*FOUR), scorer=told("some", values))

def huge():
    values = {1: 1e300, 2: 2e300, 3: -3e300, 4: 10**18}
    return Task(dataset=samples(*FOUR), scorer=told("some", values))

def pairs():
    return Task(dataset=samples(*FOUR), scorer=pair())

def same_names():
    return Task(dataset=samples(*FOUR), scorer=[other(), pair(), told("a", dict.fromkeys(FOUR, 7))])

def reduced(reducers):
    values = {1: (0, 0, 1), 2: (1, 1, 0), 3: (0, 1, 1), 4: (0, 0, 0)}
    return Task(dataset=samples(*FOUR), scorer=told("hit", values), epochs=Epochs(3, list(reducers)))

def gaps():
    values = {1: (1.0, math.nan, 0.0), 2: (math.nan, math.nan, 1.0), 3: (math.nan,) * 3, 4: (0.0, 0.0, 1.0)}
    return Task(dataset=samples(*FOUR), scorer=told("hit", values), epochs=3)

def dropped(most=0.5):
    values = {1: 1, 2: 0, 3: 1, 4: 1}
    return Task(
        dataset=samples(*FOUR), solver=fails(2), scorer=told("hit", values, mean(), stderr()), fail_on_error=most
    )

def half_clustered():
    values = {1: 0.1, 2: 0.5, 3: 0.2, 4: 0.9}
    return Task(dataset=samples(*FOUR), scorer=told("of", values, mean(), stderr(cluster="half")))

def one_cluster():
    values = {1: 0.1, 3: 0.2, 5: 0.9}
    return Task(dataset=samples(1, 3, 5), scorer=told("of", values, mean(), stderr(cluster="half")))

def groups():
    values = {1: 1, 2: 0, 3: 0, 4: 0}
    return Task(dataset=samples(*FOUR), scorer=told("of", values, grouped(mean(), "half")))

def named_samples():
    return Task(dataset=samples(*FOUR), scorer=told("samples", {1: 1, 2: None, 3: 0, 4: 1}))

def words_and_numbers():
    data = [Sample(id="1", input="q1", target="a"), Sample(id="b/1 ä", input="q2", target="a")]
    return Task(dataset=MemoryDataset(data), scorer=told("of", {"1": 1, "b/1 ä": 0}))
'''


@pytest.fixture
def evaluate(project: Path, tmp_path: Path) -> Callable[..., Evaluation]:
    (project / "tasks.py").write_text(TASKS)

    def run(task: str, **kwargs: Any) -> Evaluation:
        atom = ModelAtom.create(user="ada", metadata={"model_id": "m", "inspect": {"model": "mockllm/model"}})
        workspace = tmp_path / task
        workspace.mkdir()
        return InspectEvaluator().evaluate(EvalRequest(f"tasks:{task}", kwargs, atom), workspace)

    return run


def atom_of(result: Evaluation, folder: Path) -> EvalAtom:
    write_results(result, folder / "results")
    return EvalAtom.create(user="ada", artifact_path=folder / "results", made_from={}, metadata={})


Run = Callable[..., Evaluation]


def test_grades_truths_and_numbers_have_one_mean(evaluate: Run, tmp_path: Path) -> None:
    result = evaluate("kinds")
    by_hand = (1 + 0.5 + 1 + 0.25) / 4
    assert result.metrics["kinds"]["kinds"] == {"mean": by_hand, "accuracy": by_hand}
    column = columns_of(atom_of(result, tmp_path))["kinds", "kinds"]
    assert [*column.values.values()] == [1, 0.5, 1, 0.25]


def test_no_number_and_nothing_are_counted_and_not_averaged(evaluate: Run) -> None:
    result = evaluate("not_finite")
    assert result.metrics["not_finite"]["some"] == {"mean": (3 + 5) / 2, "unscored": 2}
    assert result.counts["not_finite"]["unscored"] == 2


def test_an_infinite_score_makes_no_mean_of_the_others(evaluate: Run) -> None:
    told = evaluate("infinite").metrics["infinite"]["some"]
    assert told["mean"] is None
    assert told.get("unscored") == 1


def test_huge_scores_are_written_as_numbers(evaluate: Run, tmp_path: Path) -> None:
    result = evaluate("huge")
    (told,) = result.metrics["huge"]["some"].values()
    assert told == pytest.approx((1e300 + 2e300 - 3e300 + 1e18) / 4, abs=1e285)
    atom = atom_of(result, tmp_path)
    assert math.isfinite(json.loads(json.dumps(atom.metrics))["huge"]["some"]["mean"])


def test_each_key_of_a_dictionary_has_its_own_mean_over_those_that_have_it(evaluate: Run) -> None:
    result = evaluate("pairs")
    a, b = (result.metrics["pairs"][key] for key in "ab")
    assert (a["mean"], a["unscored"]) == (fmean([2, 3, 4]), 1)
    assert (b["mean"], b["unscored"]) == (fmean([0, 1, 1]), 1)
    assert b["stderr"] == pytest.approx(math.sqrt(((2 / 3) ** 2 + 2 * (1 / 3) ** 2) / 2 / 3))
    assert result.counts["pairs"]["unscored"] == 2


def test_scores_of_one_name_are_told_apart_by_their_scorer(evaluate: Run, tmp_path: Path) -> None:
    result = evaluate("same_names")
    told = {label: metrics["mean"] for label, metrics in result.metrics["same_names"].items() if "mean" in metrics}
    assert told == {
        "a/other": 25.0,
        "b/other": -1.0,
        "a/pair": fmean([2, 3, 4]),
        "b/pair": fmean([0, 1, 1]),
        "a/a": 7.0,
    }
    columns = columns_of(atom_of(result, tmp_path))
    means = {label: fmean(v for v in columns["same_names", label].values.values() if v is not None) for label in told}
    assert means == told


@pytest.mark.parametrize(
    ("reducers", "by_hand"),
    [
        (["mean"], {"hit": fmean([1 / 3, 2 / 3, 2 / 3, 0])}),
        (["max"], {"hit/max": 3 / 4}),
        (["mode"], {"hit/mode": 2 / 4}),
        (["median"], {"hit/median": 2 / 4}),
        (["at_least_2"], {"hit/at_least_2": 2 / 4}),
        (["mean", "max"], {"hit/mean": fmean([1 / 3, 2 / 3, 2 / 3, 0]), "hit/max": 3 / 4}),
        (["pass_at_1"], {"hit/pass_at_1": fmean([1 / 3, 2 / 3, 2 / 3, 0])}),
    ],
)
def test_each_way_of_making_epochs_one_is_named_and_right(
    reducers: list[str], by_hand: dict[str, float], evaluate: Run
) -> None:
    result = evaluate("reduced", task_args={"reducers": reducers})
    told = {label: metrics["mean"] for label, metrics in result.metrics["reduced"].items() if "mean" in metrics}
    assert told == pytest.approx(by_hand)


def test_epochs_without_a_score_leave_the_mean_of_the_others(evaluate: Run, tmp_path: Path) -> None:
    result = evaluate("gaps")
    by_hand = {1: fmean([1, 0]), 2: 1, 4: fmean([0, 0, 1])}
    assert result.metrics["gaps"]["hit"]["mean"] == pytest.approx(fmean(by_hand.values()))
    assert result.metrics["gaps"]["hit"]["unscored"] == 6
    values = columns_of(atom_of(result, tmp_path))["gaps", "hit"].values
    assert [*values.values()] == [pytest.approx(by_hand[1]), 1, None, pytest.approx(by_hand[4])]


def test_samples_that_failed_are_counted_beside_the_mean_of_the_others(evaluate: Run) -> None:
    result = evaluate("dropped")
    assert result.counts["dropped"] == {"total": 4, "completed": 3, "errored": 1, "unscored": 0}
    assert result.metrics["dropped"] == {
        "hit": {"mean": 1.0, "stderr": 0.0},
        "samples": {"total": 4, "completed": 3, "errored": 1},
    }


@pytest.mark.parametrize(("most", "is_good"), [(0.25, False), (0.3, True), (1, False), (2, True)])
def test_how_many_samples_may_fail_is_a_share_or_a_number(most: float, is_good: bool, evaluate: Run) -> None:
    if is_good:
        assert evaluate("dropped", fail_on_error=most).counts["dropped"]["errored"] == 1
    else:
        with pytest.raises(StepError, match="sample 2 cannot be had"):
            evaluate("dropped", fail_on_error=most)


def test_the_error_of_clusters_is_that_of_their_sums(evaluate: Run) -> None:
    told = evaluate("half_clustered").metrics["half_clustered"]["of"]
    mean = fmean([0.1, 0.5, 0.2, 0.9])
    odd, even = (0.1 - mean) + (0.2 - mean), (0.5 - mean) + (0.9 - mean)
    assert told["mean"] == pytest.approx(mean)
    assert told["stderr"] == pytest.approx(math.sqrt((odd**2 + even**2) / 4**2 * 2 / (2 - 1)))


def test_one_cluster_alone_has_no_error(evaluate: Run) -> None:
    told = evaluate("one_cluster").metrics["one_cluster"]["of"]
    assert told["mean"] == pytest.approx(0.4)
    assert told["stderr"] in (None, 0.0)


def test_each_group_has_the_mean_of_its_own(evaluate: Run) -> None:
    assert evaluate("groups").metrics["groups"]["of"] == {"1": 0.5, "0": 0.0, "all": 0.25}


def test_a_scorer_called_samples_keeps_its_numbers_apart_from_the_counts(evaluate: Run) -> None:
    told = evaluate("named_samples").metrics["named_samples"]
    assert told["samples"]["mean"] == pytest.approx(2 / 3)
    assert told["samples"]["unscored"] == 1


def test_ids_may_be_texts_of_digits_and_signs(evaluate: Run, tmp_path: Path) -> None:
    result = evaluate("words_and_numbers")
    assert [sample["id"] for sample in result.samples] == ["1", "b/1 ä"]
    values = columns_of(atom_of(result, tmp_path))["words_and_numbers", "of"].values
    assert values == {("1",): 1.0, ("b/1 ä",): 0.0}


@pytest.mark.parametrize(
    ("limit", "ids"), [(2, [1, 2]), ([0, 2], [1, 2]), ([1, 3], [2, 3]), ([3, 4], [4]), ([2, 4], [3, 4])]
)
def test_a_limit_takes_a_number_or_from_one_to_before_another(limit: Any, ids: list[int], evaluate: Run) -> None:
    result = evaluate("kinds", limit=limit)
    values = {1: 1, 2: 0.5, 3: 1, 4: 0.25}
    assert [sample["id"] for sample in result.samples] == ids
    assert result.metrics["kinds"]["kinds"]["mean"] == fmean(values[id] for id in ids)


def test_a_shuffled_order_changes_no_number_and_no_line(evaluate: Run, tmp_path: Path) -> None:
    plain = evaluate("kinds")
    (tmp_path / "kinds").rename(tmp_path / "plain")
    mixed = evaluate("kinds", sample_shuffle=7)
    assert mixed.metrics == plain.metrics
    order = [sample["id"] for sample in mixed.samples]
    assert sorted(order) == [1, 2, 3, 4]
    by_id = {sample["id"]: sample for sample in mixed.samples}
    assert [by_id[sample["id"]]["scores"] for sample in plain.samples] == [each["scores"] for each in plain.samples]
