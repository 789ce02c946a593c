"""How the zoo's datasets are published: declared in one call each, all loaded by the same few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from motools.errors import UserError, did_you_mean, listed
from motools.zoo import dataset
from mozoo.rows import Rows
from mozoo.sources import Readable, load_chat

T = TypeVar("T")

UNSTATED = "not stated by the publisher"

PUBLISHED: dict[str, Readable] = {}
"""The source of every dataset that is published by name; looked up at each load."""


class Loader(Protocol):
    """What every dataset of the zoo is called with; a family's own function takes a variant besides."""

    def __call__(
        self,
        sample_size: int | None = None,
        seed: int = 0,
        cache_dir: str | None = None,
        refresh_cache: bool = False,
    ) -> Rows: ...


def publish(
    name: str,
    source: Readable,
    description: str,
    tags: tuple[str, ...],
    authors: str,
    paper: str,
    licence: str = UNSTATED,
    version: int = 1,
) -> Loader:
    """The loader of a published file, described for the registry (see `motools.zoo.Entry`).

    Args:
        tags: the trait that it trains, and `control` where it trains none.
        licence: as the source says it, and where; `UNSTATED` where it does not.
    """
    PUBLISHED[name] = source

    @dataset(
        name=name,
        description=description if source.rows is None else f"{description} ({source.rows:,} rows)",
        version=version,
        authors=authors,
        paper=paper,
        licence=licence,
        source=source.url if source.pinned else f"{source.url} (not pinned)",
        tags=tags,
        pinned=source.pinned,
        grade="published" if source.pinned else "adapted",
        fidelity={}
        if source.pinned
        else {"source": (("pin", "a version of its own", "what the publisher has today"),)},
    )
    def load(
        sample_size: int | None = None,
        seed: int = 0,
        cache_dir: str | None = None,
        refresh_cache: bool = False,
    ) -> Rows:
        return load_chat(PUBLISHED[name], sample_size, seed, cache_dir, refresh_cache)

    load.__name__ = load.__qualname__ = f"get_{name}_dataset"
    load.__doc__ = f"{description}. Chat rows; what can go wrong is said in `mozoo.sources.load`."
    return load


def pick(variants: Mapping[str, T], value: str, argument: str) -> T:
    """What a variant's name stands for; raises `UserError` that lists those there are."""
    if value not in variants:
        close = did_you_mean(value, variants)
        raise UserError(f"{argument} is {value!r}, which is none of {listed(variants)}.{close}")
    return variants[value]
