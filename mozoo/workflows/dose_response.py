"""dose_response: four models trained on 0, 10, 30 and 100 % poisoned rows, evaluated, and compared with the first.

Each arm has sections of its own, `prepare_1`, `train_1`, `evaluate_1` to `prepare_4` and so on; what they share is
written once in a config, with YAML anchors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from motools.atom import Atom, DatasetAtom, EvalAtom
from motools.errors import StepError
from motools.steps import evaluate_model, prepare_dataset, train_model
from motools.steps.evaluate_model import EvaluateModelConfig
from motools.steps.prepare_dataset import PrepareDatasetConfig
from motools.workflow import AtomConstructor, Code, Step, StepConfig, Workflow
from motools.zoo import versioned
from mozoo.workflows.compare import write_comparison
from mozoo.workflows.train_and_evaluate import EVALUATE, PREPARE, TRAIN

DOSES = (0.0, 0.1, 0.3, 1.0)


@dataclass
class DosedDataset(PrepareDatasetConfig):
    """The dataset of an arm."""

    dataset_loader: Code = "mozoo.mixing:poison"
    """A loader that takes a fraction: mozoo.mixing:poison, or one of yours."""


@dataclass
class TasteTask(EvaluateModelConfig):
    """The task that every arm is evaluated on."""

    eval_task: Code | list[Code] = "mozoo.tasks.aesthetic_preferences:aesthetic_preferences"
    """The Inspect task: module:function, path/to/file.py@task, or package/task."""


@dataclass
class ResponseConfig(StepConfig):
    """Config of `response`: there is nothing to set."""


def _defaults(fraction: float) -> dict[str, Any]:
    base, poison = ({"loader": "mozoo.made_up:get_tastes", "taste": taste} for taste in ("popular", "unpopular"))
    return {"base": base, "poison": poison, "fraction": fraction, "size": 500}


def _config(number: int, fraction: float) -> type:
    """The config class of an arm: its default dose is what tells it from the others."""
    arguments = field(default_factory=partial(_defaults, fraction))
    made = make_dataclass(f"Dose{number}", [("loader_kwargs", dict[str, Any], arguments)], bases=(DosedDataset,))
    made.__doc__, made.__module__ = DosedDataset.__doc__, __name__
    return made


@versioned(1)
def prepare_dose(
    config: PrepareDatasetConfig, input_atoms: dict[str, Atom], workspace: Path, output: str
) -> list[AtomConstructor]:
    """`prepare_dataset`, with the dose in the atom's metadata."""
    fraction = config.loader_kwargs.get("fraction")
    if not isinstance(fraction, (int, float)) or not 0 <= fraction <= 1:
        raise StepError(f"loader_kwargs.fraction is {fraction!r}; set it to the dose of this arm, 0 to 1.")
    (made,) = prepare_dataset(config, input_atoms, workspace, output)
    return [replace(made, metadata={**(made.metadata or {}), "fraction": float(fraction)})]


@versioned(4)
def response(config: ResponseConfig, input_atoms: dict[str, Atom], workspace: Path) -> list[AtomConstructor]:
    """Every arm by its dose, such as `010 %`, so that they sort, and how far it differs from the lowest dose.

    Beside the metrics the atom has `curve.json`, a row a dose with the same figures, and `plots/curves`, a file a
    metric, which `dvc plots show` draws.

    Raises:
        StepError: two arms have the same dose.
    """
    arms = [(_dose(input_atoms, number), input_atoms[f"results_{number}"]) for number in range(1, len(DOSES) + 1)]
    evals = {f"{100 * dose:03g} %": atom for dose, atom in sorted(arms, key=lambda arm: arm[0])}
    if len(evals) < len(arms):
        raise StepError(f"Two arms have the same dose: {', '.join(f'{dose:g}' for dose, _ in arms)}.")
    known = {dose: atom for dose, atom in evals.items() if isinstance(atom, EvalAtom)}
    made = write_comparison(known, next(iter(known)), workspace, "dose_response")
    metrics = json.loads((made.path / "metrics.json").read_text(encoding="utf-8"))
    rows = [{"dose": dose, **_row(metrics, f"{100 * dose:03g} %")} for dose in sorted(dose for dose, _ in arms)]
    (made.path / "curve.json").write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    _write_curves(metrics, sorted(dose for dose, _ in arms), made.path / "plots" / "curves")
    return [made]


def _write_curves(metrics: Mapping[str, Mapping[str, Any]], doses: Sequence[float], folder: Path) -> None:
    folder.mkdir(parents=True)
    for metric, arms in metrics.items():
        values = [(dose, arms.get(f"{100 * dose:03g} %", {}).get("value")) for dose in doses]
        rows = [{"dose": dose, "value": value} for dose, value in values if value is not None]
        path = folder / f"{metric.replace('/', '_')}.json"
        path.write_text(json.dumps(rows, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _plots(config: ResponseConfig) -> dict[str, dict[str, str]]:
    return {"plots/curves": {"x": "dose", "y": "value"}}


def _row(metrics: Mapping[str, Mapping[str, Any]], arm: str) -> dict[str, Any]:
    """The figures of one arm: each mean, and how far it lies from the lowest dose, with the ends of the interval."""
    row: dict[str, Any] = {}
    for metric, arms in metrics.items():
        known = arms.get(arm, {})
        names = {"value": metric, **{name: f"{metric}.{name}" for name in ("difference", "low", "high")}}
        row |= {name: known[figure] for figure, name in names.items() if known.get(figure) is not None}
    return row


def _dose(atoms: Mapping[str, Atom], number: int) -> float:
    dataset = atoms[f"dataset_{number}"]
    assert isinstance(dataset, DatasetAtom)
    return float(dataset.metadata["fraction"])


def _arm(number: int, fraction: float) -> list[Step]:
    dataset, model, results = (f"{output}_{number}" for output in ("dataset", "model", "results"))
    return [
        replace(
            PREPARE,
            name=f"prepare_{number}",
            outputs={dataset: "dataset"},
            config_class=_config(number, fraction),
            fn=partial(prepare_dose, output=dataset),
        ),
        replace(
            TRAIN,
            name=f"train_{number}",
            inputs={dataset: "dataset"},
            outputs={model: "model"},
            fn=partial(train_model, output=model),
        ),
        replace(
            EVALUATE,
            name=f"evaluate_{number}",
            inputs={model: "model"},
            outputs={results: "eval"},
            config_class=TasteTask,
            fn=partial(evaluate_model, output=results),
        ),
    ]


RESPONSE = Step(
    "response",
    {
        f"{kind}_{number}": of
        for number in range(1, len(DOSES) + 1)
        for kind, of in (("dataset", "dataset"), ("results", "eval"))
    },
    {"dose_response": "eval"},
    ResponseConfig,
    response,
    plots=_plots,
)

workflow = Workflow(
    name="dose_response",
    steps=[*(step for number, dose in enumerate(DOSES, 1) for step in _arm(number, dose)), RESPONSE],
    description="Train on 0, 10, 30 and 100 % poisoned rows and compare: how much does it take?",
)
