"""prepare_dataset: call a loader, check its rows, stream them to JSONL."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motools import chat, code, zoo
from motools.atom import Atom
from motools.chat import WrongRow
from motools.code import Place
from motools.config import Code, StepConfig
from motools.context import working_folder
from motools.errors import ConfigError, StepError, did_you_mean, listed
from motools.finding import place_of
from motools.workflow import AtomConstructor
from motools.zoo import versioned


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
    load_rows = code.load(config.dataset_loader, _here())
    _check_arguments(config, _parameters(config, load_rows), _needed(load_rows))
    path = workspace / "dataset.jsonl"
    returned = _result(load_rows(**config.loader_kwargs))
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(_rows(returned, config.dataset_loader), 1):
            file.write(_line(row, f"{config.dataset_loader}, row {count}"))
    if not count:
        raise StepError(f"{config.dataset_loader} returned no rows.")
    metadata: dict[str, Any] = {"samples": count}
    if sources := [source.as_dict() for source in getattr(returned, "sources", ())]:
        metadata["sources"] = sources
    return [AtomConstructor(output, path, "dataset", metadata)]


def check_loader(config: PrepareDatasetConfig) -> None:
    """Before a run: refuse arguments that the loader does not take. A loader that nobody publishes is not executed."""
    known: Collection[str] | None = code.parameters(config.dataset_loader, _here())
    needed: Collection[str] = code.required(config.dataset_loader, _here())
    if known is None and (published := zoo.named("dataset", config.dataset_loader)) is not None:
        known, needed = _parameters(config, published), _needed(published)
    _check_arguments(config, known, needed)


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


def refuse_other(returned: Any, loader: str) -> None:
    """Raises `StepError` where what a loader returned is nothing to take rows from, with what to return instead."""
    told = type(returned).__name__
    if isinstance(returned, Mapping) and returned and all(hasattr(part, "column_names") for part in returned.values()):
        raise StepError(
            f"{loader} returned a {told}, not rows: return one of its splits, {listed(returned)}, as with "
            f"split={next(iter(returned))!r}."
        )
    for columns, advice in (
        ("iterrows", 'to_dict("records")'),
        ("iter_rows", "to_dicts()"),
        ("to_pylist", "to_pylist()"),
    ):
        if hasattr(returned, columns):  # a table of pandas, polars or pyarrow, which is iterated by columns
            raise StepError(f"{loader} returned a {told}, which is no rows but columns: return .{advice} of it.")
    if not isinstance(returned, Iterable) or isinstance(returned, (str, bytes, Mapping)):
        raise StepError(f"{loader} returned {told}, not rows.")


def _driven(rows: AsyncIterable[Any]) -> Iterator[Any]:
    iterator = rows.__aiter__()
    with asyncio.Runner() as runner:
        while True:
            try:
                yield runner.run(anext(iterator))  # type: ignore[arg-type]
            except StopAsyncIteration:
                return


def check_row(row: Any, where: str) -> None:
    """Refuse what is no chat row, as `motools.chat` has it; raises `StepError` that names the row and the field."""
    _line(row, where)


def _line(row: Any, where: str) -> str:
    try:
        chat.check_row(row)
        return _text(row) + "\n"
    except WrongRow as wrong:
        place = f"{where}, {wrong.field}" if wrong.field else where
        raise StepError(f"{place}: {wrong.problem.rstrip('.')}.") from None


def _text(row: Mapping[str, Any]) -> str:
    """A row as a line of JSONL, without nulls."""
    try:
        text = json.dumps(chat.plain(row), ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError) as error:
        raise chat.unwritable(row) or WrongRow("", f"not JSON: {error}") from None
    return text
