"""Bookkeeping: what dvc.lock, the work tree and the cache say of a stage, and entering a finished one.

This is DVC's own bookkeeping for stages that MOTools generates, at a cost that does not grow with the
number of stages; `dvc status` and `dvc repro` find the same files that they would have written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from motools.base.files import scratch, set_aside
from motools.code.trace import dependencies
from motools.compiler.compiled import Compiled
from motools.compiler.dvc_yaml import is_generated, set_deps, write_stages
from motools.compiler.step_call import StepCall
from motools.definition.instances import label_of
from motools.engine.stage import folders_above
from motools.errors import MotoolsError, ProjectError
from motools.execution.cached_results import Result
from motools.repo import pipeline
from motools.repo.dvc_locks import DvcLock, PathLocks
from motools.repo.file_hashes import FileHashes
from motools.repo.hashing import Out
from motools.repo.ignore import ignore_made
from motools.repo.lock_file import LockFile
from motools.repo.project import Project
from motools.repo.step_cache import roles_of

_FLUSH = 1.0  # seconds between writes of dvc.lock; a crash loses none of it, the step cache has every result


class StageOutputs:
    """The outputs of the stages of one pipeline, as dvc.lock, the folder and the cache have them."""

    def __init__(
        self,
        project: Project,
        folder: Path,
        compiled: Compiled,
        say: Callable[[str], None],
        hashes: FileHashes | None = None,
    ) -> None:
        self._project = project
        self._folder = folder
        self._compiled = compiled
        self._say = say
        self.hashes = hashes or FileHashes(project.private / "index.json", project.store.large)
        self.lock_file = LockFile(folder)
        hardlink = project.setting("core", "hardlink_lock") == "true"
        self.dvc_lock = DvcLock(project.root, hardlink, say)
        self.claims = PathLocks(project.root, hardlink)
        self._flushed = time.monotonic()
        self._has_new_deps = False
        self._described: dict[str, Out] = {}  # folder objects, which do not change

    def status(self, name: str) -> dict[str, str]:
        """The outs of a stage that are not as locked: path -> `deleted`, `modified`, `replaced` by what the cache has
        too, `not in cache` or `new`."""
        locked = {out["path"]: out.get("md5") for out in self.lock_file.entry(name).get("outs", [])}
        differing = {}
        for path, cached in out_paths(self._compiled.stages[name]).items():
            md5 = locked.get(path)
            here = self.hash(path) if md5 is not None else None
            if md5 is None:
                differing[path] = "new"
            elif here is None:
                differing[path] = "deleted"
            elif here.md5 != md5:
                differing[path] = "replaced" if cached and self._project.store.has(here.md5) else "modified"
            elif cached and not self._project.store.has(md5):
                differing[path] = "not in cache"
        return differing

    def hash(self, path: str) -> Out | None:
        """What a file or folder of the pipeline hashes to now, or None where it is not there."""
        absolute = os.path.join(self._folder, path)
        return self.hashes.folder(absolute) or self.hashes.file(absolute)

    def remove(self, name: str) -> None:
        """Remove a stage's outs before it runs: a step that fails leaves nothing that looks like a result."""
        self.recache(name)  # nowhere else is what an earlier commit names
        self.move_aside_others(name)
        for path in out_paths(self._compiled.stages[name]):
            target = self._folder / path
            if target.is_dir():  # a link to one is moved and removed as a link
                with scratch(target.parent) as away:  # half removed by a killed run, it would look like a person's
                    target.rename(away / target.name)
            else:
                target.unlink(missing_ok=True)

    def clear_the_way(self) -> None:
        """Remove what stages have left around what is written now: `atoms/model`, where a sweep has
        `atoms/model/seed=0`. Only what the cache has."""
        writes = {path for stage in self._compiled.stages.values() for path in out_paths(stage)}
        above = {parent for path in writes for parent in folders_above(path)}
        for name in self.lock_file.stages:
            entry = self.lock_file.entry(name)
            for out in entry.get("outs", []) if is_generated(entry.get("cmd")) else ():
                path, target = out["path"], self._folder / out["path"]
                if path not in above and writes.isdisjoint(folders_above(path)):
                    continue
                here = self.hash(path)
                if here is not None and here.md5 == out["md5"] and self._project.store.has(here.md5):
                    with scratch(self._project.private) as away:
                        target.rename(away / target.name)
                    with suppress(OSError):  # those of other instances lie there yet
                        os.removedirs(target.parent)

    def move_aside_others(self, name: str) -> None:
        """Move aside what lies where a stage's outs will, and is nowhere else: a person has put or edited it there."""
        locked = [out["path"] for out in self.lock_file.entry(name).get("outs", [])]
        outs = out_paths(self._compiled.stages[name]).items()
        for path in (path for path, cached in outs if cached or path not in locked):  # else git has it: a metric
            target, here = self._folder / path, self.hash(path)
            if here is not None and here.nfiles != 0 and not self._project.store.has(here.md5):
                kept = set_aside(target, self._project.private / "replaced")
                self._say(f"{target} was not made by {name}, and is kept as {kept}.")

    def recache(self, name: str) -> None:
        """Take the outs of a stage that are as locked into the cache again, which has lost them."""
        for path, how in self.status(name).items():
            if how == "not in cache":
                self._project.store.add(self._folder / path)

    def commit(self, call: StepCall, result: Result, executed: bool = False) -> None:
        """Enter a stage whose result stands in the folder.

        Args:
            executed: just now, so that DVC is told what was read then, not what is there now.
        """
        entry = result.entry
        self._described |= {out.md5: out for out in entry.outputs.values()} if executed else {}  # for speed
        outs = {pipeline.atom_path(name): entry.outputs[role] for name, role in roles_of(call.outputs).items()}
        outs[pipeline.record_path(call.name)] = entry.record
        if entry.logs is not None:
            outs[pipeline.logs_path(call.name)] = entry.logs
        for path, cached in out_paths(self._compiled.stages[call.name]).items():
            if path not in outs:  # a metric, or a plot that a person has added
                here = self.hash(path)
                if here is None:
                    raise MotoolsError(f"{self._folder / path}, which dvc.yaml says {call.name} makes, is not there.")
                outs[path] = self._project.store.add(self._folder / path) if cached else here
        paths = {pipeline.atom_path(name): atom for name, atom in call.inputs.items()}
        deps = {path: self._describe(path, atom) for path, atom in paths.items()}
        for path, md5 in dependencies(result.trace, call.place).items():
            here = self.hash(path)
            if here is None or path in outs:
                continue
            as_read = executed and not md5.endswith(".dir")
            deps.setdefault(path, Out(md5, here.size) if as_read else here)
        self._has_new_deps |= set_deps(self._compiled, call.name, [*paths, *sorted(deps.keys() - paths.keys())])
        stage = self._compiled.stages[call.name]
        deps |= self._shared_deps(call.name, deps)
        locked: dict[str, Any] = {"cmd": stage["cmd"]}
        if deps:
            locked["deps"] = [{"path": path, **deps[path].as_dict()} for path in sorted(deps)]
        locked["params"] = {pipeline.PARAMS: self._compiled.params_of(call.name)}
        locked["outs"] = [{"path": path, **outs[path].as_dict()} for path in sorted(outs)]
        self.lock_file.put(call.name, locked)

    def _shared_deps(self, name: str, own: Container[str]) -> dict[str, Out]:
        """What other instances of its step depend on, which DVC takes a stage to depend on, too."""
        if not label_of(name):
            return {}
        others = {path: self.hash(path) for path in self._compiled.stages[name].get("deps", []) if path not in own}
        return {path: out for path, out in others.items() if out is not None}

    def _share_deps(self) -> None:
        """Enter what has been seen since an instance of a step was entered that another one depends on."""
        for name in self._compiled.stages if self._has_new_deps else ():
            entry = dict(self.lock_file.entry(name))
            deps = {dep["path"]: dep for dep in entry.get("deps", [])}
            if entry and (more := self._shared_deps(name, deps)):
                deps |= {path: {"path": path, **out.as_dict()} for path, out in more.items()}
                self.lock_file.put(name, {**entry, "deps": [deps[path] for path in sorted(deps)]})

    def _describe(self, path: str, atom: str) -> Out:
        """An input as dvc.lock gives it; from the folder where another command has just cleaned the cache."""
        md5 = f"{atom.rpartition('-')[2]}.dir"
        if md5 in self._described:
            return self._described[md5]
        try:
            return self._described.setdefault(md5, self._project.store.describe(md5))
        except FileNotFoundError:
            here = self.hash(path)
            if here is None or here.md5 != md5:
                raise MotoolsError(f"{self._folder / path} is gone. Run again.") from None
            return here

    def ignore_outs(self, names: Iterable[str]) -> None:
        """Have git ignore the outs that DVC keeps, those of other branches and of removed experiments too.

        Raises:
            ProjectError: git tracks one of them, or something else lies where their folders will.
        """
        names = [*names]
        paths = [path for name in names for path in out_paths(self._compiled.stages[name])]
        for top in sorted({path.partition("/")[0] for path in paths if "/" in path}):
            if os.path.lexists(path := self._folder / top) and not path.is_dir():
                what = "a link to nothing" if path.is_symlink() else "a file"
                raise ProjectError(f"{path} is {what}, and the pipeline makes a folder of that name. Move it away.")
        cached = [path for name in names for path, kept in out_paths(self._compiled.stages[name]).items() if kept]
        if tracked := self._project.git.tracked(self._folder, cached):
            raise ProjectError(
                f"git tracks {tracked[0]} in {self._folder}, which the pipeline makes and DVC keeps. Type "
                f"`git rm -r --cached {tracked[0]}` there, and commit that."
            )
        ignore_made(self._project, self._folder, {path.partition("/")[0] for path in cached})

    def flush(self, now: bool = False) -> bool:
        """Write dvc.lock: now, or else if it is time to, nobody is in the way and there is room for it.

        Returns:
            Whether there is more to write.
        """
        if now and (self.lock_file.pending or self._has_new_deps):
            with self.dvc_lock:
                self._write()
        elif self.lock_file.pending and time.monotonic() - self._flushed > _FLUSH:
            self._flushed = time.monotonic()
            with suppress(OSError):
                self.dvc_lock.if_free(self.lock_file.flush)
        return self.lock_file.pending

    def _write(self) -> None:
        self._share_deps()
        write_stages(self._compiled, self._folder)  # what dvc.lock names and this does not looks removed
        self.lock_file.flush()
        self._has_new_deps = False

    def everything(self) -> tuple[dict[str, str | None], dict[str, list[str] | None], set[str]]:
        """What decides whether the stages are current, with the content that dvc.lock says it has.

        Returns:
            Files by absolute path and folders by theirs, as `snapshot.save` takes them, and the cache's objects.
        """
        files: dict[str, str | None] = {str(self.lock_file.path): self.lock_file.verified()}
        folders: dict[str, list[str] | None] = {}
        objects: set[str] = set()
        made = {path for stage in self._compiled.stages.values() for path in out_paths(stage)}
        for name, stage in self._compiled.stages.items():
            cached = out_paths(stage)
            entry = self.lock_file.entry(name)
            for out in [*entry.get("outs", []), *entry.get("deps", [])]:
                path = os.path.join(self._folder, out["path"])
                if out["md5"].endswith(".dir"):
                    if out["path"] not in made and not out["path"].startswith("atoms/"):
                        continue  # a folder that was read, which is in no cache: the traces tell of it
                    if path in folders:  # for speed: an input, of which the stage that makes it has told
                        continue
                    tree = self._project.store.tree(out["md5"])
                    objects |= {out["md5"], *tree.values()}
                    files |= {os.path.join(path, file): md5 for file, md5 in tree.items()}
                    folders |= _listings(path, tree)
                else:
                    # One that changed during the run, and stages have both contents of: no proof holds.
                    files[path] = out["md5"] if files.get(path) in (None, out["md5"]) else ""
                    if cached.get(out["path"]):
                        objects.add(out["md5"])
        return files, folders, objects

    def close(self, wait: bool = True) -> None:
        """Write what is left to be written.

        Args:
            wait: for another DVC command; else dvc.lock stays as it is then, and the step cache has what finished.
        """
        if wait:
            self.flush(now=True)
        elif self.lock_file.pending or self._has_new_deps:
            with suppress(OSError):
                self.dvc_lock.if_free(self._write)
        self.hashes.save()
        if self._project.setting("core", "autostage") == "true":
            self._project.git.stage_files([p for p in self._written() if p.exists()])

    def _written(self) -> list[Path]:
        folders = (self._folder / name for name in ("atoms", "runs", "logs"))
        metrics = sorted((self._folder / "metrics").rglob("*.json"))
        return [self._folder / pipeline.LOCK, *(folder / ".gitignore" for folder in folders), *metrics]


def _listings(folder: str, files: Iterable[str]) -> dict[str, list[str] | None]:
    """What lies in each folder of a tree of files."""
    names: dict[str, set[str]] = {folder: set()}
    for file in files:
        parts = file.split("/")
        for depth, part in enumerate(parts):
            names.setdefault(os.path.join(folder, *parts[:depth]), set()).add(part)
    return {path: sorted(inside) for path, inside in names.items()}


def out_paths(stage: Mapping[str, Any]) -> dict[str, bool]:
    """The outs of a stage of dvc.yaml, and whether each is kept in the cache."""
    cached = {}
    for section in ("outs", "metrics", "plots"):
        for out in stage.get(section, []):
            path, flags = next(iter(out.items())) if isinstance(out, dict) else (out, {})
            cached[path] = flags.get("cache", True)
    return cached
