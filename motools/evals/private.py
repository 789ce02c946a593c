"""All names of Inspect's that are not public: what MOTools needs of it, and it does not offer.

Each is imported when it is first asked for: providers bring the packages of their services, and Inspect itself imports
our providers while it is being imported.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspect_ai._eval.context import init_model_context
    from inspect_ai._eval.loader import load_tasks
    from inspect_ai._util.error import PrerequisiteError
    from inspect_ai._util.registry import registry_create, registry_find, registry_lookup
    from inspect_ai.log._samples import ActiveSample, sample_active
    from inspect_ai.model import Model
    from inspect_ai.model._providers.hf import HuggingFaceAPI as HuggingFaceAPI  # not in __all__: it needs PyTorch
    from inspect_ai.model._providers.openai_compatible import OpenAICompatibleAPI
    from inspect_ai.model._providers.vllm import VLLMAPI
    from inspect_ai.model._util import resolve_model_roles
    from inspect_ai.solver._task_state import sample_state

__all__ = [
    "VLLMAPI",
    "ActiveSample",
    "OpenAICompatibleAPI",
    "PrerequisiteError",
    "forget_usage",
    "init_model_context",
    "load_tasks",
    "on_new_model",
    "registry_create",
    "registry_find",
    "registry_lookup",
    "resolve_model_roles",
    "sample_active",
    "sample_state",
]

_WHERE = {
    "ActiveSample": "inspect_ai.log._samples",
    "HuggingFaceAPI": "inspect_ai.model._providers.hf",
    "OpenAICompatibleAPI": "inspect_ai.model._providers.openai_compatible",
    "PrerequisiteError": "inspect_ai._util.error",
    "VLLMAPI": "inspect_ai.model._providers.vllm",
    "init_model_context": "inspect_ai._eval.context",
    "load_tasks": "inspect_ai._eval.loader",
    "registry_create": "inspect_ai._util.registry",
    "registry_find": "inspect_ai._util.registry",
    "registry_lookup": "inspect_ai._util.registry",
    "resolve_model_roles": "inspect_ai.model._util",
    "sample_active": "inspect_ai.log._samples",
    "sample_state": "inspect_ai.solver._task_state",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if (module := _WHERE.get(name)) is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(module), name)


_seen: list[Callable[[Model], None]] = []


def on_new_model(see: Callable[[Model], None]) -> None:
    """From now on, have each model shown to a function when it is made: a scorer may make its own, and any time."""
    from inspect_ai.model import Model

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
    from inspect_ai.model._model import init_model_usage, init_role_usage

    init_model_usage({})
    init_role_usage({})
