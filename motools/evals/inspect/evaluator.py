"""Evaluation with Inspect: one `inspect_ai.eval_set` that a crash does not set back, with every score kept."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from motools.atom.atom import atoms_at_hand
from motools.atom.trainings import dose_above, seed_of
from motools.base import trusted_hosts
from motools.base.gpu import held_gpu
from motools.base.too_many_requests import is_hopeless
from motools.code.search_path import Place, place_of
from motools.definition.context import StepContext, current_step, working_folder
from motools.definition.instances import axes_in, value_of
from motools.errors import BackendError, DamagedError, StepError, listed
from motools.evals import EvalRequest, Evaluation
from motools.evals.api_keys import OWN, check_model
from motools.evals.inspect.answers import at_hand, attend, index
from motools.evals.inspect.graders import try_graders
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
    GENERATION,
    GPU,
    TRAINED,
    check_options,
    check_tasks,
    role_model,
    role_options,
)
from motools.observe import observer
from motools.zoo import versioned

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog
    from inspect_ai.model import GenerateConfig, Model, ModelOutput

    from motools.atom.atom import ModelAtom

__all__ = ["InspectEvaluator", "make_model", "no_dotenv", "place"]

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

STAND_IN = "mockllm/model"

_DOTENV_OFF = "PYTHON_DOTENV_DISABLED"  # python-dotenv's own


@versioned(4)
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
            _refuse_dummy(request.expected)
            _refuse_remote_code("The model to evaluate", request.expected_args, request.kwargs)
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
        reached = (model, args) if model is not None and _is_far(model) else (STAND_IN, {})
        roles = {
            role: given if _is_far(reached[0] if role_model(given) == TRAINED else role_model(given)) else STAND_IN
            for role, given in options.get("model_roles", {}).items()
        }
        here = place()
        try:
            with here.importable(), no_dotenv():
                _, models, _ = _in_place(reached, {**options, "model_roles": roles})
                made = rehearsed_tasks(request.tasks, options.get("task_args", {}), here)
                check_made(request.tasks, made, options)
                _solver(options, here)
                if request.before_paying:
                    others = {role: models[role] for role, given in roles.items() if given not in (STAND_IN, TRAINED)}
                    try_graders(made, others, judged=roles.get("grader") not in (STAND_IN, TRAINED))
        except PrerequisiteError as error:
            raise BackendError(f"Inspect cannot run {listed(request.tasks)}: {_sentence(error.message)}") from error
        _REHEARSED.add(asked)

    def evaluate(self, request: EvalRequest, workspace: Path) -> Evaluation:
        self.check(request)
        if request.model is None:
            raise BackendError("The inspect evaluator needs a model to evaluate.")
        from motools.evals.inspect.logs import failure, read_logs

        given = {name: value for name, value in request.kwargs.items() if value is not None}
        model, model_args = _reached(request.model)
        _refuse_remote_code(f"The model {request.model.id}", model_args, request.kwargs)
        check_model("The model to evaluate", model, model_args.keys() | (request.kwargs.get("model_args") or {}).keys())
        found = _run(request, (model, model_args), {**DEFAULTS, **given}, _kept(workspace))
        for task, log in found.items():
            if log.status != "success" or log.results is None:
                if log.error:
                    print(log.error.traceback, file=sys.stderr)
                print(f"See it with: inspect view --log-dir {_path(log).parent}", file=sys.stderr)
                raise StepError(f"The evaluation {task} of {model} failed: {failure(log)}")
        logs = _keep(found, workspace / "logs")
        with suppress(StepError):  # called by hand, outside a step
            index(current_step(), request.model.id, logs)
        return read_logs(found, logs)


def _reached(atom: ModelAtom) -> tuple[str, dict[str, Any]]:
    """The name under which Inspect reaches a model, and the arguments of its provider.

    Raises:
        BackendError: the atom names a model that no provider of Inspect's can have, or a host that is not the
            person's own.
        DamagedError: it names a file that it does not have.
    """
    reach = atom.metadata.get("inspect") or {}
    parts = (reach, *(reach.get(part) or {} for part in ("model_args", "model_paths"))) if reach else ()
    if not all(isinstance(part, Mapping) for part in parts):
        raise DamagedError(f"The metadata of {atom.id} does not say how to reach it: inspect is {reach!r:.80}.")
    name = str(reach.get("model") or atom.get_model_id())
    _refuse_dummy(name)
    if "/" not in name:
        raise BackendError(
            f"The model {name!r} of {atom.id} does not say who serves it. Inspect wants the provider first, "
            f"such as openai/{name}: put it into the model's metadata, under inspect.model."
        )
    args = dict(reach.get("model_args") or {})
    if why := trusted_hosts.refusal(args, f"The model {atom.id}"):
        raise BackendError(why)
    for arg, relative in (reach.get("model_paths") or {}).items():
        path = atom.get_data_path() / (relative := str(relative))
        # By its parts, not resolved: with DVC's link types the files are links into its cache.
        if PurePosixPath(relative).is_absolute() or ".." in PurePosixPath(relative).parts or not path.is_file():
            raise DamagedError(f"The model {atom.id} names a file that it does not have: {relative}.")
        args[arg] = str(path.absolute())
    return name, args


def _refuse_remote_code(which: str, args: Mapping[str, Any], kwargs: Mapping[str, Any]) -> None:
    """Code beside a model's weights is executed where the evaluation itself asks for it: who made the model, as an atom
    of others is, does not say it alone."""
    if args.get("trust_remote_code") and not (kwargs.get("model_args") or {}).get("trust_remote_code"):
        raise BackendError(
            f"{which} asks for trust_remote_code: that the code which lies beside its weights be executed. "
            "If you trust it, write eval_kwargs: {model_args: {trust_remote_code: true}}."
        )


def _refuse_dummy(name: str) -> None:
    if name.startswith("dummy/"):
        raise BackendError(
            f"The model {name} was made by the dummy trainer, and no provider serves it. "
            "Set evaluate_model.backend_name to dummy, or train with tinylm."
        )


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
        raise StepError(f"Inspect cannot run {tasks} with {reached[0]}: {_sentence(error.message)}") from error
    if any(log.status == "cancelled" for log in logs):  # Inspect takes Ctrl-C for itself
        raise KeyboardInterrupt
    found = {(log.eval.metadata or {})[MARK]: log for log in logs}
    return {task: found[task] for task in request.tasks}


def _gpu(request: EvalRequest, model: str) -> AbstractContextManager[Any]:
    """The GPU, where the model or one that has a role needs it."""
    models = [model, *map(role_model, (request.kwargs.get("model_roles") or {}).values())]
    return held_gpu() if any(each.partition("/")[0] in GPU for each in models) else nullcontext()


def place() -> Place:
    return place_of(working_folder(), needs_project=False)


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


@contextmanager
def no_dotenv() -> Iterator[None]:
    """Keep Inspect from the `.env` files of the folders above: the command line has read the project's own."""
    before = os.environ.get(_DOTENV_OFF)
    os.environ[_DOTENV_OFF] = "1"
    try:
        yield
    finally:
        os.environ.pop(_DOTENV_OFF)
        if before is not None:
            os.environ[_DOTENV_OFF] = before


def _eval_set(
    request: EvalRequest, reached: tuple[str, dict[str, Any]], options: dict[str, Any], folder: Path, here: Place
) -> list[EvalLog]:
    import inspect_ai

    from motools.evals.inspect.progress import expect
    from motools.evals.private import forget_usage

    forget_usage()
    (name, model_args), atom = reached, request.model
    assert atom is not None
    check_registered(request.tasks, here)
    mine, roles, generation = _in_place((name, {**model_args, **options.get("model_args", {})}), options)
    made = make_tasks(request.tasks, options.get("task_args", {}), here)
    check_made(request.tasks, made, options)
    only_answers(made)
    kept = folder / hashlib.sha256(f"{atom.id} {data_digest(made, options)}".encode()).hexdigest()[:32]
    named = map(role_model, options.get("model_roles", {}).values())
    paid = not all(each.startswith(FREE) for each in (name, *named) if each != TRAINED)
    with at_hand(atom, mine, kept.name, ids_of(made)):
        expect(kept)
        _, logs = inspect_ai.eval_set(
            made,
            model=mine[0],
            model_roles=roles,
            log_dir=str(kept),
            **_settings(options, paid),
            **_solver(options, here),
            **_link(atom),
            **generation,
        )
    return logs


def _in_place(
    reached: tuple[str, dict[str, Any]], options: Mapping[str, Any]
) -> tuple[list[Model], Any, dict[str, Any]]:
    """The model and those of the roles, made Inspect's current ones: a task may ask for them when it is made.

    Returns:
        The model, followed by the same model in roles; the roles; what generating is told.
    """
    import motools.evals.tinylm_provider  # noqa: F401  (registers tinylm where MOTools is not installed)
    from motools.evals.private import init_model_context, on_new_model, resolve_model_roles

    on_new_model(attend)  # before any is made
    (name, args), generation = reached, {option: options[option] for option in GENERATION if option in options}
    mine = [make_model(name, generate_config(generation), args)]
    made = {}
    for role, given in options.get("model_roles", {}).items():
        told = role_options(given)
        own_args = told.pop("model_args", {})
        if role_model(given) == TRAINED:
            made[role] = make_model(name, generate_config({**generation, **told}), {**args, **own_args})
            mine.append(made[role])
        else:
            made[role] = make_model(role_model(given), generate_config(told), own_args)
    roles = resolve_model_roles(made)
    init_model_context(mine[0], roles, generate_config(generation))
    return mine, roles, generation


@contextmanager
def stand_in() -> Iterator[None]:
    """With a model that is none as Inspect's current one, for tasks that ask for it when they are made."""
    with no_dotenv():
        _in_place((STAND_IN, {}), {})
        yield


def _solver(options: Mapping[str, Any], here: Place) -> dict[str, Any]:
    return {"solver": make_named("solver", options["solver"], here)} if "solver" in options else {}


_REHEARSED: set[str] = set()
"""What has been made in this process, so that the arms of an experiment make it once."""


def _is_far(model: str) -> bool:
    """Whether a model's client can be made without loading the model, or asking where it is."""
    return model.partition("/")[0] not in (*OWN, "tinker")


def _link(atom: ModelAtom) -> dict[str, Any]:
    """What a log says of where it is from, so that one log can be told from another: in tags, and as data."""
    try:
        step = current_step()
    except StepError:  # called by hand, outside a step
        return {}
    folder = os.path.relpath(step.folder, step.project.root)
    about: dict[str, Any] = {
        "motools_project": step.project.root.name,
        "motools_folder": folder,
        "motools_stage": step.step,
        "motools_key": step.key,
        "motools_model": atom.id,
    }
    about |= {"motools_commit": head} if (head := step.project.git.head) else {}
    about |= {f"motools_made_from_{name}": id for name, id in sorted(atom.made_from.items())}
    if axes := _axes(step, atom):
        about["motools_axes"] = axes
    varies = [f"{name}={value}" for name, value in axes.items()]
    return {"tags": [step.step, *([folder] if folder != "." else []), step.key[:12], *varies], "metadata": about}


def _axes(step: StepContext, atom: ModelAtom) -> dict[str, Any]:
    """What tells this evaluation from those beside it: the axes of a sweep, else dose and seed of what was trained."""
    with observer().aside():  # what an id names cannot change
        dose = dose_above(atom.made_from.values(), lambda id: atoms_at_hand({id: id}, step.project).get(id))
    known = {"dose": dose, "seed": seed_of(atom)}
    swept = {name: value_of(text) for name, text in axes_in(step.step).items()}
    return {**{name: value for name, value in known.items() if value is not None}, **swept}


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


def generate_config(options: Mapping[str, Any]) -> GenerateConfig:
    """Options of an answer; without reasoning there is nothing to sum up, which Inspect would find out by asking."""
    from inspect_ai.model import GenerateConfig

    summary = {"reasoning_summary": "none"} if options.get("reasoning_effort") == "none" else {}
    return GenerateConfig(**{**summary, **options})


def make_model(name: str, config: Any = None, model_args: Mapping[str, Any] | None = None) -> Model:
    """A model by its name; raises `StepError` where no provider has it."""
    from inspect_ai.model import GenerateConfig, get_model

    args = dict(model_args or {})
    if name.startswith("mockllm/"):
        args.setdefault("custom_outputs", _mock_output)
    try:
        model = get_model(name, config=config or GenerateConfig(), memoize=False, **args)
    except ValueError as error:
        raise StepError(f"Inspect cannot reach the model {name}: {_sentence(error)}") from error
    retried = model.api.should_retry
    # Inspect would ask an account without money again and again, as it does one that is asked too often.
    model.api.should_retry = lambda ex: False if is_hopeless(ex) else retried(ex)  # type: ignore[method-assign]
    return model


def _mock_output(*call: Any) -> ModelOutput:
    """What mockllm says anyway, with a count of tokens, which it would else download a vocabulary to make."""
    from inspect_ai.model import ModelOutput, ModelUsage

    output = ModelOutput.from_content("mockllm/model", "Default output from mockllm/model")
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


def _keep(found: Mapping[str, EvalLog], folder: Path) -> Path:
    """Copy the logs of the evaluation that ended well, one a task, and none of an attempt before it."""
    folder.mkdir(exist_ok=True)
    for log in found.values():
        shutil.copy2(_path(log), folder)
    return folder


def _path(log: EvalLog) -> Path:
    return Path(log.location.removeprefix("file://"))


def _sentence(message: Any) -> str:
    """One line of a message that Inspect made for a terminal."""
    plain = re.sub(r"\[/?[a-z]*\]", "", str(message))
    return " ".join(plain.split()).removeprefix("ERROR: ").removeprefix("Error: ")
