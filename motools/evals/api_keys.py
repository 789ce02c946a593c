"""Whether the key that a provider wants is there, and a model could be asked, as far as can be known beforehand."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from motools.base.provider_environment import check_environment, lacking
from motools.errors import BackendError

__all__ = ["OWN", "check_keys", "check_model"]

OWN = (
    "tinylm",
    "local",
    "mockllm",
    "none",
    "hf",
    "vllm",
    "sglang",
    "ollama",
    "llama-cpp-python",
    "transformer_lens",
    "nnterp",
)
"""Inspect's providers that run a model on one's own machines; all others bill, as far as is known here."""

_KEYS = {
    "openai": "OPENAI_API_KEY",
    "groq": "GROQ_API_KEY",
    "together": "TOGETHER_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "tinker": "TINKER_API_KEY",
}
"""Provider -> the one variable that Inspect reads; providers that can do with another are left to Inspect."""


def check_keys(models: Mapping[str, str]) -> None:
    """Refuse models whose provider's key is not in the environment, where the command line puts the project's `.env`.

    Args:
        models: what a model is for -> its name with the provider first.

    Raises:
        BackendError: naming the model and the variable.
    """
    for use, model in models.items():
        variable = key_of(model)
        if variable and not os.environ.get(variable):
            raise BackendError(f"{use}: the model {model} needs {lacking(variable)}")


def key_of(model: str) -> str | None:
    """The variable that holds the key for a model, or None where that is not certain."""
    provider, _, rest = model.partition("/")
    service, _, name = rest.partition("/")
    if provider == "openai-api" and name:
        return f"{service.upper().replace('-', '_')}_API_KEY"
    if provider == "openai" and name:
        return None  # openai/azure/…: another service, with a key of its own
    return _KEYS.get(provider)


_OURS = ("tinylm", "local", "mockllm", "dummy")
"""Providers that ask nobody."""


def check_model(use: str, model: str, args: Collection[str] = ()) -> None:
    """Refuse a model that could not be asked: its provider's key is missing, or what the environment says is odd.

    Args:
        use: what the model is for, as a sentence begins with it.
        model: its name, with Inspect's provider before it.
        args: the names of the provider's arguments; with `api_key` among them the environment need not have it.

    Raises:
        BackendError: naming the variable.
    """

    provider, _, rest = model.partition("/")
    if provider in _OURS:
        return
    if "api_key" not in args:
        check_keys({use: model})
    service = rest.partition("/")[0] if provider == "openai-api" else provider
    check_environment(service.upper().replace("-", "_"))
