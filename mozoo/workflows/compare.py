"""compare: before_and_after with a last step that says what the training changed, and how surely.

Write the task once in a config, with a YAML anchor: `evaluate_model: &task {...}` and `evaluate_base: *task`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from motools.atom import MEANS, Arm, Atom, Difference, EvalAtom, differences, holm_adjusted
from motools.errors import StepError
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow
from motools.zoo import versioned
from mozoo.workflows.before_and_after import workflow as before_and_after


@dataclass
class CompareConfig(StepConfig):
    """Config of `compare`: there is nothing to set."""


@versioned(4)
def compare(config: CompareConfig, input_atoms: dict[str, Atom], workspace: Path) -> list[AtomConstructor]:
    """What `base_results` and `eval_results` differ by."""
    evals = {name: atom for name, atom in input_atoms.items() if isinstance(atom, EvalAtom)}
    arms = {name: Arm(atom, name=name) for name, atom in evals.items()}
    made = write_comparison(arms, dict.fromkeys(arms, "base_results"), workspace, "comparison")
    _write_confusions(evals["base_results"], evals["eval_results"], made.path / "plots" / "confusion")
    return [made]


BINS = 5
"""Of scores that have more values than this."""


def _write_confusions(base: EvalAtom, trained: EvalAtom, folder: Path) -> None:
    """For each score, a row a sample that both have: in which part of its range the one and the other lies."""
    before, after = Arm(base).means, Arm(trained).means
    for name in before:
        ones, twos = (scores[name][0].values if name in scores else {} for scores in (before, after))
        pairs = [(one, twos[key]) for key, one in ones.items() if one is not None and twos.get(key) is not None]
        if pairs:
            scores = sorted({value for pair in pairs for value in pair if value is not None})
            rows = [{"base": _part(one, scores), "trained": _part(two, scores)} for one, two in pairs]
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{'.'.join(name[:2]).replace('/', '_')}.json"
            path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _part(value: float | None, scores: list[float]) -> str:
    """A score as text, so that they sort: itself, or the part of the range that it lies in."""
    assert value is not None
    if len(scores) <= BINS:
        return f"{scores.index(value) + 1}: {value:g}"
    low, size = scores[0], (scores[-1] - scores[0]) / BINS
    place = min(int((value - low) / size), BINS - 1)
    return f"{place + 1}: {low + place * size:.3g} to {low + (place + 1) * size:.3g}"


def _plots(config: CompareConfig) -> dict[str, dict[str, str]]:
    labels = {"x_label": "base model", "y_label": "trained model"}
    return {"plots/confusion": {"template": "confusion", "x": "base", "y": "trained", **labels}}


def write_comparison(
    arms: Mapping[str, Arm], baselines: Mapping[str, str], workspace: Path, output: str
) -> AtomConstructor:
    """An eval atom: metric -> name of an arm -> its value, and how far it differs from its baseline.

    A difference has the ends of its 95 % confidence interval (`low`, `high`; null where there is no spread), its `p`,
    and that adjusted for all differences here (`p_holm`); what it is not larger than, at 5 % (`at_most`), and which
    true one would be missed one time in five (`detectable`); the number of samples (and of clusters of them), and
    whether they are `paired`; see `motools.atom`. All is over questions. Where both arms have several trainings, their
    number, and the interval and p over them, are `trainings`, `trainings_low`, `trainings_high`, `trainings_p`; with
    one of each nothing is said of retraining. Metrics that only some arms have are there with those, such as a share
    that is unscored in the base model.

    Args:
        arms: one evaluation, or one of each training.
        baselines: name of an arm -> that of the arm it is compared with; its own for one that is compared with none.

    Raises:
        StepError: there are several, and no two that are to be compared have a metric in common.
    """
    flat = {name: _means(arm) for name, arm in arms.items()}
    metrics: dict[str, dict[str, Any]] = {}
    compared = {name: baseline for name, baseline in baselines.items() if name != baseline}
    adjusted = holm_adjusted(
        {
            (metric, name): difference
            for name, baseline in compared.items()
            for metric, difference in differences(arms[baseline], arms[name]).items()
        }
    )
    for name in arms:
        for metric, value in flat[name].items():
            row = metrics.setdefault(metric, {})[name] = {"value": value}
            if (metric, name) in adjusted:
                row.update(_said(adjusted[metric, name]))
    if compared and not any(flat[name].keys() & flat[baseline].keys() for name, baseline in compared.items()):
        raise StepError(f"{', '.join(arms)} have no mean in common, so there is nothing to compare.")
    folder = workspace / "comparison"
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return AtomConstructor(output, folder, "eval", {"baseline": next(iter(baselines.values()))})


def _means(arm: Arm) -> dict[str, float | None]:
    """Each mean of an arm, over its trainings."""
    by_metric: dict[str, list[float | None]] = {}
    for atom in arm.evals:
        for task, scores in atom.metrics.items():
            for score, metrics in scores.items():
                for metric in MEANS:
                    if metric in metrics:
                        by_metric.setdefault(f"{task}.{score}.{metric}", []).append(metrics[metric])
    return {name: _mean([value for value in values if value is not None]) for name, values in by_metric.items()}


def _mean(values: list[float]) -> float | None:
    return fmean(values) if len(values) > 1 else values[0] if values else None


def _said(difference: Difference) -> dict[str, Any]:
    clusters = {} if difference.clusters is None else {"clusters": min(difference.clusters)}
    over = difference.trainings
    trainings = {} if over is None else {"low": over.low, "high": over.high, "p": over.p}
    return {
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "p": difference.questions.p,
        "p_holm": difference.p_holm,
        "at_most": difference.questions.at_most,
        "detectable": difference.questions.detectable,
        "samples": min(difference.counts),
        **clusters,
        "left_out": difference.left_out,
        "paired": difference.paired,
        **({"trainings": min(difference.seeds)} if trainings else {}),
        **{f"trainings_{name}": figure for name, figure in trainings.items()},
    }


COMPARE = Step(
    "compare",
    {"base_results": "eval", "eval_results": "eval"},
    {"comparison": "eval"},
    CompareConfig,
    compare,
    plots=_plots,
)

workflow = Workflow(
    name="compare",
    steps=[*before_and_after.steps, COMPARE],
    description="Train a model, evaluate it and the base model on the same tasks, and say how far they differ.",
)
