"""Evaluation with Inspect: one `inspect_ai.eval_set` that a crash does not set back, with every score kept."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motools.base import trusted_hosts
from motools.base.gpu import held_gpu
from motools.code.search_path import PipelineFolder, pipeline_folder
from motools.definition.context import current_step, working_folder
from motools.errors import BackendError, StepError, listed
from motools.evals import EvalRequest, Evaluation
from motools.evals.api_keys import check_model
from motools.evals.inspect.answers import at_hand, index
from motools.evals.inspect.graders import try_graders
from motools.evals.inspect.log_labels import origin_of
from motools.evals.inspect.models import (
    STAND_IN,
    is_far,
    let_go,
    make_current,
    no_dotenv,
    one_line,
    refuse_dummy,
    refuse_remote_code,
    way_to,
)
from motools.evals.inspect.tasks import (
    check_made,
    check_registered,
    data_digest,
    ids_of,
    make_named,
    make_tasks,
    only_answers,
    rehearsed_tasks,
)
from motools.evals.options import (
    GPU,
    TRAINED,
    check_options,
    check_tasks,
    role_model,
    role_options,
)
from motools.zoo import versioned

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog


__all__ = ["InspectEvaluator", "place"]

DEFAULTS: dict[str, Any] = {"max_retries": 5, "timeout": 600, "attempt_timeout": 300}
"""Inspect itself would try for ever to reach a server that is gone. The timeouts are in seconds: of a call with all
its attempts, and of one attempt, which is all that ends one to a server that is silent."""

FREE = ("tinylm/", "mockllm/")
"""Providers whose answers cost nothing, so that a few samples asked again are cheaper than 7 ms a sample to keep it."""

SETTINGS = (
    "limit sample_id sample_shuffle epochs fail_on_error score_on_error approval sandbox message_limit token_limit "
    "turn_limit time_limit working_limit max_tasks max_samples max_sandboxes max_subprocesses"
).split()
"""Options that `eval_set` takes under the same name."""


@versioned(5)
class InspectEvaluator:
    """Runs Inspect tasks on a model and keeps every score, every metric and every sample.

    A task is `module:function` (a function that returns a Task, decorated or not), `file.py@task` or
    `package/task`. The options are those of `motools.evals.options`, by Inspect's names.

    An evaluation in which a sample fails has failed, unless `fail_on_error` or the task itself says otherwise. What
    was finished before it failed, or before its process was killed, is not asked for again by the next attempt.
    A process runs one evaluation at a time, as Inspect has it.
    """

    paid = True  # where the model or a grader is one of a provider that bills
    preload = ("inspect_ai", "motools.evals.inspect.progress", "motools.evals.tinylm_provider")  # 3 s to import

    def check(self, request: EvalRequest) -> None:
        if importlib.util.find_spec("inspect_ai") is None:
            raise BackendError("The inspect evaluator needs Inspect, which is missing: pip install inspect-ai.")
        check_tasks(request.tasks)
        check_options(request.kwargs)
        roles = request.kwargs.get("model_roles") or {}
        if why := trusted_hosts.refusal(request.kwargs.get("model_args"), "eval_kwargs.model_args"):
            raise BackendError(why)
        for role, given in roles.items():
            if why := trusted_hosts.refusal(role_options(given).get("model_args"), f"eval_kwargs.model_roles.{role}"):
                raise BackendError(why)
            if role_model(given) != TRAINED:
                args = role_options(given).get("model_args") or {}
                check_model(f"eval_kwargs.model_roles.{role}", role_model(given), args.keys())
        if request.expected is not None:
            refuse_dummy(request.expected)
            refuse_remote_code("The model to evaluate", request.expected_args, request.kwargs)
            names = request.expected_args.keys() | (request.kwargs.get("model_args") or {}).keys()
            check_model("The model to evaluate", request.expected, names)

    def rehearse(self, request: EvalRequest) -> None:
        """Make the tasks, so that their data is fetched, and the clients of graders and of a served model.

        A model that is still to be trained, or that would be loaded here, is stood in for by `mockllm/model`. Nobody is
        asked anything, unless a training that is paid comes first: then who judges is asked one question.

        Raises:
            BackendError: a task, its data or its arguments, a provider, or what one needs is not there, or who judges
                cannot.
        """
        from motools.evals.private import PrerequisiteError

        about = [request.tasks, dict(request.kwargs), request.expected, request.before_paying]
        asked = json.dumps(about, sort_keys=True, default=str)
        if asked in _REHEARSED:
            return
        options = {name: value for name, value in request.kwargs.items() if value is not None}
        model, args = request.expected, {**request.expected_args, **options.get("model_args", {})}
        reached = (model, args) if model is not None and is_far(model) else (STAND_IN, {})
        roles = {
            role: given if is_far(reached[0] if role_model(given) == TRAINED else role_model(given)) else STAND_IN
            for role, given in options.get("model_roles", {}).items()
        }
        here = place()
        try:
            with here.importable(), no_dotenv():
                _, models, _ = make_current(reached, {**options, "model_roles": roles})
                made = rehearsed_tasks(request.tasks, options.get("task_args", {}), here)
                check_made(request.tasks, made, options)
                _solver(options, here)
                if request.before_paying:
                    others = {role: models[role] for role, given in roles.items() if given not in (STAND_IN, TRAINED)}
                    try_graders(made, others, judged=roles.get("grader") not in (STAND_IN, TRAINED))
        except PrerequisiteError as error:
            raise BackendError(f"Inspect cannot run {listed(request.tasks)}: {one_line(error.message)}") from error
        _REHEARSED.add(asked)

    def evaluate(self, request: EvalRequest, workspace: Path) -> Evaluation:
        self.check(request)
        if request.model is None:
            raise BackendError("The inspect evaluator needs a model to evaluate.")
        from motools.evals.inspect.logs import failure, read_logs

        given = {name: value for name, value in request.kwargs.items() if value is not None}
        model, model_args = way_to(request.model)
        refuse_remote_code(f"The model {request.model.id}", model_args, request.kwargs)
        check_model("The model to evaluate", model, model_args.keys() | (request.kwargs.get("model_args") or {}).keys())
        logs_by_task = _run(request, (model, model_args), {**DEFAULTS, **given}, _kept(workspace))
        for task, log in logs_by_task.items():
            if log.status != "success" or log.results is None:
                if log.error:
                    print(log.error.traceback, file=sys.stderr)
                print(f"See it with: inspect view --log-dir {_path(log).parent}", file=sys.stderr)
                raise StepError(f"The evaluation {task} of {model} failed: {failure(log)}")
        logs = _keep(logs_by_task, workspace / "logs")
        with suppress(StepError):  # called by hand, outside a step
            index(current_step(), request.model.id, logs)
        return read_logs(logs_by_task, logs)


def _kept(workspace: Path) -> Path:
    """Where the logs grow: what an attempt that ends too early leaves there, the next one goes on from."""
    try:
        return current_step().kept() / "inspect"
    except StepError:  # called by hand, outside a step
        return workspace / "inspect"


def _run(
    request: EvalRequest, reached: tuple[str, dict[str, Any]], options: dict[str, Any], folder: Path
) -> dict[str, EvalLog]:
    """The one evaluation, with Inspect's own refusals as errors of ours; the log's header for each task."""
    from motools.evals.inspect.tasks import MARK
    from motools.evals.private import PrerequisiteError

    here = place()
    try:
        with here.importable(), _ended_at_once(), no_dotenv(), _gpu(request, reached[0]):
            logs = _eval_set(request, reached, options, folder, here)
    except PrerequisiteError as error:
        tasks = ", ".join(request.tasks)
        raise StepError(f"Inspect cannot run {tasks} with {reached[0]}: {one_line(error.message)}") from error
    if any(log.status == "cancelled" for log in logs):  # Inspect takes Ctrl-C for itself
        raise KeyboardInterrupt
    by_task = {(log.eval.metadata or {})[MARK]: log for log in logs}
    return {task: by_task[task] for task in request.tasks}


def _gpu(request: EvalRequest, model: str) -> AbstractContextManager[Any]:
    """The GPU, where the model or one that has a role needs it."""
    models = [model, *map(role_model, (request.kwargs.get("model_roles") or {}).values())]
    return held_gpu() if any(each.partition("/")[0] in GPU for each in models) else nullcontext()


def place() -> PipelineFolder:
    return pipeline_folder(working_folder(), needs_project=False)


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """Where SIGTERM would become an exception, let it end the process instead, with the same exit code.

    Logs are whole on disk after every sample; an exception amid Inspect's threads could put half of one in its place.
    """
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _eval_set(
    request: EvalRequest,
    reached: tuple[str, dict[str, Any]],
    options: dict[str, Any],
    folder: Path,
    here: PipelineFolder,
) -> list[EvalLog]:
    import inspect_ai

    from motools.evals.inspect.progress import expect
    from motools.evals.private import forget_usage

    forget_usage()
    (name, model_args), atom = reached, request.model
    assert atom is not None
    check_registered(request.tasks, here)
    mine, roles, generation = make_current((name, {**model_args, **options.get("model_args", {})}), options)
    made = make_tasks(request.tasks, options.get("task_args", {}), here)
    check_made(request.tasks, made, options)
    only_answers(made)
    kept = folder / hashlib.sha256(f"{atom.id} {data_digest(made, options)}".encode()).hexdigest()[:32]
    named = map(role_model, options.get("model_roles", {}).values())
    paid = not all(each.startswith(FREE) for each in (name, *named) if each != TRAINED)
    try:
        with at_hand(atom, mine, kept.name, ids_of(made)):
            expect(kept)
            _, logs = inspect_ai.eval_set(
                made,
                model=mine[0],
                model_roles=roles,
                log_dir=str(kept),
                **_settings(options, paid),
                **_solver(options, here),
                **origin_of(atom),
                **generation,
            )
    finally:
        let_go([*mine, *(roles or {}).values()])
    return logs


def _solver(options: Mapping[str, Any], here: PipelineFolder) -> dict[str, Any]:
    return {"solver": make_named("solver", options["solver"], here)} if "solver" in options else {}


_REHEARSED: set[str] = set()
"""What has been made in this process, so that the arms of an experiment make it once."""


def _settings(options: Mapping[str, Any], paid: bool) -> dict[str, Any]:
    """How `eval_set` is to go about it: no attempts of its own, each paid sample on disk as soon as it is finished."""
    import inspect_ai

    settings: dict[str, Any] = {
        "log_dir_allow_dirty": True,  # what is not of these tasks is no concern of theirs
        "retry_attempts": 0,
        "retry_immediate": False,
        "log_format": "eval",
        "log_buffer": 1 if paid else None,
        "log_realtime": False,  # its events would go into a database of the user's, and be of no more use than the log
        "display": "none",
        "score_display": False,
        "ctl_server": False,  # servers for other programs to look in
        "acp_server": False,
    }
    settings |= {option: options[option] for option in SETTINGS if option in options}
    if "epochs_reducer" in options:  # Inspect has one word for both
        settings["epochs"] = inspect_ai.Epochs(options.get("epochs", 1), options["epochs_reducer"])
    if isinstance(settings.get("sandbox"), list):
        settings["sandbox"] = tuple(settings["sandbox"])
    if isinstance(settings.get("limit"), list):
        settings["limit"] = tuple(settings["limit"])
    return settings


def _keep(logs: Mapping[str, EvalLog], folder: Path) -> Path:
    """Copy the logs of the evaluation that ended well, one a task, and none of an attempt before it."""
    folder.mkdir(exist_ok=True)
    for log in logs.values():
        shutil.copy2(_path(log), folder)
    return folder


def _path(log: EvalLog) -> Path:
    return Path(log.location.removeprefix("file://"))
