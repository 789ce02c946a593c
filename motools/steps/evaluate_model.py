"""evaluate_model: run an evaluation of a model, keep every score and every metric."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motools.atom.atom import Atom, ModelAtom
from motools.base.configs import StepConfig
from motools.definition.config import Code, Name
from motools.definition.context import current_step
from motools.definition.step import AtomConstructor
from motools.errors import StepError
from motools.evals import EvalRequest, find_evaluator
from motools.evals.api_keys import OWN, check_model
from motools.repo.pipeline import logs_path
from motools.steps.existing_model import ExistingModelConfig
from motools.steps.train_model import TrainModelConfig
from motools.training import find_trainer
from motools.zoo import Description, named, versioned


@dataclass
class EvaluateModelConfig(StepConfig):
    """Config of `evaluate_model`."""

    eval_task: Code | list[Code]
    """The Inspect task: module:function, path/to/file.py@task, or package/task."""
    eval_kwargs: dict[str, Any] = field(default_factory=dict)
    """Options: task_args, limit, epochs, temperature, max_tokens, seed, model_roles, ..."""
    backend_name: Name("evaluator") = "inspect"  # type: ignore[valid-type]
    """Who evaluates: inspect, or dummy (instant numbers that mean nothing)."""


def check_evaluation(config: EvaluateModelConfig, inputs: Mapping[str, Any] | None = None) -> None:
    """Before a run: let the backend refuse what could never work, also of the model that it will ask.

    Args:
        inputs: the configs of the steps that make the inputs.
    """
    evaluator = find_evaluator(config.backend_name)
    evaluator.check(_expected(config, inputs))
    for task in _judged(config) if getattr(evaluator, "paid", False) else ():
        if task.grader:
            check_model(f"The judge of {task.name}, unless eval_kwargs.model_roles.grader names another", task.grader)


def rehearse_evaluation(config: EvaluateModelConfig, inputs: Mapping[str, Any] | None = None) -> None:
    """Before a run: let the backend make the tasks, so that one that cannot be made never costs a training."""
    if (rehearse := getattr(find_evaluator(config.backend_name), "rehearse", None)) is not None:
        rehearse(_expected(config, inputs))


def _expected(config: EvaluateModelConfig, inputs: Mapping[str, Any] | None) -> EvalRequest:
    """The evaluation as far as it is known before there is a model."""
    model, args = next((found for made in (inputs or {}).values() if (found := _served(made))), (None, {}))
    return EvalRequest(config.eval_task, config.eval_kwargs, expected=model, expected_args=args)


def models_of_evaluation(config: EvaluateModelConfig) -> list[str]:
    """The models of the roles, and the judges of published tasks that the config does not name."""
    roles = (config.eval_kwargs.get("model_roles") or {}).values()
    judges = _judged(config) if getattr(find_evaluator(config.backend_name), "paid", False) else []
    return [*map(str, roles), *(task.grader for task in judges if task.grader)]


def _served(made: Any) -> tuple[str, Mapping[str, Any]] | None:
    """How Inspect will reach the model that a step makes, as far as its config tells."""
    if isinstance(made, ExistingModelConfig):
        return made.model, made.model_args
    provider = (
        getattr(find_trainer(made.backend_name), "provider", None) if isinstance(made, TrainModelConfig) else None
    )
    return (f"{provider}/{made.model}", {}) if provider else None


def is_paid_evaluation(config: EvaluateModelConfig, input_atoms: Mapping[str, Atom]) -> bool:
    """Whether the model, as far as it is at hand, or a grader is one of a provider that bills."""
    if not getattr(find_evaluator(config.backend_name), "paid", False):
        return False
    roles = config.eval_kwargs.get("model_roles") or {}
    models = [*roles.values(), *(atom.metadata.get("inspect", {}).get("model", "") for atom in input_atoms.values())]
    asks = "grader" not in roles and (config.eval_kwargs.get("task_args") or {}).get("judge")
    return bool(asks or _judged(config)) or any(str(model).partition("/")[0] not in OWN for model in models if model)


def _judged(config: EvaluateModelConfig) -> list[Description]:
    """The published tasks that ask a judge of their own choice."""
    if "grader" in (config.eval_kwargs.get("model_roles") or {}):
        return []
    tasks = [config.eval_task] if isinstance(config.eval_task, str) else config.eval_task
    entries = [getattr(named("task", task), "__motools_entry__", None) for task in tasks]
    asks = (config.eval_kwargs.get("task_args") or {}).get("judge")
    return [e for e in entries if isinstance(e, Description) and ("judge" in e.tags or (asks and e.grader))]


def modules_of_evaluation(config: EvaluateModelConfig) -> tuple[str, ...]:
    """The heavy modules that the backend says it will import."""
    modules: tuple[str, ...] = getattr(find_evaluator(config.backend_name), "preload", ())
    return modules


@versioned(2)
def evaluate_model(
    config: EvaluateModelConfig,
    input_atoms: dict[str, Atom],
    workspace: Path,
    output: str = "eval_results",
) -> list[AtomConstructor]:
    """Evaluate the one model among the inputs, on one task or several; makes an eval atom, and logs for `inspect view`.

    Raises:
        StepError: the evaluation, or that of one of the tasks, failed.
    """
    (model,) = (atom for atom in input_atoms.values() if isinstance(atom, ModelAtom))
    request = EvalRequest(config.eval_task, config.eval_kwargs, model)
    result = find_evaluator(config.backend_name).evaluate(request, workspace)
    folder = workspace / "results"
    folder.mkdir()
    (folder / "metrics.json").write_text(
        json.dumps(result.metrics, indent=2, sort_keys=True, allow_nan=False) + "\n",
        encoding="utf-8",
    )
    with (folder / "samples.jsonl").open("w", encoding="utf-8") as file:
        for sample in result.samples:
            file.write(json.dumps(sample, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n")
    if result.usage:
        (workspace / "usage.json").write_text(json.dumps(result.usage), encoding="utf-8")
    if result.logs is not None and result.logs != workspace / "logs":
        shutil.move(result.logs, workspace / "logs")
    if result.logs is not None:
        _say_where()
    about = {
        "task": config.eval_task,
        "samples": {name: dict(n) for name, n in result.counts.items()},
    }
    return [AtomConstructor(output, folder, "eval", about)]


def _say_where() -> None:
    """Where the logs will lie, for the step's own log; by hand, outside a step, there is no such place."""
    try:
        step = current_step()
    except StepError:
        return
    print(f"Open the log from {step.folder} with: inspect view --log-dir {logs_path(step.step)}")
