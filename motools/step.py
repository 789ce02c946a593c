"""One step: look its result up under its key, or execute the function, and put atoms, record and logs in place."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from motools import pipeline, records, secrets, stepcache
from motools.atom import Atom, write_atom
from motools.call import StepCall
from motools.code import Place
from motools.config import parse, parser_of
from motools.context import StepContext, executing, held, kept_folder
from motools.errors import AtomError, MotoolsError, StepError, listed
from motools.leftovers import WORK, begin_work, drop_secrets, locks_of
from motools.records import Record
from motools.repo import GitState
from motools.reuse import bring, write_metrics
from motools.stepcache import Entry
from motools.store import hash_file, walk_files
from motools.workflow import AtomConstructor, Step, Workflow


@dataclass(frozen=True)
class Execution:
    """How to execute a call: who is recorded, at which commit, where its output goes, and whether by force."""

    user: str
    git: GitState
    force: bool = False
    log: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a call: its result, or what went wrong in one sentence."""

    executed: bool
    entry: Entry | None = None
    error: str | None = None


def run_step(call: StepCall, step: Step, how: Execution, locked: Mapping[str, Any]) -> Outcome:
    """Make the step's result stand in the pipeline's folder.

    Equal steps wait for each other, so that a result is never paid for twice.

    Raises:
        StepError: the function failed or gave what it does not declare; nothing is left in the folder.
    """
    if not how.force and (entry := bring(call, locked, fetch=False)):  # needs no right to write to the cache
        return Outcome(False, entry)
    with held(locks_of(call.place.project) / call.key):
        entry = None if how.force else bring(call, locked)
        return Outcome(False, entry) if entry is not None else Outcome(True, _execute(call, step, how))


def perform(call: StepCall, how: Execution, locked: Mapping[str, Any]) -> Outcome:
    """`run_step` in a worker process: what it prints goes to its log, what goes wrong into the outcome."""
    with _output_to(how.log), call.place.importable():
        before = os.getcwd()
        os.chdir(call.folder)
        try:
            call = replace(call, place=warmed(call.place))
            step = loaded(call.workflow, call.place).step(call.name)
            for file, md5 in call.identity.hashes.items():
                if hash_file(Path(file)) != md5:
                    raise StepError(f"{file} changed while the run was starting. Run again.")
                if _imported.setdefault(file, md5) != md5:
                    raise StepError(f"This worker has imported an older {file}. Run again with a new executor.")
            return run_step(call, step, how, locked)
        except MotoolsError as error:
            print(f"Error: {error}", file=sys.stderr)
            return Outcome(True, error=secrets.redact(str(error)))
        except OSError as error:
            traceback.print_exc()
            return Outcome(True, error=secrets.redact(f"{type(error).__name__}: {error}"))
        finally:
            os.chdir(before)


_imported: dict[str, str] = {}  # the project's files as this process came to know them


@lru_cache(maxsize=8)
def warmed(place: Place) -> Place:
    """The place as this process knows it, with what was looked up of it before."""
    return place


@lru_cache(maxsize=8)
def loaded(reference: str, place: Place) -> Workflow:
    """A workflow, loaded once in a process; the server of the warm workers does it ahead of them."""
    from motools.finding import load_workflow

    _ = warmed(place).project.store  # reads the DVC configuration, once for all forks
    with place.importable():
        workflow = load_workflow(reference, place)
    for step in workflow.steps:
        parser_of(step.config_class)
    return workflow


@contextmanager
def _output_to(log: Path | None) -> Iterator[None]:
    """Send what this process and its children print to a file."""
    if log is None:
        yield
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with secrets.redacted_into(log) as target:
        os.dup2(target, 1)
        os.dup2(target, 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, fd in enumerate(saved, 1):
                os.dup2(fd, number)
                os.close(fd)


def _execute(call: StepCall, step: Step, how: Execution) -> Entry:
    """Run the function in a work folder of its own; what it made goes into the cache, then into the folder."""
    work = call.place.project.private / "work" / call.key
    os.environ.update(begin_work(work))
    workspace = work / "workspace"
    workspace.mkdir()
    started, clock = records.now(), time.monotonic()
    kept = kept_folder(call.place.project, call.key)
    if how.force:
        shutil.rmtree(kept, ignore_errors=True)
    try:
        with executing(StepContext(call.key, call.name, call.folder, call.place.project, how.force)):
            made = _call(call, step, workspace)
        seconds = round(time.monotonic() - clock, 3)
        built = _build(call, made, work / "atoms")
        Record(
            user=how.user,
            started=started,
            seconds=seconds,
            commit=how.git.commit,
            dirty=how.git.dirty,
            step=call.name,
            workflow=call.workflow,
            key=call.key,
            config=dict(call.values),
            usage=_usage(workspace),
            versions=records.versions(),
            changed=how.git.changed,
        ).write(work / "record.json")
        if call.keeps_logs:
            built[pipeline.logs_path(call.name)] = workspace / "logs"
            (workspace / "logs").mkdir(exist_ok=True)
        built[pipeline.record_path(call.name)] = work / "record.json"
        _refuse_secrets(built)
        entry = _keep(call, built)
        shutil.rmtree(kept, ignore_errors=True)
        return entry
    finally:
        os.environ.pop(WORK, None)
        shutil.rmtree(work, ignore_errors=True)
        drop_secrets(kept)


def _refuse_secrets(built: Mapping[str, Path]) -> None:
    for path, source in built.items():
        for file in walk_files(source) if source.is_dir() else [source]:
            if (name := secrets.found_in(file)) is not None:
                inside = f"{path}/{file.relative_to(source)}" if source.is_dir() else path
                raise StepError(f"{inside} would hold the value of {name}, for all to read. Nothing was kept.")


def _keep(call: StepCall, built: Mapping[str, Path]) -> Entry:
    """Into the cache first, then the entry, then the folder: from the entry on, nothing can be lost."""
    store = call.place.project.store
    outs = {path: store.add(source) for path, source in built.items()}
    entry = Entry(
        {name: outs[pipeline.atom_path(name)] for name in call.outputs},
        outs[pipeline.record_path(call.name)],
        outs.get(pipeline.logs_path(call.name)),
    )
    stepcache.store(store, stepcache.step_command(call.key), entry)
    for path, source in built.items():
        store.place(outs[path], source, call.folder / path)
    write_metrics(call)
    return entry


def _call(call: StepCall, step: Step, workspace: Path) -> Any:
    config = parse(step.config_class, call.values, call.name)
    atoms, stamps = {}, {}
    for name, known in call.inputs.items():
        folder = call.folder / pipeline.atom_path(name)
        stamps[folder] = _stamps(folder)
        atoms[name] = Atom.from_folder(folder, call.place.project)
        if atoms[name].id != known:
            raise StepError(f"The input {name!r} changed while the run was going on. Run again.")
    try:
        made = step.fn(config, atoms, workspace)
        if inspect.iscoroutine(made):
            made = asyncio.run(made)
    except MotoolsError:
        raise
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # the user's function may raise anything
        traceback.print_exc()  # into the log
        raise StepError(f"The step {call.name!r} failed: {type(error).__name__}: {error}") from error
    for folder, before in stamps.items():
        if _stamps(folder) != before:
            raise StepError(f"The input {folder.name!r} changed while the step was reading it. Run again.")
    return made


def _stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    """By what it shows that a file has been written or replaced."""
    stats = {str(path): path.stat() for path in walk_files(folder)}
    return {path: (stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in stats.items()}


def _build(call: StepCall, made: Any, folder: Path) -> dict[str, Path]:
    """Turn what the function returned into atom folders, by path; all that was declared, nothing else."""
    if isinstance(made, AtomConstructor):
        made = [made]
    if not isinstance(made, (list, tuple)) or not all(isinstance(item, AtomConstructor) for item in made):
        raise StepError(f"The step {call.name!r} returned {made!r}, not a list of AtomConstructors.")
    names = sorted(item.name for item in made)
    if names != sorted(call.outputs):
        raise StepError(
            f"The step {call.name!r} returned the outputs {listed(names)}, but declares {listed(sorted(call.outputs))}."
        )
    built = {}
    for item in made:
        declared = call.outputs[item.name]
        if item.type != declared:
            raise StepError(
                f"The step {call.name!r} returned {item.name!r} as a {item.type}, but declares it as a {declared}."
            )
        try:
            write_atom(folder / item.name, item.type, call.inputs, item.metadata or {}, Path(item.path))
        except AtomError as error:
            raise StepError(f"The step {call.name!r} cannot keep its output {item.name!r}: {error}") from None
        built[pipeline.atom_path(item.name)] = folder / item.name
    for path, source in built.items():
        names = [file.relative_to(source).as_posix() for file in walk_files(source)]
        if (name := call.place.project.hidden(call.folder / path, names)) is not None:
            raise StepError(f"A .dvcignore hides {path}/{name} from DVC, which would not keep it. Change its rules.")
    return built


def _usage(workspace: Path) -> dict[str, Any]:
    path = workspace / "usage.json"
    if not path.exists():
        return {}
    usage = json.loads(path.read_text(encoding="utf-8"))
    return usage if isinstance(usage, dict) else {"usage": usage}
