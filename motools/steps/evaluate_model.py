"""evaluate_model: run an evaluation of a model, keep every score and every metric."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from motools.atom.atom import Atom, ModelAtom
from motools.base.configs import StepConfig
from motools.definition.config import Code, Idle, Name
from motools.definition.context import current_step
from motools.definition.step import AtomConstructor
from motools.errors import StepError, listed
from motools.evals import Counts, EvalRequest, Evaluation, Evaluator, Metrics, find_evaluator
from motools.evals.api_keys import OWN, check_model
from motools.evals.options import IDLE, TRAINED, role_model
from motools.evals.results import add_usage, write_results
from motools.repo.pipeline import logs_path
from motools.steps.existing_model import ExistingModelConfig
from motools.steps.train_model import TrainModelConfig, is_paid_training
from motools.training import find_trainer
from motools.zoo import Description, named, versioned


@dataclass
class EvaluateModelConfig(StepConfig):
    """Config of `evaluate_model`."""

    eval_task: Code | list[Code]
    """The Inspect task: module:function, path/to/file.py@task, or package/task."""
    eval_kwargs: Annotated[dict[str, Any], Idle(IDLE)] = field(default_factory=dict)
    """Options: task_args, limit, epochs, temperature, max_tokens, seed, model_roles, ..."""
    backend_name: Name("evaluator") = "inspect"  # type: ignore[valid-type]
    """Who evaluates: inspect, or dummy (instant numbers that mean nothing)."""


def check_evaluation(config: EvaluateModelConfig, inputs: Mapping[str, Any] | None = None) -> None:
    """Before a run: let the backend refuse what could never work, also of the model that it will ask.

    Args:
        inputs: the configs of the steps that make the inputs.
    """
    evaluator = find_evaluator(config.backend_name)
    for request in _expected(config, inputs):
        evaluator.check(request)
    for task in _judged(config) if getattr(evaluator, "paid", False) else ():
        if task.grader:
            check_model(f"The judge of {task.name}, unless eval_kwargs.model_roles.grader names another", task.grader)


def rehearse_evaluation(config: EvaluateModelConfig, inputs: Mapping[str, Any] | None = None) -> None:
    """Before a run: let the backend make the tasks, and try out who judges, where a training that is paid comes first:
    what cannot be made, or cannot judge, never costs a training."""
    if (rehearse := getattr(find_evaluator(config.backend_name), "rehearse", None)) is not None:
        for request in _expected(config, inputs):
            rehearse(request)


def _expected(config: EvaluateModelConfig, inputs: Mapping[str, Any] | None) -> list[EvalRequest]:
    """The evaluations, one a model, as far as they are known before there are models."""
    makers = (inputs or {}).values()
    models = [pair for made in makers if (pair := served(made))]
    pays = any(isinstance(made, TrainModelConfig) and is_paid_training(made, {}) for made in makers)
    request = EvalRequest(config.eval_task, config.eval_kwargs, before_paying=pays)
    return [replace(request, expected=model, expected_args=args) for model, args in models] or [request]


def models_of_evaluation(config: EvaluateModelConfig) -> list[str]:
    """The models of the roles, and the judges of published tasks that the config does not name."""
    roles = map(role_model, (config.eval_kwargs.get("model_roles") or {}).values())
    judges = _judged(config) if getattr(find_evaluator(config.backend_name), "paid", False) else []
    return [*(model for model in roles if model != TRAINED), *(task.grader for task in judges if task.grader)]


def served(config: Any) -> tuple[str, Mapping[str, Any]] | None:
    """How Inspect will reach the model that a step makes, as far as its config tells."""
    if isinstance(config, ExistingModelConfig):
        return config.model, config.model_args
    provider = (
        getattr(find_trainer(config.backend_name), "provider", None) if isinstance(config, TrainModelConfig) else None
    )
    return (f"{provider}/{config.model}", {}) if provider else None


def is_paid_evaluation(config: EvaluateModelConfig, input_atoms: Mapping[str, Atom]) -> bool:
    """Whether the model, as far as it is at hand, or a grader is one of a provider that bills."""
    if not getattr(find_evaluator(config.backend_name), "paid", False):
        return False
    roles = config.eval_kwargs.get("model_roles") or {}
    models = [
        *map(role_model, roles.values()),
        *(atom.metadata.get("inspect", {}).get("model", "") for atom in input_atoms.values()),
    ]
    asks = "grader" not in roles and (config.eval_kwargs.get("task_args") or {}).get("judge")
    providers = [str(model).partition("/")[0] for model in models if model and model != TRAINED]
    return bool(asks or _judged(config)) or any(provider not in OWN for provider in providers)


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
    """Evaluate the model among the inputs, on one task or several; makes an eval atom, and logs for `inspect view`.

    Of several models each is evaluated on every task, and what stands under `task` stands under `input/task`.

    Raises:
        StepError: the evaluation, or that of one of the tasks, failed.
    """
    evaluator = find_evaluator(config.backend_name)
    models = [atom for atom in input_atoms.values() if isinstance(atom, ModelAtom)]
    if not models:
        raise StepError(f"evaluate_model evaluates a model, and has none among its inputs: {listed(input_atoms)}.")
    if len(models) == 1:  # not by name: results of arms whose inputs are called otherwise are then found again
        result = evaluator.evaluate(EvalRequest(config.eval_task, config.eval_kwargs, models[0]), workspace)
    else:
        named = {name: atom for name, atom in input_atoms.items() if isinstance(atom, ModelAtom)}
        result = _of_several(evaluator, config, named, workspace)
    folder = workspace / "results"
    write_results(result, folder)
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


def _of_several(
    evaluator: Evaluator, config: EvaluateModelConfig, models: Mapping[str, ModelAtom], workspace: Path
) -> Evaluation:
    """The evaluations of several models as one."""
    metrics: Metrics = {}
    samples: list[dict[str, Any]] = []
    counts: dict[str, Counts] = {}
    usage: dict[str, Any] = {}
    logs = workspace / "logs"
    for name, model in models.items():
        own = workspace / "models" / name
        own.mkdir(parents=True)
        one = evaluator.evaluate(EvalRequest(config.eval_task, config.eval_kwargs, model), own)
        metrics |= {f"{name}/{task}": of_task for task, of_task in one.metrics.items()}
        counts |= {f"{name}/{task}": of_task for task, of_task in one.counts.items()}
        alone = next(iter(one.counts)) if len(one.counts) == 1 else None
        samples += [{**sample, "task": f"{name}/{sample.get('task', alone)}"} for sample in one.samples]
        add_usage(usage, one.usage)
        if one.logs is not None:
            shutil.copytree(one.logs, logs, dirs_exist_ok=True)
    return Evaluation(metrics, samples, counts, logs if logs.is_dir() else None, usage)


def _say_where() -> None:
    """Where the logs will lie, for the step's own log; by hand, outside a step, there is no such place."""
    try:
        step = current_step()
    except StepError:
        return
    print(f"Open the log from {step.folder} with: inspect view --log-dir {logs_path(step.step)}")
