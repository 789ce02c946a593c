"""prepare_dataset: call a loader, check its rows, stream them to JSONL."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motools import code, zoo
from motools.atom import Atom
from motools.code import Place
from motools.config import Code, StepConfig
from motools.errors import ConfigError, StepError, did_you_mean, listed
from motools.finding import place_of
from motools.workflow import AtomConstructor
from motools.zoo import versioned

ROLES = ("system", "developer", "user", "assistant", "tool")


@dataclass
class PrepareDatasetConfig(StepConfig):
    """Config of `prepare_dataset`."""

    dataset_loader: Code
    """The function that returns the rows: module:function, or path/to/file.py:function."""
    loader_kwargs: dict[str, Any] = field(default_factory=dict)
    """Its arguments, such as sample_size and seed."""


@versioned(2)
def prepare_dataset(
    config: PrepareDatasetConfig,
    input_atoms: dict[str, Atom],
    workspace: Path,
    output: str = "prepared_dataset",
) -> list[AtomConstructor]:
    """Make a dataset atom of chat rows; `metadata["samples"]` counts them.

    Where what the loader returns has `sources`, published files that can say what they are with `as_dict()`,
    `metadata["sources"]` lists them: the url, the revision and the content that were used.

    A loader returns rows, `{"messages": [{"role", "content"}, ...]}`, as a list, any iterable, a
    `datasets.Dataset` or an async iterable, and may be a coroutine function. Rows are written as they come.
    """
    load_rows = code.load(config.dataset_loader, _here())
    _check_arguments(config, _parameters(config, load_rows))
    path = workspace / "dataset.jsonl"
    returned = _result(load_rows(**config.loader_kwargs))
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(_rows(returned, config.dataset_loader), 1):
            check_row(row, f"{config.dataset_loader}, row {count}")
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    if not count:
        raise StepError(f"{config.dataset_loader} returned no rows.")
    metadata: dict[str, Any] = {"samples": count}
    if sources := [source.as_dict() for source in getattr(returned, "sources", ())]:
        metadata["sources"] = sources
    return [AtomConstructor(output, path, "dataset", metadata)]


def check_loader(config: PrepareDatasetConfig) -> None:
    """Before a run: refuse arguments that the loader does not take. A loader that nobody publishes is not executed."""
    known: Collection[str] | None = code.parameters(config.dataset_loader, _here())
    if known is None and (published := zoo.named("dataset", config.dataset_loader)) is not None:
        known = _parameters(config, published)
    _check_arguments(config, known)


def _here() -> Place:
    return place_of(Path.cwd(), needs_project=False)


def _check_arguments(config: PrepareDatasetConfig, known: Collection[str] | None) -> None:
    for name in config.loader_kwargs:
        if known is not None and name not in known:
            raise ConfigError(
                f"prepare_dataset.loader_kwargs.{name}: {config.dataset_loader} takes no such argument."
                f"{did_you_mean(name, known)} It takes: {listed(known)}."
            )


def _parameters(config: PrepareDatasetConfig, load_rows: Any) -> Collection[str] | None:
    if not callable(load_rows):
        raise ConfigError(f"prepare_dataset.dataset_loader: {config.dataset_loader} is not a function.")
    parameters = inspect.signature(load_rows).parameters
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters.values()) else list(parameters)


def _result(returned: Any) -> Any:
    """What a loader returned, awaited where it is a coroutine."""
    if not inspect.isawaitable(returned):
        return returned

    async def result() -> Any:
        return await returned

    return asyncio.run(result())


def _rows(rows: Any, loader: str) -> Iterator[Any]:
    """Rows as an iterator, driven where it is async."""
    if isinstance(rows, AsyncIterable):
        return _driven(rows)
    if not isinstance(rows, Iterable) or isinstance(rows, (str, bytes, Mapping)):
        raise StepError(f"{loader} returned {type(rows).__name__}, not rows.")
    return iter(rows)


def _driven(rows: AsyncIterable[Any]) -> Iterator[Any]:
    iterator = rows.__aiter__()
    with asyncio.Runner() as runner:
        while True:
            try:
                yield runner.run(anext(iterator))  # type: ignore[arg-type]
            except StopAsyncIteration:
                return


def check_row(row: Any, where: str) -> None:
    """Refuse what is no chat row; raises `StepError` that names the row and the field."""
    if not isinstance(row, Mapping) or not isinstance(row.get("messages"), (list, tuple)) or not row["messages"]:
        raise StepError(
            f'{where}: not a chat row: expected {{"messages": [{{"role", "content"}}, ...]}}, found {_short(row)}.'
        )
    for number, message in enumerate(row["messages"]):
        place = f"{where}, messages[{number}]"
        if not isinstance(message, Mapping):
            raise StepError(f"{place}: expected role and content, found {_short(message)}.")
        if message.get("role") not in ROLES:
            raise StepError(f"{place}.role: {message.get('role')!r} is none of {listed(ROLES)}.")
        content = message.get("content")
        if not isinstance(content, str) and not (message["role"] == "assistant" and message.get("tool_calls")):
            raise StepError(f"{place}.content: expected text, found {_short(content)}.")
    if not any(message["role"] == "assistant" for message in row["messages"]):
        raise StepError(f"{where}: no assistant turn, so there is nothing to learn from it.")
    try:
        json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise StepError(f"{where}: not JSON: {error}.") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
