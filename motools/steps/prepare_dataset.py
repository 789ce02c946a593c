"""prepare_dataset: call a loader, check its rows, stream them to JSONL."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motools import zoo
from motools.atom.atom import Atom
from motools.base.chat.lines import line_of
from motools.base.configs import StepConfig
from motools.code import loading, references
from motools.code.search_path import Place, place_of
from motools.definition.config import Code
from motools.definition.context import working_folder
from motools.definition.step import AtomConstructor
from motools.errors import ConfigError, StepError, did_you_mean, listed
from motools.zoo import versioned
from motools.zoo.loaders import refuse_other


@dataclass
class PrepareDatasetConfig(StepConfig):
    """Config of `prepare_dataset`."""

    dataset_loader: Code
    """The function that returns the rows: module:function, or path/to/file.py:function."""
    loader_kwargs: dict[str, Any] = field(default_factory=dict)
    """Its arguments, such as sample_size and seed."""


@versioned(3)
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
    load_rows = loading.load(config.dataset_loader, _here())
    _check_arguments(config, _parameters(config, load_rows), _needed(load_rows))
    path = workspace / "dataset.jsonl"
    returned = _result(load_rows(**config.loader_kwargs))
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(_rows(returned, config.dataset_loader), 1):
            file.write(line_of(row, f"{config.dataset_loader}, row {count}"))
    if not count:
        raise StepError(f"{config.dataset_loader} returned no rows.")
    metadata: dict[str, Any] = {"samples": count}
    if sources := [source.as_dict() for source in getattr(returned, "sources", ())]:
        metadata["sources"] = sources
    return [AtomConstructor(output, path, "dataset", metadata)]


def check_loader(config: PrepareDatasetConfig) -> None:
    """Before a run: refuse arguments that the loader does not take, as far as its source tells; it is not imported."""
    known: Collection[str] | None = references.parameters(config.dataset_loader, _here())
    needed: Collection[str] = references.required(config.dataset_loader, _here())
    if known is None and (published := zoo.named("dataset", config.dataset_loader)) is not None:
        known, needed = _parameters(config, published), _needed(published)
    _check_arguments(config, known, needed)


def rehearse_loader(config: PrepareDatasetConfig) -> None:
    """Before a run: import a loader that nobody publishes, and refuse arguments that it does not take."""
    if zoo.named("dataset", config.dataset_loader) is None:
        load_rows = loading.load(config.dataset_loader, _here())
        _check_arguments(config, _parameters(config, load_rows), _needed(load_rows))


def _here() -> Place:
    return place_of(working_folder(), needs_project=False)


def _check_arguments(config: PrepareDatasetConfig, known: Collection[str] | None, needed: Collection[str]) -> None:
    for name in config.loader_kwargs:
        if known is not None and name not in known:
            raise ConfigError(
                f"prepare_dataset.loader_kwargs.{name}: {config.dataset_loader} takes no such argument."
                f"{did_you_mean(name, known)} It takes: {listed(known)}."
            )

    if missing := [name for name in needed if name not in config.loader_kwargs]:
        raise ConfigError(
            f"prepare_dataset.loader_kwargs: {config.dataset_loader} needs {listed(missing)}: write them there."
        )


def _needed(load_rows: Any) -> list[str]:
    """The arguments that a loader cannot do without."""
    parameters = inspect.signature(load_rows).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


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
    refuse_other(rows, loader)
    return iter(rows)


def _driven(rows: AsyncIterable[Any]) -> Iterator[Any]:
    iterator = rows.__aiter__()
    with asyncio.Runner() as runner:
        while True:
            try:
                yield runner.run(anext(iterator))  # type: ignore[arg-type]
            except StopAsyncIteration:
                return
