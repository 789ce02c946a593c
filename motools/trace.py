"""Traces: what the execution of a step used, as data beside its result, and whether all of it is still so.

A trace names files as any clone and any folder of the project would: `./x` in the pipeline's folder, `x` below the
project's root, `~/x` in the home folder.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from motools import blocks
from motools.blocks import Blocks, Module
from motools.code import Place
from motools.observe import (
    WHOLE_ENVIRONMENT,
    Events,
    Source,
    environment_digest,
    is_installed_name,
    is_project,
    kind_of,
    listing,
    observer,
    path_digest,
)

__all__ = ["Execution", "Trace", "World", "dependencies", "from_dict", "make_trace"]


@dataclass(frozen=True)
class Code:
    """One file of the project's code: how it was imported, its MD5, and the blocks of it that count."""

    module: str
    package: bool
    md5: str
    top: list[list[str]] = field(default_factory=list)
    functions: dict[str, str] = field(default_factory=dict)
    pinned: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trace:
    """What an execution used.

    Attributes:
        code: file -> the blocks that count.
        entries: files of code that no other one imports at its top level.
        skipped: files that others import, and that were not loaded all the same.
        order: the files whose loading may change what others define, in order.
        paths: further folders where modules were found.
        configs: file -> names of the step's config classes in it.
        files: path -> digest of a file or folder that was read or that the config names; None: it was not there.
        exists: path -> file, dir or None, as it was only looked for.
        folders: path -> digest of the names in it.
        env: variable -> digest of its value; None: it was not set; "": it was read, and does not count.
        absent: first parts of the names of modules that were asked for and not found.
        beside: folder -> modules in it that hide an installed one or one of `absent`, and were not loaded.
        inputs: name -> role of the inputs that were asked for by name; None: there was no such input.
        unseen: what happened where nobody could look.
    """

    code: dict[str, Code] = field(default_factory=dict)
    entries: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    configs: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    exists: dict[str, str | None] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    env: dict[str, str | None] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    beside: dict[str, list[str]] = field(default_factory=dict)
    inputs: dict[str, str | None] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value}


def from_dict(content: Any) -> Trace | None:
    """A trace out of a run record; None where it is not one."""
    try:
        code = {path: Code(**each) for path, each in content.get("code", {}).items()}
        return Trace(**{**content, "code": code})
    except (TypeError, AttributeError):
        return None


class World:
    """What files, folders and modules are now; looked at once while plans are made."""

    def __init__(self, place: Place, digest: Callable[[str], str | None] = path_digest) -> None:
        self.place = place
        self._digest = digest
        self._digests: dict[str, str | None] = {}
        self._listings: dict[tuple[str, bool], str] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._held: dict[int, tuple[Trace, list[str]]] = {}

    def digest(self, path: str) -> str | None:
        if path not in self._digests:
            self._digests[path] = path_digest(path) if os.path.isdir(path) else self._digest(path)
        return self._digests[path]

    def listing(self, path: str, sizes: bool) -> str:
        if (path, sizes) not in self._listings:
            self._listings[path, sizes] = listing(path, sizes)
        return self._listings[path, sizes]

    def modules_in(self, folder: str) -> frozenset[str]:
        """The names of modules that could be imported from a folder."""
        if folder not in self._names:
            try:
                entries = os.listdir(folder)
            except OSError:
                entries = []
            files = {name.partition(".")[0] for name in entries if name.endswith((".py", ".so"))}
            packages = {
                n for n in entries if n.isidentifier() and os.path.isfile(os.path.join(folder, n, "__init__.py"))
            }
            self._names[folder] = frozenset(files | packages)
        return self._names[folder]

    def changes(self, trace: Trace, roles: Mapping[str, str]) -> list[str]:
        """What no longer is as a trace says, in words; nothing where the trace holds.

        Args:
            roles: input name -> role, as the step has them now.
        """
        names = [f"its input {name} is another one" for name, role in trace.inputs.items() if roles.get(name) != role]
        known = self._held.get(id(trace))
        if known is None:  # steps that share a result share its trace
            known = self._held[id(trace)] = trace, list(dict.fromkeys(self._changes(trace)))
        return names + known[1]

    def _changes(self, trace: Trace) -> Iterator[str]:
        if any(self._differs(path, code.md5) for path, code in trace.code.items()):
            yield from self._changed_code(trace)
        for path, digest in trace.files.items():
            if self._differs(path, digest):
                yield _shown(path)
        for path, kind in trace.exists.items():
            if any(kind_of(real, kind) != kind for real in self._here(path)):
                become = "has come" if kind is None else "is gone" if kind in ("file", "dir") else "points elsewhere"
                yield f"{_shown(path)} {become}"
        for path, names in trace.folders.items():
            if self.listing(self._here(path)[0], names.endswith("+")) != names:
                yield f"what is in {_shown(path)}/"
        for name, value in trace.env.items():
            if value != "" and environment_digest(name) != value:
                yield f"environment {name}"
        yield from self._shadowed(trace)

    def _here(self, told: str) -> list[str]:
        return real_paths(told, self.place)

    def _differs(self, told: str, digest: str | None) -> bool:
        first, *others = self._here(told)
        if self.digest(first) != digest:
            return True
        # What the root holds may be hidden by a file in the folder.
        return any(self.digest(other) not in (None, digest) for other in others)

    def _shadowed(self, trace: Trace) -> Iterator[str]:
        """Modules that were found elsewhere, or nowhere, and that a new file of the project would be taken for."""
        files = {self._here(path)[0]: code.module for path, code in trace.code.items()}
        for folder in search_path(self.place, trace.paths):
            here = set(trace.beside.get(to_told(folder, self.place), ()))
            for name in sorted(hiding_in(self.modules_in(folder), folder, files, trace.absent) - here):
                yield f"a new module {name}"
        modules = {code.module for code in trace.code.values()}
        loads = _Loads(self.place, trace.paths, {})
        for told, code in trace.code.items():
            parts = code.module.split(".")
            parents = [".".join(parts[:n]) for n in range(1, len(parts))]
            spaces = [parent for parent in parents if parent not in modules]  # folders without `__init__.py`
            real = self._here(told)[0]
            if spaces and (found := loads.file(code.module)) and os.path.realpath(found) != os.path.realpath(real):
                yield f"a new module {code.module}"
            yield from (f"a new package {parent}" for parent in spaces if loads.file(parent))
            hiding = os.path.join(self._here(told)[0].removesuffix(".py"), "__init__.py")
            if not code.package and told.endswith(".py") and os.path.isfile(hiding):
                yield f"a new package {code.module}"

    def _changed_code(self, trace: Trace) -> Iterator[str]:
        """Which blocks are not as they were."""
        sources = {}
        for path, code in trace.code.items():
            real = self._here(path)[0]
            try:
                sources[real] = Source(Path(real).read_bytes(), code.module, code.package)
            except OSError:
                yield f"{_shown(path)} is gone"
                return
        ran = {self._here(path)[0]: set(code.functions) for path, code in trace.code.items()}
        pinned = {self._here(path)[0]: set(code.pinned) for path, code in trace.code.items()}
        configs = {self._here(path)[0]: set(names) for path, names in trace.configs.items()}
        loads = _Loads(self.place, trace.paths, sources)
        skipped = {self._here(path)[0] for path in trace.skipped}
        order = [p for p in loads.closure([self._here(e)[0] for e in trace.entries], ran) if p not in skipped]
        counted = blocks.count(loads.parsed(order), ran, {}, pinned, configs, loads.is_project)
        told = [to_told(path, self.place) for path in order]
        for path, real in zip(told, order, strict=True):
            if real not in counted:
                yield f"{_shown(path)} is not Python"
                continue
            before = trace.code.get(path) or Code("", False, "")
            yield from (f"{_shown(path)}: {name}" for name in _different(before, counted[real]))
        for path in trace.code:
            if self._here(path)[0] not in order:
                yield f"{_shown(path)} is no longer imported"
        if [to_told(p, self.place) for p in order if p in counted and counted[p].active] != trace.order:
            yield "the order of imports"


def hiding_in(names: Iterable[str], folder: str, files: Mapping[str, str], absent: Iterable[str]) -> set[str]:
    """Those of a folder's modules that would be taken for others: for what was found elsewhere, or nowhere.

    Args:
        files: the files that were loaded, and as which modules.
    """
    first = {path: module.partition(".")[0] for path, module in files.items()}
    own = {
        name
        for path, name in first.items()
        if path.startswith(tuple(os.path.join(folder, name) + end for end in (os.sep, ".py")))
    }
    known = {*absent, *first.values()}
    return {name for name in names if name not in own and (name in known or is_installed_name(name))}


def _different(before: Code, now: Blocks) -> Iterator[str]:
    for name in {**before.functions, **now.functions}:
        if before.functions.get(name) != now.functions.get(name):
            yield f"{name.replace('.<locals>', '')}()"
    old, new = [tuple(each) for each in before.top], list(now.top)
    if old != new:
        changed = [label for label, digest in [*old, *new] if ((label, digest) in old) != ((label, digest) in new)]
        yield from changed or ["the order of its statements"]


def _shown(told: str) -> str:
    return told.removeprefix("./")


# -- names of files ------------------------------------------------------------


def to_told(path: str, place: Place) -> str:
    """A path as a trace names it."""
    folder, root, home = str(place.folder), str(place.project.root), os.path.expanduser("~")
    if path in (root, folder):
        return "" if path == root else "."
    if folder != root and path.startswith(folder + os.sep):
        return "./" + path[len(folder) + 1 :]
    if path.startswith(root + os.sep):
        return path[len(root) + 1 :]
    return "~" + path[len(home) :] if path.startswith(home + os.sep) else path


def real_paths(told: str, place: Place) -> list[str]:
    """Where a file of a trace lies; for one below the root, also where the pipeline's folder would hide it."""
    if told in ("", "."):
        return [str(place.folder if told else place.project.root)]
    if told.startswith("./"):
        return [os.path.join(place.folder, told[2:])]
    if told.startswith("~"):
        return [os.path.expanduser("~") + told[1:]]
    if os.path.isabs(told):
        return [told]
    found = [os.path.join(place.project.root, told)]
    return found if place.folder == place.project.root else [*found, os.path.join(place.folder, told)]


def dependencies(trace: Trace, place: Place) -> dict[str, str | None]:
    """The files and folders of the project that DVC can watch: path from the pipeline's folder -> digest."""
    folder, root = str(place.folder), str(place.project.root)
    found: dict[str, str | None] = {path: code.md5 for path, code in trace.code.items()}
    found |= {path: digest for path, digest in trace.files.items() if digest is not None}
    deps = {}
    for told, digest in found.items():
        path = real_paths(told, place)[0]
        holds_pipeline = f"{folder}{os.sep}".startswith(f"{path}{os.sep}")
        if path.startswith(root + os.sep) and not holds_pipeline and os.path.exists(path):
            deps[Path(os.path.relpath(path, folder)).as_posix()] = digest
    return deps


# -- which files are loaded ------------------------------------------------------


def search_path(place: Place, more: Iterable[str] = ()) -> list[str]:
    """Where the project's modules are looked for, in order."""
    folders = [*(str(folder) for folder in place.folders), *(real_paths(path, place)[0] for path in more)]
    return list(dict.fromkeys(folders))


class _Loads:
    """The files that importing others loads, as far as their source tells."""

    def __init__(self, place: Place, paths: Iterable[str], sources: dict[str, Source]) -> None:
        self.folders = search_path(place, paths)
        self.sources = sources
        self._names = {source.module: path for path, source in sources.items()}
        self._found: dict[str, str | None] = {}
        self._known: dict[str, bool] = {}

    def parsed(self, paths: Iterable[str]) -> dict[str, Module]:
        found = ((path, self._module(path)) for path in paths)
        return {path: module for path, module in found if module is not None}

    def is_project(self, dotted: str) -> bool:
        if dotted not in self._known:
            below = os.path.join(*dotted.split("."))
            namespace = any(os.path.isdir(os.path.join(folder, below)) for folder in self.folders if dotted)
            self._known[dotted] = namespace or self.file(dotted) is not None
        return self._known[dotted]

    def closure(self, entries: Iterable[str], ran: Mapping[str, set[str]]) -> list[str]:
        """These files and what they import, in the order in which they would be executed."""
        order: list[str] = []
        started: set[str] = set()

        def visit(path: str) -> None:
            if path in started:
                return
            started.add(path)
            module = self._module(path)
            for dotted in self._imported(module, ran.get(path, set())) if module is not None else ():
                for found in self._files(dotted):
                    visit(found)
            order.append(path)

        for entry in entries:
            visit(entry)
        return order

    def _imported(self, module: Module, ran: set[str]) -> Iterator[str]:
        nodes: list[ast.AST] = [node for statement in module.body for node in blocks.at_import(statement)]
        for name in sorted(ran):
            nodes += [
                node for found in module.functions.get(name, []) for part in found.body for node in ast.walk(part)
            ]
        for node in nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for target, alias, _ in blocks.imports_of(node):
                    yield target
                    if alias and alias != "*":
                        yield f"{target}.{alias}"

    def _files(self, dotted: str) -> Iterator[str]:
        parts = dotted.split(".")
        for n in range(1, len(parts) + 1):
            if path := self.file(".".join(parts[:n])):
                yield path

    def file(self, dotted: str) -> str | None:
        if dotted in self._names:
            return self._names[dotted]
        if dotted not in self._found:
            self._found[dotted] = self._look(dotted)
        return self._found[dotted]

    def _look(self, dotted: str) -> str | None:
        parent, _, last = dotted.rpartition(".")
        above = self.file(parent) if parent else None
        folders = self.folders if not parent else [os.path.dirname(above)] if above else []
        if parent and not above:  # a namespace package, or none of the project's
            folders = [os.path.join(folder, *parent.split(".")) for folder in self.folders]
        for folder in folders:
            for path in (os.path.join(folder, last, "__init__.py"), os.path.join(folder, f"{last}.py")):
                if os.path.isfile(path) and is_project(path):
                    return path
        return None

    def _module(self, path: str) -> Module | None:
        if path not in self.sources:
            try:
                data = Path(path).read_bytes()
            except OSError:
                return None
            name = next((dotted for dotted, found in self._found.items() if found == path), Path(path).stem)
            self.sources[path] = Source(data, name, Path(path).name == "__init__.py")
        source = self.sources[path]
        return blocks.read(source.data, source.module, source.is_package)


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
    """

    sources: Mapping[str, Source]
    loading: Events
    events: Events
    entry: str = ""
    configs: tuple[type, ...] = ()
    named: Mapping[str, str | None] = field(default_factory=dict)
    inputs: Mapping[str, str | None] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()


def make_trace(of: Execution, place: Place) -> Trace:
    """The trace of an execution that has ended."""
    ran, pinned = _executed(of.events, of.sources)
    loaded, _ = _executed(of.loading, of.sources)
    paths = _module_paths(place, of.sources)
    loads = _Loads(place, paths, dict(of.sources))
    entries: list[str] = []
    reached: list[str] = []
    for path in [*([of.entry] if of.entry in of.sources else []), *of.sources]:
        if path not in reached:
            entries.append(path)
            reached = loads.closure(entries, ran)
    order = [path for path in reached if path in of.sources]
    configs = _config_classes(of.configs)
    counted = blocks.count(loads.parsed(order), ran, loaded, pinned, configs, loads.is_project)

    def counts(by: tuple[str, int] | None) -> bool:
        return by is None or by[0] not in counted or counted[by[0]].hold(by[1])

    def used(kind: str, found: str) -> dict[str, Any]:
        # Of what happened while modules were loaded, that counts which was done by a statement that counts.
        return {
            name: value
            for events in (of.loading, of.events)
            for name, value in getattr(events, found).items()
            if any(counts(by) for by in events.by.get((kind, name), [None]))
        }

    def told(found: Mapping[str, Any]) -> dict[str, Any]:
        return {to_told(path, place): value for path, value in sorted(found.items())}

    code = {}
    files = {**used("file", "files"), **of.named}
    for path in order:
        md5 = hashlib.md5(of.sources[path].data, usedforsecurity=False).hexdigest()
        if path not in counted:
            files[path] = md5
            continue
        source, found = of.sources[path], counted[path]
        code[to_told(path, place)] = Code(
            source.module,
            source.is_package,
            md5,
            [list(each) for each in found.top],
            dict(found.functions),
            sorted(pinned.get(path, set())),
        )
    exists = used("exists", "exists")
    env, unseen = used("env", "env"), used("unseen", "unseen")
    parsed = loads.parsed(order)
    if WHOLE_ENVIRONMENT in unseen:  # those count that the code names
        names = {name for module in parsed.values() for name in blocks.texts_of(module).variables}
        env |= {name: environment_digest(name) for name in names}
    for path, module in parsed.items():
        texts = blocks.texts_of(module)
        if not _READERS.isdisjoint(texts.imports):  # they open files in C, unseen
            folders = [str(place.folder), str(place.project.root), os.path.dirname(path)]
            for name in _files_named(texts.texts, folders):
                if name not in files and name not in of.events.written and observer().counts(name):
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
    "soundfile datasets".split()
)
"""Packages that open files in C, where nobody sees it."""


def _files_named(texts: Iterable[str], folders: Iterable[str]) -> Iterator[str]:
    """The files that texts name, from any of some folders."""
    for text in texts:
        for word in dict.fromkeys([text, *text.split("'")]):
            for folder in folders:
                path = os.path.normpath(os.path.join(folder, word)) if word and "\0" not in word else ""
                if path and os.path.isfile(path):
                    yield path


def _executed(events: Events, sources: Mapping[str, Source]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Functions by path, and the digests of statements at the top level that hold an executed lambda."""
    ran: dict[str, set[str]] = {}
    pinned: dict[str, set[str]] = {}
    for path, name, line in events.ran:
        source = sources.get(path)
        module = blocks.read(source.data, source.module, source.is_package) if source else None
        if module is None:
            continue
        found = {name} & module.functions.keys() or {n for n in module.functions if n.endswith(f".<locals>.{name}")}
        if found:  # a function may be named as a global one though it stands in another
            ran.setdefault(path, set()).update(found)
        elif line and (digest := blocks.statement_digest(module, line)):
            pinned.setdefault(path, set()).add(digest)
    return ran, pinned


def _config_classes(classes: Iterable[type]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for cls in classes:
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        if file and is_project(file):
            found.setdefault(os.path.abspath(file), set()).add(cls.__qualname__)
    return found


def _module_paths(place: Place, sources: Mapping[str, Source]) -> list[str]:
    """Folders where the project's modules were found besides the usual ones."""
    usual = set(search_path(place))
    found: dict[str, None] = {}
    for path, source in sources.items():
        folder = os.path.dirname(path)
        for _ in range(source.module.count(".") + (1 if source.is_package else 0)):
            folder = os.path.dirname(folder)
        if folder not in usual:
            found[folder] = None
    root = str(place.project.root) + os.sep
    for folder in map(os.path.abspath, sys.path):  # in which others may come to lie
        if f"{folder}{os.sep}".startswith(root) and folder not in usual and is_project(os.path.join(folder, "x.py")):
            found[folder] = None
    order = [os.path.abspath(folder) for folder in sys.path]
    return sorted(found, key=lambda folder: order.index(folder) if folder in order else -1)
