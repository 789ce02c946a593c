"""All names of Inspect's that are not public: what MOTools needs of it, and it does not offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspect_ai._eval.context import init_model_context
from inspect_ai._eval.loader import load_tasks
from inspect_ai._util.error import PrerequisiteError
from inspect_ai._util.registry import registry_create, registry_find, registry_lookup
from inspect_ai.model import Model
from inspect_ai.model._model import init_model_usage, init_role_usage
from inspect_ai.model._util import resolve_model_roles
from inspect_ai.solver._task_state import sample_state

__all__ = [
    "PrerequisiteError",
    "forget_usage",
    "init_model_context",
    "load_tasks",
    "on_new_model",
    "registry_create",
    "registry_find",
    "registry_lookup",
    "resolve_model_roles",
    "sample_state",
]

_seen: list[Callable[[Model], None]] = []


def on_new_model(see: Callable[[Model], None]) -> None:
    """From now on, have each model shown to a function when it is made: a scorer may make its own, and any time."""
    if not _seen:
        initialize = Model.__init__

        def made(self: Model, *args: Any, **kwargs: Any) -> None:
            initialize(self, *args, **kwargs)
            for each in _seen:
                each(self)

        Model.__init__ = made  # type: ignore[method-assign]
    if see not in _seen:
        _seen.append(see)


def forget_usage() -> None:
    """Count tokens from here on: what was asked before in this process is no part of the next evaluation's."""
    init_model_usage({})
    init_role_usage({})
