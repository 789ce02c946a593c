"""Checks on published entries: rows to show without a download, and whether an entry still is what it was."""

from __future__ import annotations

import base64
import hashlib
import inspect
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from motools.errors import ConfigError, DamagedError, MotoolsError, StepError
from motools.zoo import published_configs, registry

Status = Literal["good", "wrong", "not reached"]
Resolve = Callable[[Any, Mapping[str, Any]], Any]
OFFLINE, CACHE = "MOTOOLS_OFFLINE", "MOTOOLS_CACHE"


@dataclass(frozen=True)
class Checked:
    """What became of the check of an entry; `rows` counts a dataset's rows or a task's samples."""

    kind: registry.Kind
    name: str
    status: Status
    rows: int | None = None
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def says_yes(variable: str) -> bool:
    """Whether a variable of the environment is set, and to no word for no."""
    return os.environ.get(variable, "").strip().lower() not in ("", "0", "false", "no", "off")


def offline() -> AbstractContextManager[None]:
    """Forbid the loaders of published files any request; those of other packages have to heed the variable too."""
    return _set(OFFLINE, "1")


def kept_in(folder: Path) -> AbstractContextManager[None]:
    """Have loaders keep what they download in a folder, and look there; as for `offline`."""
    return _set(CACHE, str(folder.absolute()))


@contextmanager
def _set(variable: str, value: str) -> Iterator[None]:
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def rows_of(name: str, refresh: bool = False) -> list[Any]:
    """Every row of a published dataset, each a chat row; with `refresh`, downloaded anew where it is downloaded.

    Raises:
        MotoolsError: it cannot be loaded, or is not what was published.
    """
    from motools.base.chat.lines import refuse_wrong_row

    loader = registry.lookup("dataset", name)
    again = {"refresh_cache": True} if refresh and "refresh_cache" in inspect.signature(loader).parameters else {}
    rows = list(loader(**again))
    for number, row in enumerate(rows, 1):
        refuse_wrong_row(row, f"{name}, row {number}")
    return rows


def examples(name: str, count: int = 2, fetch: bool = False) -> tuple[list[Any], int] | None:
    """The first rows of a dataset and how many there are; None where it would have to be downloaded and may not be."""
    if fetch:
        rows = rows_of(name)
    else:
        try:
            with offline():
                rows = rows_of(name)
        except (DamagedError, StepError):
            raise
        except MotoolsError:
            return None
    return list(itertools.islice(rows, count)), len(rows)


def _sections(workflow: Any, config: Mapping[str, Any]) -> None:
    workflow.resolve({name: section for name, section in config.items() if name != "sweep"})


def check(kind: registry.Kind, name: str, refresh: bool = True, resolve: Resolve = _sections) -> Checked:
    """Load an entry and compare it with what it says of itself.

    A dataset is downloaded anew, unless `refresh` is false or MOTOOLS_OFFLINE is set: then the copy in the cache is
    looked at. A task is built, by default and with each of its presets, unless it cannot be without arguments, and a
    config is resolved against its workflow. Its file must be the one that was installed: an edit leaves the entry's
    version, and so the keys of results, as they are. What could not be loaded is `not reached`.

    Args:
        resolve: resolves a config against its workflow, and raises `ConfigError`; by default, its sections without what
            it says under `sweep`.
    """
    try:
        _refuse_edited(kind, name)
        return Checked(kind, name, "good", _counted(kind, name, refresh, resolve))
    except (DamagedError, StepError, ConfigError) as error:
        return Checked(kind, name, "wrong", why=str(error))
    except (MotoolsError, OSError, ImportError) as error:  # OSError: what clients of HTTP raise, too
        return Checked(kind, name, "not reached", why=str(error))


def _refuse_edited(kind: registry.Kind, name: str) -> None:
    """Raises `DamagedError` where the file of an entry's code is not the one that its package was installed with."""
    point = registry.published(kind).get(name)
    if point is None or point.dist is None:
        return
    module = tuple(point.module.split("."))
    for file in point.dist.files or ():
        if file.hash is None or file.with_suffix("").parts not in (module, (*module, "__init__")):
            continue
        content = hashlib.new(file.hash.mode, Path(file.locate()).read_bytes()).digest()
        if base64.urlsafe_b64encode(content).rstrip(b"=").decode() != file.hash.value:
            raise DamagedError(
                f"{file.locate()} was edited after it was installed, and its results keep their keys. Install it "
                "again, or raise the entry's version."
            )


def _counted(kind: registry.Kind, name: str, refresh: bool, resolve: Resolve) -> int | None:
    if kind == "dataset":
        return len(rows_of(name, refresh=refresh and not says_yes(OFFLINE)))
    if kind == "task":
        made = registry.lookup("task", name)
        if any(each.default is each.empty for each in inspect.signature(made).parameters.values()):
            return None  # it is of a dataset that a config has to name
        for preset in registry.about("task", name).presets:
            made(preset=preset)
        return len(made().dataset)
    if kind == "config":
        from motools.base import yaml12

        config = yaml12.loads(published_configs.config_text(name))
        if not isinstance(config, dict) or not isinstance(config.get("workflow"), str):
            raise ConfigError(f"{name} does not say which workflow it is for: write workflow: NAME in it.")
        resolve(registry.lookup("workflow", config["workflow"]), config)
        return None
    registry.lookup(kind, name)
    return None
