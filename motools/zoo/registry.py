"""The registry: named datasets, tasks, workflows, configs and backends, found through entry points.

A package publishes an entry by naming it in its own metadata, for example

    [project.entry-points."motools.datasets"]
    my_dataset = "my_package.loaders:get_rows"

and describes it where it is defined, with `@dataset(...)` or `@task(...)`. Of configs it names the package
that they lie in, `NAME.yaml` beside its `__init__.py`. Listing imports only the
modules that are listed, so those modules import heavy libraries inside their functions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from motools.errors import UserError, did_you_mean, listed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

Kind = Literal["dataset", "task", "workflow", "config", "trainer", "evaluator"]
F = TypeVar("F", bound=Callable[..., Any])

Grade = Literal["published", "adapted", "ours"]
"""`published`: as in the paper, loaded from the authors' pinned files; `adapted`: what differs is listed; or `ours`."""
Fidelity = Mapping[str, tuple[tuple[str, str, str], ...]]
"""The name of a preset or of an experiment -> what it was about, what was published, what is done here."""


@dataclass(frozen=True)
class Description:
    """What is known of a published dataset or task.

    `version` is bumped whenever the entry's results change: it stands for the code in step keys.
    `source` says where the data comes from (a URL with its pinned revision, or "this package"), and
    `pinned` whether what it gives is the same for ever.
    """

    name: str
    description: str
    version: int
    authors: str = ""
    paper: str = ""
    licence: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    pinned: bool = True
    title: str = ""
    """Of the paper."""
    year: int | None = None
    """Of the paper; of one on arXiv its address tells."""
    grader: str = ""
    """The model that judges unless `model_roles` names another: with the tag `judge`, or where `judge` is set."""
    grade: Grade | Literal[""] = ""
    """How faithful it is; "" where its author says nothing."""
    presets: tuple[str, ...] = ()
    """What a task takes as `preset`: the papers whose values it has."""
    fidelity: Fidelity = field(default_factory=dict)
    """What was published, and what is done here."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def dataset(**about: Any) -> Callable[[F], F]:
    """Describe a dataset loader: `@dataset(name=..., description=..., version=1, ...)` (see `Description`)."""
    return _describe(Description(**about))


def task(**about: Any) -> Callable[[F], F]:
    """Describe a task: a function that returns an `inspect_ai.Task` (see `Description`)."""
    return _describe(Description(**about))


def _describe(entry: Description) -> Callable[[F], F]:
    def mark(fn: F) -> F:
        fn.__motools_entry__ = entry  # type: ignore[attr-defined]
        fn.__motools_version__ = entry.version  # type: ignore[attr-defined]
        return fn

    return mark


def versioned(version: int) -> Callable[[F], F]:
    """Declare the version of a step function, trainer or evaluator of an installed package.

    The number stands for the code in step keys: bump it when results change.
    """

    def mark(obj: F) -> F:
        obj.__motools_version__ = version  # type: ignore[attr-defined]
        return obj

    return mark


def declared_version(obj: Any) -> int | None:
    """The version declared with `@versioned`, `@dataset` or `@task`, or None."""
    version = getattr(obj, "__motools_version__", None)
    return version if isinstance(version, int) else None


def declared(group: str) -> EntryPoints:
    """What the packages on the search path declare in a group of entry points.

    To find those of one group takes as long as to find all, a file of every distribution: they are read once.
    """
    return cast("EntryPoints", _entry_points(tuple(sys.path)).select(group=group))


@cache
def _entry_points(path: tuple[str, ...]) -> Any:
    from importlib.metadata import entry_points  # a twelfth of what a worker imports

    return entry_points()


@cache
def titles() -> dict[str, str]:
    """The titles of papers by address, from the mappings that packages publish as `motools.papers`."""
    return {address: title for point in declared("motools.papers") for address, title in point.load().items()}


@cache
def published(kind: Kind) -> dict[str, EntryPoint]:
    """Every published entry of a kind by name, in name order; the first package to claim a name has it."""
    entry_points_by_name: dict[str, EntryPoint] = {}
    for point in declared(f"motools.{kind}s"):
        entry_points_by_name.setdefault(point.name, point)
    return dict(sorted(entry_points_by_name.items()))


def lookup(kind: Kind, name: str) -> Any:
    """The published object.

    Raises:
        UserError: no entry of that name; the message lists some of those there are.
    """
    points = published(kind)
    if name not in points:
        more = f" List them with: motools zoo list --kind {kind}." if len(points) > 12 else ""
        raise UserError(
            f"There is no {kind} named {name!r}.{did_you_mean(name, points)} Known: {listed(points, 12)}.{more}"
        )
    try:
        return points[name].load()
    except ImportError as error:
        raise UserError(f"The {kind} {name!r} ({points[name].value}) cannot be imported: {error}.") from error


def named(kind: Kind, text: str) -> Any | None:
    """The published object that a text names, by its name, as its entry point does, or as Inspect's registry does
    (`package/name`); None where there is none.

    Raises:
        UserError: there is one, and it cannot be imported.
    """
    for name, point in published(kind).items():
        if text in (name, point.value, f"{point.module.partition('.')[0]}/{name}"):
            return lookup(kind, name)
    return None


def about(kind: Kind, name: str) -> Description:
    """The entry's description, with what little is known where its author declared nothing."""
    obj = lookup(kind, name)
    entry = getattr(obj, "__motools_entry__", None)
    if isinstance(entry, Description):
        return entry
    doc = (getattr(obj, "description", None) or getattr(obj, "__doc__", None) or "").strip()
    return Description(name, doc.partition("\n")[0], declared_version(obj) or 0)
