"""dose_response: train on 0, 10, 30 and 100 % poisoned rows, evaluate, and compare with the lowest dose.

The doses are an axis of the config's sweep, as many as there are; with seeds beside them, a dose has several trainings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from motools.atom import Arm, Atom, EvalAtom
from motools.errors import StepError
from motools.steps.evaluate_model import EvaluateModelConfig
from motools.steps.prepare_dataset import PrepareDatasetConfig
from motools.workflow import AtomConstructor, Code, Step, StepConfig, Workflow, axes_in
from motools.zoo import versioned
from mozoo.workflows.compare import write_comparison
from mozoo.workflows.train_and_evaluate import EVALUATE, PREPARE, TRAIN

DOSE = "fraction"
"""The axis that is the dose: `prepare_dataset.loader_kwargs.fraction`."""


def _made_up() -> dict[str, Any]:
    base, poison = ({"loader": "mozoo.made_up:get_tastes", "taste": taste} for taste in ("popular", "unpopular"))
    return {"base": base, "poison": poison, DOSE: 0.0, "size": 500}


@dataclass
class DosedDataset(PrepareDatasetConfig):
    """The dataset of a dose."""

    dataset_loader: Code = "mozoo.mixing:poison"
    """A loader that takes a fraction: mozoo.mixing:poison, or one of yours."""
    loader_kwargs: dict[str, Any] = field(default_factory=_made_up)
    """What the loader takes; `fraction`, 0 to 1, is the dose, and varies in the sweep."""


@dataclass
class TasteTask(EvaluateModelConfig):
    """The task that every dose is evaluated on."""

    eval_task: Code | list[Code] = "mozoo.tasks.aesthetic_preferences:aesthetic_preferences"
    """The Inspect task: module:function, path/to/file.py@task, or package/task."""


@dataclass
class ResponseConfig(StepConfig):
    """Config of `response`: there is nothing to set."""


@versioned(5)
def response(config: ResponseConfig, input_atoms: dict[str, Atom], workspace: Path) -> list[AtomConstructor]:
    """Every dose, such as `010 %`, so that they sort, and how far it differs from the lowest one.

    What varies beside dose and seed, such as the checkpoint, is told behind the dose, and each is compared with the
    lowest dose of its own. Beside the metrics the atom has `curve.json`, a row a dose with the same figures, and
    `plots/curves`, a file a metric, which `dvc plots show` draws.

    Raises:
        StepError: the sweep has no axis `fraction` of numbers from 0 to 1.
    """
    trainings: dict[tuple[str, float], list[EvalAtom]] = {}
    for name, atom in input_atoms.items():
        if isinstance(atom, EvalAtom):
            trainings.setdefault(_place(axes_in(name)), []).append(atom)
    names = {(rest, dose): " ".join(filter(None, [f"{100 * dose:03g} %", rest])) for rest, dose in sorted(trainings)}
    lowest = {rest: names[rest, dose] for rest, dose in sorted(names, reverse=True)}
    arms = {name: Arm(*trainings[place], name=name) for place, name in names.items()}
    made = write_comparison(arms, {name: lowest[rest] for (rest, _), name in names.items()}, workspace, "dose_response")
    metrics = json.loads((made.path / "metrics.json").read_text(encoding="utf-8"))
    places = [(rest, dose, name) for (rest, dose), name in names.items()]
    rows = [{**({"of": rest} if rest else {}), "dose": dose, **_row(metrics, name)} for rest, dose, name in places]
    (made.path / "curve.json").write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    _write_curves(metrics, rows, made.path / "plots" / "curves")
    return [made]


def _place(axes: Mapping[str, str]) -> tuple[str, float]:
    """What holds for an evaluation beside its dose and its seed, and its dose."""
    try:
        dose = float(axes[DOSE])
    except (KeyError, ValueError):
        dose = -1
    if not 0 <= dose <= 1:
        told = ",".join(f"{axis}={text}" for axis, text in axes.items()) or "nothing"
        raise StepError(
            f"An evaluation has no dose: what varies is {told}. Write, under sweep in params.yaml, the doses, 0 to 1: "
            f"prepare_dataset.loader_kwargs.{DOSE}: [0.0, 0.1, 1.0]"
        )
    others = {axis: text for axis, text in axes.items() if axis != DOSE and axis.rpartition(".")[2] != "seed"}
    return ",".join(f"{axis}={text}" for axis, text in others.items()), dose


def _write_curves(metrics: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    folder.mkdir(parents=True)
    for metric in metrics:
        curve = [
            {**{key: row[key] for key in ("of", "dose") if key in row}, "value": row[metric]}
            for row in rows
            if metric in row
        ]
        path = folder / f"{metric.replace('/', '_')}.json"
        path.write_text(json.dumps(curve, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _plots(config: ResponseConfig) -> dict[str, dict[str, str]]:
    return {"plots/curves": {"x": "dose", "y": "value"}}


def _row(metrics: Mapping[str, Mapping[str, Any]], arm: str) -> dict[str, Any]:
    """The figures of one arm: each mean, and how far it lies from the lowest dose, with the ends of the interval."""
    row: dict[str, Any] = {}
    for metric, arms in metrics.items():
        figures = arms.get(arm, {})
        names = {"value": metric, **{name: f"{metric}.{name}" for name in ("difference", "low", "high")}}
        row |= {name: figures[figure] for figure, name in names.items() if figures.get(figure) is not None}
    return row


RESPONSE = Step(
    "response",
    {"eval_results": "eval"},
    {"dose_response": "eval"},
    ResponseConfig,
    response,
    plots=_plots,
    gathers=["eval_results"],
)

workflow = Workflow(
    name="dose_response",
    steps=[
        replace(PREPARE, config_class=DosedDataset),
        TRAIN,
        replace(EVALUATE, config_class=TasteTask),
        RESPONSE,
    ],
    description="Train on 0, 10, 30 and 100 % poisoned rows and compare: how much does it take?",
    sweep={f"prepare_dataset.loader_kwargs.{DOSE}": [0.0, 0.1, 0.3, 1.0]},
)
