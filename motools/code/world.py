"""What is here now, compared with what a trace says was used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from motools.base.own_path import folders_with
from motools.code import blocks
from motools.code.blocks import Blocks
from motools.code.module_search import Loads, folder_of, real_paths, search_path
from motools.code.search_path import PipelineFolder
from motools.code.trace import Code, Trace, to_told
from motools.observe import DOTENV, Source, environment_digest, is_installed_name, kind_of, listing, path_digest

__all__ = ["World"]


class World:
    """What files, folders and modules are now; looked at once while plans are made.

    Args:
        digest: what a file holds now.
        digests: those that need not be looked at.
    """

    def __init__(
        self,
        place: PipelineFolder,
        digest: Callable[[str], str | None] = path_digest,
        digests: Mapping[str, str] | None = None,
    ) -> None:
        self.place = place
        self._digest = digest
        self._digests: dict[str, str | None] = dict(digests or {})
        self._listings: dict[tuple[str, bool], str] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._held: dict[int, tuple[Trace, list[str]]] = {}

    def digest(self, path: str) -> str | None:
        if path not in self._digests:
            self._digests[path] = (
                path_digest(path) if os.path.isdir(path) or os.path.basename(path) == DOTENV else self._digest(path)
            )
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
            roles: input name -> role, as the step has them now, and "" -> the order of several.
        """
        others = [name for name, role in trace.inputs.items() if roles.get(name) != role]
        names = [f"its input {name} is another one" if name else "the order of its inputs" for name in others]
        checked = self._held.get(id(trace))
        if checked is None:  # steps that share a result share its trace
            checked = self._held[id(trace)] = trace, list(dict.fromkeys(self._changes(trace)))
        return names + checked[1]

    def _changes(self, trace: Trace) -> Iterator[str]:
        if any(self._differs(path, code.md5) for path, code in trace.code.items()):
            yield from self._changed_code(trace)
        for path, digest in trace.files.items():
            if self._differs(path, digest):
                yield shown(path)
        for path, kind in trace.exists.items():
            if any(kind_of(real, kind) != kind for real in self._here(path)):
                become = "has come" if kind is None else "is gone" if kind in ("file", "dir") else "points elsewhere"
                yield f"{shown(path)} {become}"
        for path, names in trace.folders.items():
            if self.listing(self._here(path)[0], names.endswith("+")) != names:
                yield f"what is in {shown(path)}/"
        for name, value in trace.env.items():
            if value != "" and environment_digest(name) != value:
                yield f"environment {name}"
        yield from self._shadowed(trace)

    def _here(self, path: str) -> list[str]:
        return real_paths(path, self.place)

    def _differs(self, path: str, digest: str | None) -> bool:
        first, *others = self._here(path)
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
        for path, code in trace.code.items():
            if (name := code.module.partition(".")[0]) in trace.itself:
                folder = folder_of(self._here(path)[0], code.module, code.package)
                if (others := folders_with(name)) and os.path.realpath(folder) not in others:
                    yield f"another module {name}"
        modules = {code.module for code in trace.code.values()}
        loads = Loads(self.place, trace.paths, {})
        for told, code in trace.code.items():
            parts = code.module.split(".") if "/" not in code.module else []  # a file that was loaded by its path
            parents = [".".join(parts[:n]) for n in range(1, len(parts))]
            spaces = [parent for parent in parents if parent not in modules]  # folders without `__init__.py`
            real = self._here(told)[0]
            if spaces and (file := loads.file(code.module)) and os.path.realpath(file) != os.path.realpath(real):
                yield f"a new module {code.module}"
            for parent in spaces:  # or what counts whole, since it was imported before anybody looked
                if (file := loads.file(parent)) and to_told(file, self.place) not in trace.files:
                    yield f"a new package {parent}"
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
                yield f"{shown(path)} is gone"
                return
        ran = {self._here(path)[0]: set(code.functions) for path, code in trace.code.items()}
        pinned = {self._here(path)[0]: set(code.pinned) for path, code in trace.code.items()}
        configs = {self._here(path)[0]: set(names) for path, names in trace.configs.items()}
        loads = Loads(self.place, trace.paths, sources)
        skipped = {self._here(path)[0] for path in trace.skipped}
        _, reached = loads.closure([self._here(e)[0] for e in trace.entries], ran)
        order = [path for path in reached if path not in skipped]
        counted = blocks.count(loads.parsed(order), ran, {}, pinned, configs, loads.is_project)
        told = [to_told(path, self.place) for path in order]
        for path, real in zip(told, order, strict=True):
            if real not in counted:
                yield f"{shown(path)} is not Python"
                continue
            before = trace.code.get(path) or Code("", False, "")
            yield from (f"{shown(path)}: {name}" for name in _different(before, counted[real]))
        for path in trace.code:
            if self._here(path)[0] not in order:
                yield f"{shown(path)} is no longer imported"
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
    sought = {*absent, *first.values()}
    return {name for name in names if name not in own and (name in sought or is_installed_name(name))}


def _different(before: Code, now: Blocks) -> Iterator[str]:
    for name in {**before.functions, **now.functions}:
        if before.functions.get(name) != now.functions.get(name):
            yield f"{name.replace('.<locals>', '')}()"
    old, new = [tuple(each) for each in before.top], list(now.top)
    if old != new:
        changed = [label for label, digest in [*old, *new] if ((label, digest) in old) != ((label, digest) in new)]
        yield from changed or ["the order of its statements"]


def shown(path: str) -> str:
    return path.removeprefix("./")
