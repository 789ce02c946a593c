"""Files and folders that the texts of a config name."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from motools.code import references
from motools.code.search_path import PipelineFolder
from motools.observe import path_digest

__all__ = ["Named", "named_by"]

_LONGEST = 500  # characters of a text that may be a path
_PATH = re.compile(r"[\w.~*?\[\]-]*(?:/[\w.~*?\[\]-]+)+|[\w~*?\[\]-][\w.~*?\[\]-]*\.[A-Za-z]\w{0,5}")
_GENERATED = ("atoms", "runs", "logs", "metrics")


# -- what a config names ---------------------------------------------------------


@dataclass(frozen=True)
class Named:
    """What the texts of a config name, there or not, and the folders that its patterns look into."""

    paths: tuple[str, ...]
    folders: tuple[str, ...]

    def digests(self) -> dict[str, str | None]:
        return {path: path_digest(path) for path in self.paths}


def named_by(values: Mapping[str, Any], place: PipelineFolder, by_text: dict[str, Named] | None = None) -> Named:
    """What a config names, in whatever form: C code opens files unseen, so these count without having been seen.

    Args:
        by_text: what texts name, for configs that are looked at in one moment, and have many in common.
    """
    by_text = {} if by_text is None else by_text
    paths: dict[str, None] = {}
    folders: dict[str, None] = {}
    for _, text in texts_in(values, keys=True):
        if text not in by_text:
            by_text[text] = _named_in(text, place)
        paths.update(dict.fromkeys(by_text[text].paths))
        folders.update(dict.fromkeys(by_text[text].folders))
    return Named(tuple(paths), tuple(folders))


def _named_in(text: str, place: PipelineFolder) -> Named:
    paths: dict[str, None] = {}
    folders: dict[str, None] = {}
    for form in _forms(text):
        for path in _places(form, place):
            if _looks_everywhere(path, place):
                continue
            if glob.has_magic(form):
                files = [p for p in glob.glob(path, recursive=True) if os.path.isfile(p) and not _is_own(p, place)]
                paths.update(dict.fromkeys(files))
                looked_in = [each for above in _above(path) for each in glob.glob(above, recursive=True)]
                folders.update(dict.fromkeys(os.path.normpath(each) for each in looked_in if os.path.isdir(each)))
            elif (os.path.exists(path) or _PATH.fullmatch(form)) and not _is_own(path, place):
                paths[path] = None
    return Named(tuple(paths), tuple(folders))


def _looks_everywhere(path: str, place: PipelineFolder) -> bool:
    """Whether it is a pattern that looks in all that lies above the pipeline or in the home folder."""
    upper, recursive, _ = path.partition("**")
    [fixed] = [each for each in (upper, *_above(upper)) if not glob.has_magic(each)]
    return bool(recursive) and _is_own(fixed, place) and os.path.normpath(fixed) not in map(str, place.roots)


def _above(pattern: str) -> Iterator[str]:
    """The patterns of the folders that somebody looks into who follows a pattern."""
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)
        yield pattern


def _forms(text: str) -> Iterator[str]:
    """A text as a path: as it is, without `file://`, without `#part`, `:split` or `@name` at its end."""
    if not text.strip() or len(text) > _LONGEST or "\n" in text or not references.can_be_path(text):
        return
    text = text.removeprefix("file://")
    if "://" in text:
        return
    yield from dict.fromkeys([text, text.partition("#")[0]])
    if (cut := re.fullmatch(r"(.+)[:@]\w+", text)) and not cut[1].endswith(".py"):  # code is seen when it is executed
        yield cut[1]


def _places(form: str, place: PipelineFolder) -> Iterator[str]:
    path = os.path.expanduser(form)
    if os.path.isabs(path):
        yield os.path.normpath(path)
    else:
        yield from dict.fromkeys(os.path.normpath(os.path.join(folder, path)) for folder in place.roots)


def _is_own(path: str, place: PipelineFolder) -> bool:
    """Whether it is a folder that holds the pipeline or the home folder, or what a run itself writes or reads."""
    folder = str(place.folder)
    if any(
        f"{each}{os.sep}".startswith(f"{path.rstrip(os.sep)}{os.sep}") for each in (folder, os.path.expanduser("~"))
    ):
        return True  # a text such as ~ is hardly meant for all that lies there
    parts = os.path.relpath(path, folder).split(os.sep)
    private = {".git", ".dvc", ".motools"} & set(parts) and not os.path.isfile(path)
    return bool(private) or parts in (
        ["params.yaml"],
        ["dvc.yaml"],
        ["dvc.lock"],
        [".env"],
        *([name] for name in _GENERATED),
    )


def texts_in(values: Any, where: str = "", keys: bool = False) -> Iterator[tuple[str, str]]:
    if isinstance(values, str):
        yield where, values
    elif isinstance(values, Mapping):
        for name, value in values.items():
            if keys:
                yield where, str(name)
            yield from texts_in(value, f"{where}.{name}" if where else str(name), keys)
    elif isinstance(values, (list, tuple)):
        for index, value in enumerate(values):
            yield from texts_in(value, f"{where}[{index}]", keys)
