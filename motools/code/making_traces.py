"""One execution becomes its trace: of all that was seen, what can change the result."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import inspect
import os
import re
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Any

from motools.base.own_path import folders_with
from motools.code import blocks, syntax, uses
from motools.code.module_search import Loads, folder_of, search_path
from motools.code.search_path import PipelineFolder
from motools.code.trace import Code, Trace, to_told
from motools.code.world import World, hiding_in
from motools.observe import (
    DATA_IN_C,
    PRIVATE,
    READ_IN_C,
    WHOLE_ENVIRONMENT,
    Events,
    Source,
    environment_digest,
    is_installed_name,
    is_project,
    observer,
    path_digest,
)

__all__ = ["Execution", "make_trace"]

# -- making one ------------------------------------------------------------------


@dataclass(frozen=True)
class Execution:
    """What is told of an execution to make its trace of.

    Attributes:
        sources: the project's files that were loaded, as they were compiled.
        loading: what was used while they were loaded, the workflow among them.
        events: what was used since.
        entry: the file that defines the workflow; "" where that is installed.
        configs: the step's config class and its bases.
        named: what the config names: path -> digest.
        inputs: input name -> role, of those that were asked for by name.
        asked: first parts of the names of all modules that were asked for.
        apart: files of data that do not count where the code has but a pattern for their names.
    """

    sources: Mapping[str, Source]
    loading: Events
    events: Events
    entry: str = ""
    configs: tuple[type, ...] = ()
    named: Mapping[str, str | None] = field(default_factory=dict)
    inputs: Mapping[str, str | None] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    apart: Container[str] = frozenset()


def make_trace(of: Execution, place: PipelineFolder, made: set[str] | None = None) -> Trace:
    """The trace of an execution that has ended.

    Args:
        made: is given the files of data that the code names and that have come or changed since the step began.
    """
    ran, pinned = _executed(of.events, of.sources)
    path_of = {source.module: path for path, source in of.sources.items()}
    for dotted, _, name in (each.partition(":") for each in (*of.events.named, *of.loading.named)):
        if dotted in path_of:
            ran.setdefault(path_of[dotted], set()).add(name)
    loaded, _ = _executed(of.loading, of.sources)
    paths = _module_paths(place, of.sources)
    loads = Loads(place, paths, dict(of.sources))
    entries, reached = loads.closure([*([of.entry] if of.entry in of.sources else []), *of.sources], ran)
    order = [path for path in reached if path in of.sources]
    configs = _config_classes(of.configs)
    parsed = loads.parsed(order)
    counted = blocks.count(parsed, ran, loaded, pinned, configs, loads.is_project)

    def counts(by: tuple[str, int] | None) -> bool:
        return by is None or by[0] not in counted or counted[by[0]].hold(by[1])

    def used(kind: str, attribute: str) -> dict[str, Any]:
        # Of what happened while modules were loaded, that counts which was done by a statement that counts.
        return {
            name: value
            for events in (of.loading, of.events)
            for name, value in getattr(events, attribute).items()
            if any(counts(by) for by in events.by.get((kind, name), [None]))
        }

    def told(by_path: Mapping[str, Any]) -> dict[str, Any]:
        return {to_told(path, place): value for path, value in sorted(by_path.items())}

    code = {}
    files = {**used("file", "files"), **of.named}
    for path in order:
        md5 = hashlib.md5(of.sources[path].data, usedforsecurity=False).hexdigest()
        if path not in counted:
            files[path] = md5
            continue
        source, block = of.sources[path], counted[path]
        code[to_told(path, place)] = Code(
            source.module,
            source.is_package,
            md5,
            [list(each) for each in block.top],
            dict(block.functions),
            sorted(pinned.get(path, set())),
        )
    exists = used("exists", "exists")
    env, unseen = used("env", "env"), used("unseen", "unseen")
    if WHOLE_ENVIRONMENT in unseen:  # those count that the code names
        names = {name for module in parsed.values() for name in uses.texts_of(module).variables}
        env |= {name: environment_digest(name) for name in names}
    for name, whole in _open_in_c(parsed, counted, files, place).items():
        meanwhile = name.endswith(READ_IN_C) and observer().is_made_meanwhile(name)
        if made is not None and meanwhile:
            made.add(name)
        fits = whole or not (meanwhile or name in of.apart)
        if fits and name not in files and name not in of.events.written and observer().counts(name):
            files[name] = path_digest(name)
    own = {source.module.partition(".")[0] for source in of.sources.values()}
    absent = {n for n in of.asked if n not in own and n not in sys.modules and not is_installed_name(n)}
    world = World(place)
    files_of = {path: source.module for path, source in of.sources.items()}
    beside = {f: hiding_in(world.modules_in(f), f, files_of, absent) for f in loads.folders}
    return Trace(
        code=code,
        entries=[to_told(path, place) for path in entries],
        skipped=[to_told(path, place) for path in reached if path not in of.sources],
        order=[to_told(path, place) for path in order if path in counted and counted[path].active],
        paths=[to_told(path, place) for path in paths],
        itself=sorted(_found_by_python(of.sources, paths)),
        configs={to_told(path, place): sorted(names) for path, names in configs.items() if path in counted},
        files=told(files),
        exists=told({path: kind for path, kind in exists.items() if path not in files}),
        folders=told(used("folder", "folders")),
        env=dict(sorted(env.items())),
        absent=sorted(absent),
        beside={to_told(folder, place): sorted(names) for folder, names in beside.items() if names},
        inputs=dict(of.inputs),
        unseen=sorted(unseen),
    )


_READERS = frozenset(
    "pyarrow pandas polars duckdb sqlite3 ctypes cffi h5py lxml cv2 safetensors tokenizers sentencepiece lmdb "
    "soundfile datasets transformers tensorflow faiss fasttext xgboost lightgbm onnxruntime".split()
)
"""Packages that open files in C, where nobody sees it."""


def _open_in_c(
    modules: Mapping[str, syntax.Module],
    counted: Mapping[str, blocks.Blocks],
    read: Container[str],
    place: PipelineFolder,
) -> dict[str, bool]:
    """The files that may have been opened in C, unseen: path -> whether the code names it as a whole.

    Args:
        read: files of code that count whole.
    """
    whole: dict[str, bool] = {}
    readers = {path for path, module in modules.items() if not _READERS.isdisjoint(uses.texts_of(module).imports)}
    root, everything = str(place.project.root), frozenset[str]()
    for path, module in modules.items() if readers else ():
        texts = uses.texts_of(module).texts
        if path not in read:  # what does not count says nothing
            texts = uses.texts_in(_nodes_that_count(module, counted[path]))
        everything |= texts
        folders = [str(place.folder), root, os.path.dirname(path)]
        named = _files_named(texts, folders)
        whole |= {name: True for name in named if path in readers or name.endswith(READ_IN_C)}
    return {**dict.fromkeys(_below(root, everything), False), **whole}


def _nodes_that_count(module: syntax.Module, block: blocks.Blocks) -> Iterator[ast.AST]:
    for statement in module.body:
        if block.hold(statement.lineno):
            yield from uses.outside(statement)
    for name in block.functions:
        for function in module.functions.get(name, ()):
            yield from ast.walk(function)


def _files_named(texts: Iterable[str], folders: Iterable[str]) -> Iterator[str]:
    """The files that texts name, from any of some folders."""
    for text in texts:
        for word in dict.fromkeys([text, *text.split("'")]):
            for folder in folders:
                path = os.path.normpath(os.path.join(folder, word))
                if os.path.isfile(path):
                    yield path


_FIELD = re.compile(r"\{[^{}]*\}|%(?:\(\w*\))?[-+#0-9.]*[A-Za-z]")
"""What `format` or `%` puts something in the place of."""


def _below(root: str, texts: Iterable[str]) -> Iterator[str]:
    """The files of the project that may be opened in C, whose names are among some texts, or, of data, match them: a
    text may be the end of a name, or have fields."""
    names = {_FIELD.sub("*", name).rpartition("/")[2] for name in texts}
    names = {f"*{name}" if name.startswith((".", "-", "_")) else name for name in names}
    names = {name for name in names if name.endswith(DATA_IN_C if "*" in name else READ_IN_C)}
    pattern = re.compile("|".join(map(translate, sorted(names))))
    for parent, inside, files in os.walk(root) if names else ():
        inside[:] = [name for name in inside if name not in PRIVATE and name not in ("atoms", "runs")]
        paths = (os.path.join(parent, name) for name in files if pattern.match(name))
        yield from filter(os.path.isfile, paths)


def _executed(events: Events, sources: Mapping[str, Source]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Functions by path, and the digests of statements at the top level that hold an executed lambda."""
    ran: dict[str, set[str]] = {}
    pinned: dict[str, set[str]] = {}
    for path, name, line in events.ran:
        source = sources.get(path)
        module = syntax.read(source.data, source.module, source.is_package) if source else None
        if module is None:
            continue
        names = {name} & module.functions.keys() or {n for n in module.functions if n.endswith(f".<locals>.{name}")}
        if names:  # a function may be named as a global one though it stands in another
            ran.setdefault(path, set()).update(names)
        elif digest := blocks.statement_digest(module, line):
            pinned.setdefault(path, set()).add(digest)
    return ran, pinned


def _config_classes(classes: Iterable[type]) -> dict[str, set[str]]:
    functions: dict[str, set[str]] = {}
    for cls in classes:
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        if file:
            fields = {field.name for field in dataclasses.fields(cls)} & inspect.get_annotations(cls).keys()
            functions.setdefault(os.path.abspath(file), set()).update(f"{cls.__qualname__}.{name}" for name in fields)
    return functions


def _found_by_python(sources: Mapping[str, Source], paths: Iterable[str]) -> set[str]:
    """First parts of the names of modules that were found in these folders as if nobody had added to Python's path."""
    folders = {(s.module.partition(".")[0], folder_of(path, s.module, s.is_package)) for path, s in sources.items()}
    return {name for name, folder in folders if folder in paths and os.path.realpath(folder) in folders_with(name)}


def _module_paths(place: PipelineFolder, sources: Mapping[str, Source]) -> list[str]:
    """Folders where the project's modules were found besides the usual ones."""
    usual = set(search_path(place))
    folders: dict[str, None] = {}
    for path, source in sources.items():
        if (folder := folder_of(path, source.module, source.is_package)) not in usual:
            folders[folder] = None
    root = str(place.project.root) + os.sep
    for folder in map(os.path.abspath, sys.path):  # in which others may come to lie
        if f"{folder}{os.sep}".startswith(root) and folder not in usual and is_project(os.path.join(folder, "x.py")):
            folders[folder] = None
    order = [os.path.abspath(folder) for folder in sys.path]
    return sorted(folders, key=lambda folder: order.index(folder) if folder in order else -1)
