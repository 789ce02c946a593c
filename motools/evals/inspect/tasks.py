"""Inspect tasks by name: made while their model and its graders are in place, and what tells their data apart."""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import hashlib
import inspect
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal

from motools.code import loading, references
from motools.code.search_path import PipelineFolder
from motools.errors import BackendError, UserError, did_you_mean, listed
from motools.evals.inspect.answers import asking_for
from motools.evals.options import sample_limit, task_name

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import Score, Scorer, Target
    from inspect_ai.solver import TaskState

__all__ = [
    "MARK",
    "check_made",
    "check_registered",
    "data_digest",
    "ids_of",
    "make_named",
    "make_tasks",
    "only_answers",
    "rehearsed_tasks",
    "scoring_answers",
]

MARK = "motools_task"
"""The key in a log's metadata under which it says which of the tasks it is of."""


def check_registered(texts: Sequence[str], place: PipelineFolder) -> None:
    """Refuse a `package/task` that Inspect's registry does not know; other forms are known from their files.

    Raises:
        BackendError: the package registers no such task, or cannot be imported.
    """
    for text in texts:
        reference = references.parse(text, place)
        if reference is None or reference.package is None:
            continue
        from inspect_ai.util import registry_info  # 3 s

        from motools.evals.private import registry_find, registry_lookup

        registered = registry_lookup("task", text)  # imports what the package registers, and drops what that raises
        if registered is None:
            _import_registered(text, reference.package)
            registered = registry_lookup("task", text)
        if registered is None:
            mine = [registry_info(entry).name for entry in registry_find(lambda info: info.type == "task")]
            names = sorted(name for name in mine if name.startswith(f"{reference.package}/"))
            raise BackendError(
                f"{reference.package} registers no task {text!r} with Inspect.{did_you_mean(text, names)} "
                f"Known: {listed(names)}."
            )


def _import_registered(text: str, package: str) -> None:
    """Import what a package registers with Inspect once more, to hear what is wrong with it; raises `BackendError`."""
    for point in entry_points(group="inspect_ai", name=package):
        try:
            point.load()
        except Exception as error:  # which may raise anything
            raise BackendError(f"{text}: {package} cannot be imported: {_told(error)}") from error


def _told(error: BaseException) -> str:
    """What went wrong in code of others; of a package that is missing, its name."""
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, ModuleNotFoundError) and cause.name):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ModuleNotFoundError) and isinstance(error, ImportError):
        needed = f"it needs the module {cause.name}, which is not installed"
        # Around the cause there may be words of the package's own, on what to install.
        said = "" if cause is error else f" ({' '.join(str(error).split()).rstrip('.')})"
        return f"{needed}{said}. Install it, or the extra of the package that has it."
    return references.cause(error)


def make_tasks(texts: Sequence[str], task_args: Mapping[str, Any], place: PipelineFolder) -> list[Task]:
    """The tasks, each with the same arguments; the model and the roles must be Inspect's current ones.

    Raises:
        ConfigError: there is no such file, module or function.
        BackendError: a function does not take the arguments, or returns something else.
    """
    tasks = []
    for text in texts:
        try:
            (task,) = _made(text, task_args, place)
        except ValueError as error:
            if "dataset is empty" in str(error):  # Inspect refuses such a task while it is being made
                raise BackendError(f"The dataset of {text} is empty, so there is nothing to evaluate.") from error
            raise
        task.metadata = {**(task.metadata or {}), MARK: text}
        tasks.append(task)
    return tasks


def rehearsed_tasks(texts: Sequence[str], task_args: Mapping[str, Any], place: PipelineFolder) -> list[Task]:
    """The tasks, made before a run to see whether they can be: whatever their code raises is an error of ours.

    Raises:
        ConfigError, BackendError: naming the task and the cause.
    """
    from motools.evals.private import PrerequisiteError

    check_registered(texts, place)
    tasks = []
    for text in texts:
        try:
            tasks += make_tasks([text], task_args, place)
        except (UserError, PrerequisiteError):
            raise
        except (Exception, SystemExit) as error:
            raise BackendError(f"The task {text} cannot be made: {_told(error)}") from error
    return tasks


def check_made(texts: Sequence[str], tasks: Sequence[Task], options: Mapping[str, Any]) -> None:
    """Refuse a task of which nothing could be told: no samples, none that are chosen, or no scorer.

    Raises:
        BackendError: naming the task and the numbers.
    """
    start, stop = sample_limit(options)
    wanted = options.get("sample_id")
    for text, task in zip(texts, tasks, strict=True):
        count = len(task.dataset)
        if not count:
            raise BackendError(f"The dataset of {text} is empty, so there is nothing to evaluate.")
        often = Counter(str(sample.id) for sample in task.dataset if sample.id is not None).most_common(1)
        if often and often[0][1] > 1:  # they would be taken for answers to one question
            raise BackendError(
                f"{text} has {often[0][1]} samples with the id {often[0][0]!r}: give each sample an id of its own, or "
                "none."
            )
        if not len(range(count)[start:stop]):
            raise BackendError(f"eval_kwargs.limit {options['limit']!r} leaves none of the {count} samples of {text}.")
        if stop is not None and stop > max(len(each.dataset) for each in tasks):
            raise BackendError(
                f"eval_kwargs.limit {options['limit']!r} goes beyond the data: {text} has {count} sample(s). "
                "Leave it out to ask all of them."
            )
        if wanted is not None:
            ids = [str(sample.id if sample.id is not None else n) for n, sample in enumerate(task.dataset, 1)]
            for one in wanted if isinstance(wanted, (list, tuple)) else [wanted]:
                if not fnmatch.filter(ids, str(one)) and len(tasks) == 1:
                    close = did_you_mean(str(one), ids)
                    raise BackendError(f"eval_kwargs.sample_id: {text} has no sample {one!r}.{close}")
        if not task.scorer:
            raise BackendError(f"The task {text} has no scorer, so nothing would be measured. Give it one: scorer=....")


NO_ANSWER = ("content_filter", "model_length")
"""Why an answer ended: where the provider blocked the prompt or found it too long, its words stand in its place."""


def only_answers(tasks: Sequence[Task]) -> None:
    """Let scorers score what a model has answered, and not what a provider says in its place: that is unscored."""
    for task in tasks:
        task.scorer = [scoring_answers(scorer) for scorer in task.scorer or ()]


def scoring_answers(scorer: Scorer) -> Scorer:
    """The scorer, for what a model has answered; what it asks a judge is asked on behalf of the sample."""
    from inspect_ai.util import registry_info

    if not inspect.isfunction(scorer) or registry_info(scorer).type != "scorer":
        return scorer

    @functools.wraps(scorer)  # with the marks by which Inspect knows it
    async def score(state: TaskState, target: Target) -> Score | None:
        choices = state.output.choices
        if choices and choices[0].stop_reason in NO_ANSWER:
            return None
        with asking_for(state.sample_id, state.epoch):
            scored: Score | None = await scorer(state, target)
        if scored is not None and isinstance(scored.value, Mapping) and None in scored.value.values():
            scored.value = {key: math.nan if value is None else value for key, value in scored.value.items()}
        return scored  # of what is nothing Inspect would make a 0

    return score


def ids_of(tasks: Sequence[Task]) -> frozenset[str]:
    """The ids of all samples, as Inspect will know them."""
    return frozenset(
        str(sample.id if sample.id is not None else number)
        for task in tasks
        for number, sample in enumerate(task.dataset, 1)
    )


def make_named(kind: Literal["scorer", "solver"], named: str | Mapping[str, Any], place: PipelineFolder) -> Any:
    """A scorer or solver by its name, or `{name, args}`: `module:function`, `file.py:function` or one of Inspect's.

    Raises:
        BackendError: there is none of that name, or it does not take the arguments.
    """
    from motools.evals.private import registry_create, registry_lookup

    text, args = (named, {}) if isinstance(named, str) else (named["name"], dict(named.get("args") or {}))
    if ":" not in text:
        registered = next((name for name in (text, f"inspect_ai/{text}") if registry_lookup(kind, name)), None)
        if registered is None:
            raise BackendError(f"There is no {kind} {text!r}. Write module:function, file.py:function or package/name.")
        return registry_create(kind, registered, **args)
    make = loading.load(text, place)
    try:
        inspect.signature(make).bind(**args)
    except TypeError as error:
        raise BackendError(f"The arguments of the {kind} {text} do not fit: {error}.") from error
    return make(**args)


def data_digest(tasks: Sequence[Task], options: Mapping[str, Any]) -> str:
    """A digest of what the tasks ask, in their order and after `limit`.

    A task may load its data from anywhere, and Inspect would take up a log of other samples of the same ids.
    """
    start, stop = sample_limit(options)
    digest = hashlib.sha256()
    for task in tasks:
        samples = task.dataset[start:stop]
        digest.update(json.dumps([task.name, len(samples)]).encode())
        for sample in samples:
            digest.update(json.dumps(_content(sample), default=repr).encode())
    return digest.hexdigest()


def _content(sample: Sample) -> list[Any]:
    asked: Any = sample.input
    if not isinstance(asked, str):
        asked = [message.model_dump(mode="json", exclude={"id"}) for message in asked]  # ids are drawn anew each time
    return [sample.id, asked, sample.target, sample.choices, sample.metadata, sample.files, sample.setup]


def _made(text: str, task_args: Mapping[str, Any], place: PipelineFolder) -> list[Task]:
    """In Inspect's own forms Inspect loads it; other code is a function of ours to call. A file's task finds what lies
    beside the file in either form."""
    from inspect_ai.util import registry_info

    from motools.evals.private import load_tasks

    reference = references.parse(text, place)
    file = reference.file if reference is not None and ".py" in text else None
    if "@" not in text and ":" in text:
        with contextlib.chdir(file.parent if file is not None and file.is_file() else place.folder):
            return [_registered(text, task_args, place)(**task_args)]
    if "@" in text:
        references.check(text, place)
    made = load_tasks([f"{os.path.relpath(file)}@{reference.name}" if reference and file else text], dict(task_args))
    if len(made) != 1:
        raise BackendError(f"{text} names {len(made)} tasks: {listed(sorted(task.name for task in made))}. Name one.")
    params = registry_info(made[0]).metadata["params"]
    if ignored := sorted(task_args.keys() - set(params)):
        raise BackendError(f"eval_kwargs.task_args: {text} takes no {listed(ignored)}. It takes: {listed(params)}.")
    return made


def _registered(text: str, task_args: Mapping[str, Any], place: PipelineFolder) -> Callable[..., Task]:
    from inspect_ai import Task, task

    make = loading.load(text, place)
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
