"""Models that their providers switch off: which do soon or are off already, and where that is known from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from motools.base import yaml12

__all__ = ["SOON", "Shutdown", "models_in", "shutdown_of", "warning"]

SOON = 90
"""How many days before it a shutdown is warned of."""

_HOSTS = {
    "openai": ("OPENAI_BASE_URL", "openai.com"),
    "tinker": ("TINKER_BASE_URL", "thinkingmachines.dev"),
}
"""Provider -> the variable that sends requests elsewhere, and the hosts that its dates hold for."""


@dataclass(frozen=True)
class Shutdown:
    """When a model goes off, who says so, and what else there is to know, as the end of a sentence."""

    date: date
    source: str
    more: str = ""


@cache
def _listed() -> Mapping[str, Shutdown]:
    entries: Any = yaml12.load(Path(__file__).with_suffix(".yaml"))
    return {
        model: Shutdown(date.fromisoformat(entry["date"]), entry["source"], entry.get("and", ""))
        for entry in entries
        for model in entry["models"]
    }


def shutdown_of(model: str, dates: Mapping[str, date] | None = None) -> Shutdown | None:
    """The shutdown of a model, with its provider before it, or of `trainer NAME`; None where none is known.

    A fine-tuned model, `openai/ft:BASE:...`, goes off with its base. Where the environment sends a provider's requests
    to another host, what the provider has said of its own servers does not count.

    Args:
        dates: those that OpenAI's server, or the one in its place, tells itself, by model; they count more.
    """
    provider, _, name = model.partition("/")
    base = name.removeprefix("ft:").partition(":")[0] if provider == "openai" else name
    for spelling in (name, base):
        if dates and provider == "openai" and spelling in dates:
            return Shutdown(dates[spelling], f"the model list of {_host(provider) or 'api.openai.com'}")
    shutdown = _listed().get(f"{provider}/{base}" if name else model)
    return shutdown if shutdown is not None and _own(provider.removeprefix("trainer ")) else None


def _own(provider: str) -> bool:
    """Whether requests go to the provider itself."""
    host, (_, domain) = _host(provider), _HOSTS.get(provider, ("", ""))
    return host is None or host == domain or host.endswith(f".{domain}")


def _host(provider: str) -> str | None:
    """Where the environment sends requests to a provider; None where it says nothing of it."""
    address = os.environ.get(_HOSTS[provider][0]) if provider in _HOSTS else None
    try:
        return urlsplit(address).hostname or "?" if address else None
    except ValueError:  # a bracket that is not closed: before a run, it is refused
        return "?"


def warning(model: str, shutdown: Shutdown, today: date) -> str | None:
    """A sentence on a shutdown that is near or past, or None."""
    days = (shutdown.date - today).days
    if days > SOON:
        return None
    when = f"goes off on {shutdown.date}, in {days} days" if days > 0 else f"went off on {shutdown.date}"
    more = f"; {shutdown.more}" if shutdown.more else ""
    return f"{model} {when}{more} ({shutdown.source})."


def models_in(values: Any) -> Iterator[str]:
    """Every text of a config that is the name of a model with its provider, or of one of OpenAI's, at any depth."""
    if isinstance(values, str):
        if values.startswith(("gpt-", "ft:gpt-")):
            yield f"openai/{values}"
        elif values.startswith(tuple(f"{provider}/" for provider in _HOSTS)):
            yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from models_in(value)
    elif isinstance(values, Iterable):
        for value in values:
            yield from models_in(value)
