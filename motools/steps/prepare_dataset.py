"""prepare_dataset: call a loader, check its rows, stream them to JSONL."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motools.atom.atom import Atom
from motools.base.chat.lines import line_of
from motools.base.configs import StepConfig
from motools.definition.config import Code
from motools.definition.step import AtomConstructor
from motools.errors import StepError
from motools.steps.named_functions import NamedFunction, called_rows
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
    path = workspace / "dataset.jsonl"
    returned, rows = called_rows(_loader(config))
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(rows, 1):
            file.write(line_of(row, f"{config.dataset_loader}, row {count}"))
    if not count:
        raise StepError(f"{config.dataset_loader} returned no rows.")
    metadata: dict[str, Any] = {"samples": count}
    if sources := [source.as_dict() for source in getattr(returned, "sources", ())]:
        metadata["sources"] = sources
    return [AtomConstructor(output, path, "dataset", metadata)]


def check_loader(config: PrepareDatasetConfig) -> None:
    """Before a run: refuse arguments that the loader does not take, as far as its source tells; it is not imported."""
    _loader(config).check()


def rehearse_loader(config: PrepareDatasetConfig) -> None:
    """Before a run: import a loader that nobody publishes, and refuse arguments that it does not take."""
    _loader(config).rehearse()


def _loader(config: PrepareDatasetConfig) -> NamedFunction:
    names = "prepare_dataset.dataset_loader", config.dataset_loader, "prepare_dataset.loader_kwargs"
    return NamedFunction(*names, config.loader_kwargs)
