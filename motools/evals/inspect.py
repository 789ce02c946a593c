"""Evaluation with Inspect: one `inspect_ai.eval`, offline unless the model is not, with every score kept."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from motools import code
from motools.code import Place
from motools.errors import BackendError, DamagedError, StepError, listed
from motools.evals import EvalRequest, Evaluation
from motools.evals.options import check_options, check_task, task_name
from motools.evals.readout import failure, read_log
from motools.repo import Project
from motools.zoo import versioned

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.log import EvalLog
    from inspect_ai.model import ModelOutput

    from motools.atom import ModelAtom

__all__ = ["InspectEvaluator"]

DEFAULTS: dict[str, Any] = {"max_retries": 5, "timeout": 600}
"""Inspect itself would try for ever to reach a server that is gone. The timeout is in seconds a call."""


@versioned(1)
class InspectEvaluator:
    """Runs an Inspect task on a model and keeps every score, every metric and every sample.

    The task is `module:function` (a function that returns a Task, decorated or not), `file.py@task` or
    `package/task`. Its options: `task_args`, `limit`, `epochs`, `temperature`, `top_p`, `max_tokens`,
    `seed`, `model_roles`, `model_args`, `max_connections`, `max_retries` and `timeout`.

    An evaluation in which a sample fails has failed, unless the task itself says otherwise: a score over
    the other samples would be another number. A process runs one evaluation at a time, as Inspect has it.
    """

    preload = ("inspect_ai", "motools.evals.progress", "motools.evals.provider")  # 3 s to import

    def check(self, request: EvalRequest) -> None:
        if importlib.util.find_spec("inspect_ai") is None:
            raise BackendError("The inspect evaluator needs Inspect: pip install 'motools[inspect]'.")
        check_task(request.task)
        check_options(request.kwargs)

    def evaluate(self, request: EvalRequest, workspace: Path) -> Evaluation:
        self.check(request)
        if request.model is None:
            raise BackendError("The inspect evaluator needs a model to evaluate.")
        options = {**DEFAULTS, **{name: value for name, value in request.kwargs.items() if value is not None}}
        model, model_args = _model(request.model)
        options["model_args"] = {**model_args, **options.get("model_args", {})}
        logs = workspace / "logs"
        log = _run(request.task, model, options, logs)
        if log.status != "success" or log.results is None:
            if log.error:
                print(log.error.traceback, file=sys.stderr)
            raise StepError(f"The evaluation {request.task} of {model} failed: {failure(log)}")
        return dataclasses.replace(read_log(log), logs=logs)


def _model(atom: ModelAtom) -> tuple[str, dict[str, Any]]:
    """The name under which Inspect reaches a model, and the arguments of its provider.

    Raises:
        BackendError: the atom names a model that no provider of Inspect's can have.
        DamagedError: it names a file that it does not have.
    """
    reach = atom.metadata.get("inspect") or {}
    name = reach.get("model") or atom.get_model_id()
    if name.startswith("dummy/"):
        raise BackendError(
            f"The model {name} was made by the dummy trainer, and no provider serves it. "
            "Set evaluate_model.backend_name to dummy, or train with tinylm."
        )
    if "/" not in name:
        raise BackendError(
            f"The model {name!r} of {atom.id} does not say who serves it. Inspect wants the provider first, "
            f"such as openai/{name}: put it into the model's metadata, under inspect.model."
        )
    args = dict(reach.get("model_args") or {})
    for arg, relative in (reach.get("model_paths") or {}).items():
        path = atom.get_data_path() / relative
        # By its parts, not resolved: with DVC's link types the files are links into its cache.
        if PurePosixPath(relative).is_absolute() or ".." in PurePosixPath(relative).parts or not path.is_file():
            raise DamagedError(f"The model {atom.id} names a file that it does not have: {relative}.")
        args[arg] = str(path.absolute())
    return name, args


def _run(task: str, model: str, options: dict[str, Any], logs: Path) -> EvalLog:
    """The one evaluation, with Inspect's own refusals as errors of ours."""
    import inspect_ai
    from inspect_ai._util.error import PrerequisiteError

    import motools.evals.progress
    import motools.evals.provider  # noqa: F401  (registers tinylm where MOTools is not installed)

    if isinstance(options.get("limit"), list):
        options["limit"] = tuple(options["limit"])
    if model.startswith("mockllm/"):
        options["model_args"].setdefault("custom_outputs", _mock_output)
    options["model_roles"] = {role: _role(name) for role, name in options.get("model_roles", {}).items()}
    # Servers for other programs to look in; younger than the oldest Inspect we take.
    known = inspect.signature(inspect_ai.eval).parameters
    options.update({name: False for name in ("acp_server", "ctl_server") if name in known})
    place = Place(Project.find(), Path.cwd().resolve())
    with place.importable():
        try:
            done = inspect_ai.eval(
                _task(task, options.get("task_args", {}), place),
                model=model,
                log_dir=str(logs),
                log_format="eval",
                log_realtime=False,
                display="none",
                score_display=False,
                **options,
            )
        except PrerequisiteError as error:
            raise StepError(f"Inspect cannot run {task} with {model}: {_sentence(error.message)}") from error
    if not done or done[0].status == "cancelled":  # Inspect takes Ctrl-C for itself
        raise KeyboardInterrupt
    (log,) = done
    if ignored := sorted(options.get("task_args", {}).keys() - log.eval.task_args.keys()):
        raise StepError(f"eval_kwargs.task_args: {task} takes no {listed(ignored)}.")
    return log


def _task(text: str, task_args: Mapping[str, Any], place: Place) -> Callable[..., Task] | str:
    """A task for Inspect to make: in Inspect's own forms as it is, of other code the function, registered.

    Inspect makes it rather than we, because a task may ask which model is evaluated, or which grades.

    Raises:
        ConfigError: there is no such file, module or function.
        BackendError: the function does not take the arguments.
    """
    from inspect_ai import Task, task

    if "@" in text:
        code.check(text, place)
    if "@" in text or ":" not in text:
        return text
    make = code.load(text, place)
    try:
        inspect.signature(make).bind(**task_args)
    except TypeError as error:
        raise BackendError(f"eval_kwargs.task_args do not fit {text}: {error}.") from error

    @functools.wraps(make)
    def made(**kwargs: Any) -> Task:
        result = make(**kwargs)
        if not isinstance(result, Task):
            raise BackendError(f"{text} returned {type(result).__name__}, not an inspect_ai.Task.")
        return result

    return task(name=task_name(text))(made)


def _role(name: str) -> Any:
    from inspect_ai.model import get_model

    return get_model(name, custom_outputs=_mock_output) if name.startswith("mockllm/") else name


def _mock_output(*call: Any) -> ModelOutput:
    """What mockllm says anyway, with a count of tokens, which it would else download a vocabulary to make."""
    from inspect_ai.model import ModelOutput, ModelUsage

    output = ModelOutput.from_content("mockllm/model", "Default output from mockllm/model")
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


def _sentence(message: Any) -> str:
    """One line of a message that Inspect made for a terminal."""
    plain = re.sub(r"\[/?[a-z]*\]", "", str(message))
    return " ".join(plain.split()).removeprefix("ERROR: ").removeprefix("Error: ")
