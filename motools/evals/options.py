"""What an evaluation may be told (`eval_task`, `eval_kwargs`), checked without importing Inspect or the task.

A table and no dataclass: which options there are hangs on the value of another key, `backend_name`, which no editor's
schema follows; and what they must be (a share or a count, the ids of samples, a role's model) no type says.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from motools.errors import BackendError, did_you_mean, listed

__all__ = [
    "GENERATION",
    "GPU",
    "IDLE",
    "TRAINED",
    "check_options",
    "check_tasks",
    "role_model",
    "role_options",
    "sample_limit",
    "task_name",
    "task_names",
]

TRAINED = "trained"
"""In the place of a role's model: the model that is evaluated."""
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

IDLE = frozenset(
    (
        "adaptive_connections",
        "attempt_timeout",
        "batch",
        "cache_prompt",
        "max_connections",
        "max_retries",
        "max_samples",
        "max_sandboxes",
        "max_subprocesses",
        "max_tasks",
        "stream_idle_timeout",
        "timeout",
    )
)
"""Options that say how, and never what, is asked: they change no result, and are in no key."""

GPU = ("local", "hf", "vllm", "sglang", "transformer_lens", "nnterp")
"""Inspect's providers that compute on a GPU of this machine, where it has one."""

_FORMS = (
    re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:(?P<name>[A-Za-z_]\w*)"),  # module:function
    re.compile(r"[^@\s:]+\.py[@:](?P<name>[A-Za-z_]\w*)"),  # file.py@task
    re.compile(r"[A-Za-z_][\w.-]*(/[\w.-]+)*/(?P<name>[\w.-]+)"),  # package/task
)


def task_name(task: str) -> str:
    """The task's own name, the same in each form: `m:f`, `m.py@f` and `p/f` are all `f`."""
    match = next((match for form in _FORMS if (match := form.fullmatch(task))), None)
    return match["name"] if match else task


def task_names(tasks: Sequence[str], names: Sequence[str] | None = None) -> list[str]:
    """A name for each task, under which its metrics stand: its own, or the whole text where two have the same."""
    names = [task_name(task) for task in tasks] if names is None else names
    often = Counter(names)
    return [name if often[name] == 1 else task for name, task in zip(names, tasks, strict=True)]


def check_tasks(tasks: Sequence[str]) -> None:
    """Refuse what names no task, or the same one twice; raises `BackendError`."""
    if not tasks:
        raise BackendError("eval_task is an empty list. Name at least one task.")
    for task in tasks:
        if not any(form.fullmatch(task) for form in _FORMS):
            from motools.zoo import published

            point = published("task").get(task)
            hint = did_you_mean(task, published("task")) if point is None else f" Did you mean {point.value!r}?"
            raise BackendError(
                f"{task!r} does not name an Inspect task.{hint} Write module:function, path/to/file.py@task or "
                "package/task."
            )
        if tasks.count(task) > 1:
            raise BackendError(f"eval_task has {task!r} twice. Name each task once; `epochs` repeats its samples.")


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least


def _number(accepts: Callable[[float], bool]) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and math.isfinite(value) and accepts(value)


def _mapping(accepts: Callable[[Any], bool] = lambda value: True) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, Mapping)
        and all(isinstance(key, str) for key in value)
        and all(accepts(item) for item in value.values())
    )


def _limit(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) == 2 and all(type(end) is int for end in value) and 0 <= value[0] < value[1]
    return type(value) is int and value >= 1


def _ids(value: Any) -> bool:
    each = value if isinstance(value, (list, tuple)) else [value]
    return bool(each) and all(type(one) in (str, int) and one != "" for one in each)


def _share_or_count(value: Any) -> bool:
    return type(value) is bool or _number(lambda number: 0 < number < 1 or (number >= 1 and number % 1 == 0))(value)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) and each for each in value)


def _named(value: Any) -> bool:
    """A name, or a name with arguments: `{name: module:function, args: {...}}`."""
    if isinstance(value, str):
        return value != ""
    is_named = isinstance(value, Mapping) and value.keys() <= {"name", "args"} and isinstance(value.get("name"), str)
    return is_named and _mapping()(value.get("args", {}))


def _sandbox(value: Any) -> bool:
    return _named(value) if isinstance(value, str) else _texts(value) and len(value) == 2


def _batch(value: Any) -> bool:
    return type(value) is bool or _whole(1)(value)


_PENALTY = (_number(lambda value: -2 <= value <= 2), "a number from -2 to 2")
GENERATION: dict[str, tuple[Callable[[Any], bool], str]] = {
    "temperature": (_number(lambda value: value >= 0), "a number, 0 or more"),
    "top_p": (_number(lambda value: 0 < value <= 1), "a number above 0, at most 1"),
    "top_k": (_whole(1), "a whole number, 1 or more"),
    "max_tokens": (_whole(1), "a whole number, 1 or more"),
    "seed": (lambda value: type(value) is int, "a whole number"),
    "stop_seqs": (_texts, "a list of texts"),
    "frequency_penalty": _PENALTY,
    "presence_penalty": _PENALTY,
    "system_message": (lambda value: isinstance(value, str) and value != "", "a text"),
    "reasoning_effort": (lambda value: value in EFFORTS, f"one of {', '.join(EFFORTS)}"),
    "reasoning_tokens": (_whole(1), "a whole number, 1 or more"),
    "max_connections": (_whole(1), "a whole number, 1 or more"),
    "max_retries": (_whole(0), "a whole number, 0 or more"),
    "timeout": (_whole(1), "a whole number of seconds, 1 or more"),
    "attempt_timeout": (_whole(1), "a whole number of seconds, 1 or more"),
    "batch": (_batch, "true, false or a number of requests"),
    "cache": (lambda value: type(value) is bool, "true or false"),
}
"""What Inspect's `GenerateConfig` is given: of the model that is evaluated, and of a role."""


def _role(value: Any) -> bool:
    if value == TRAINED:
        return True
    model = value.get("model") if isinstance(value, Mapping) else value
    if not isinstance(model, str) or ("/" not in model and model != TRAINED):
        return False
    options = {name: each for name, each in role_options(value).items() if name != "model_args"}
    are_options = all(name in GENERATION and GENERATION[name][0](each) for name, each in options.items())
    return are_options and (isinstance(value, str) or _mapping()(value.get("model_args", {})))


def role_model(value: Any) -> str:
    """The model of a role, as `{role: model}` or `{role: {model: ..., temperature: ...}}` has it."""
    return str(value["model"] if isinstance(value, Mapping) else value)


def role_options(value: Any) -> dict[str, Any]:
    """What beside the model a role's entry has."""
    return {name: each for name, each in value.items() if name != "model"} if isinstance(value, Mapping) else {}


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "task_args": (_mapping(), "a mapping of the task's own arguments"),
    "limit": (_limit, "a number of samples, 1 or more, or [start, stop]"),
    "sample_id": (_ids, "the id of a sample, or a list of ids; * stands for any letters"),
    "epochs": (_whole(1), "a whole number, 1 or more"),
    "epochs_reducer": (
        lambda value: _texts([value] if isinstance(value, str) else value),
        "the name of a reducer, such as mean, mode, max, at_least_2 or pass_at_5, or a list of them",
    ),
    "sample_shuffle": (
        lambda value: type(value) is int,
        "the seed of the order, a whole number: another order would else be another result each time",
    ),
    "solver": (_named, "module:function, file.py:function or a name of Inspect's, or {name: ..., args: {...}}"),
    "model_roles": (
        _mapping(_role),
        "a mapping of roles to models with their provider, such as {grader: openai/gpt-6-luna}, to {model: ..., "
        "reasoning_effort: ..., temperature: ...}, or to trained, the model that is evaluated",
    ),
    **GENERATION,
    "approval": (lambda value: isinstance(value, str) and value != "", "the name of an approver, or a policy file"),
    "sandbox": (_sandbox, "a kind of sandbox, such as docker, or [kind, file]"),
    "message_limit": (_whole(1), "a whole number, 1 or more"),
    "token_limit": (_whole(1), "a whole number, 1 or more"),
    "turn_limit": (_whole(1), "a whole number, 1 or more"),
    "time_limit": (_whole(1), "a whole number of seconds, 1 or more"),
    "working_limit": (_whole(1), "a whole number of seconds, 1 or more"),
    "model_args": (_mapping(), "a mapping of the model provider's arguments"),
    "fail_on_error": (
        _share_or_count,
        "true, false, a share of the samples (above 0, below 1) or a whole number of them",
    ),
    "score_on_error": (lambda value: type(value) is bool, "true or false"),
    "max_tasks": (_whole(1), "a whole number, 1 or more"),
    "max_samples": (_whole(1), "a whole number, 1 or more"),
    "max_sandboxes": (_whole(1), "a whole number, 1 or more"),
    "max_subprocesses": (_whole(1), "a whole number, 1 or more"),
}


def check_options(options: Mapping[str, Any], where: str = "eval_kwargs", names: Collection[str] = _RULES) -> None:
    """Refuse an unknown name or a value that cannot be; null stands for "not given".

    Args:
        where: the config's name for the options.
        names: those that there are.

    Raises:
        BackendError: with the name, the value, and what was expected.
    """
    for name, value in options.items():
        if name not in names:
            raise BackendError(f"{where} has no option {name!r}.{did_you_mean(name, names)} Known: {listed(names)}.")
        accepts, wanted = _RULES[name]
        if value is not None and not accepts(value):
            raise BackendError(f"{where}.{name} must be {wanted}, not {value!r}.")
    if options.get("epochs_reducer") is not None and options.get("epochs") is None:
        raise BackendError("eval_kwargs.epochs_reducer needs eval_kwargs.epochs: say how often each sample is asked.")
    if options.get("limit") is not None and options.get("sample_id") is not None:
        raise BackendError("eval_kwargs has both limit and sample_id: choose the samples by one of them.")


def sample_limit(options: Mapping[str, Any]) -> tuple[int, int | None]:
    """`limit` as the first sample and the one after the last (None: to the end)."""
    limit = options.get("limit")
    if limit is None:
        return 0, None
    return (0, limit) if isinstance(limit, int) else (limit[0], limit[1])
