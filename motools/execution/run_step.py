"""One step: look its result up under its key, or execute the function, and put atoms, record and logs in place."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from motools.atom import records
from motools.atom.atom import Atom, atoms_at_hand
from motools.atom.records import Record
from motools.base import secrets
from motools.base.clock import Moment, moment
from motools.base.configs import parse, parser_of
from motools.base.files import in_words, make_folder, set_aside
from motools.base.locks import file_lock
from motools.code.search_path import PipelineFolder
from motools.code.trace import dependencies
from motools.compiler.step_call import StepCall, make_call
from motools.compiler.step_code import of_step
from motools.definition.config import marked
from motools.definition.context import StepContext, executing, kept_folder
from motools.definition.instances import as_seen
from motools.definition.step import AtomConstructor, Step
from motools.definition.workflow import Workflow
from motools.errors import MotoolsError, StepError
from motools.execution import finished_work
from motools.execution.cached_results import Result, restore_known, write_metrics
from motools.execution.observation import Inputs, Observation, warm
from motools.execution.step_outputs import build_outputs, keep_logs, keep_result, read_usage, refuse_secrets
from motools.execution.work_folders import (
    WORK,
    drop_secrets,
    end_processes,
    locks_of,
    make_work_folder,
    remove_work_folder,
)
from motools.observe import observer
from motools.repo import pipeline
from motools.repo.git import GitState
from motools.repo.hashing import Hashed, Out, files_in, hash_file, hash_folder
from motools.repo.remote import Remote
from motools.repo.taken_out import modes_of_new


@dataclass(frozen=True)
class Execution:
    """How to execute a call: who is recorded, at which commit and with which patch, on which machine where an
    executor has chosen it, where its output goes, whether by force, whether the remote may still have its result, and
    whether the step itself may ask it for what earlier executions have left."""

    user: str
    git: GitState
    force: bool = False
    log: Path | None = None
    remote: bool = False
    earlier: bool = True
    patch: str | None = None
    host: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a call: its result, or what went wrong in one sentence; what its files are known to hold; and what
    there is to say of it."""

    executed: bool
    result: Result | None = None
    error: str | None = None
    hashed: Mapping[str, Hashed] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def run_step(call: StepCall, step: Step, how: Execution, locked: Mapping[str, Any]) -> Outcome:
    """Make the step's result stand in the pipeline's folder.

    Equal steps wait for each other, so that a result is never paid for twice.

    Raises:
        StepError: the function failed or gave what it does not declare; nothing is left in the folder.
    """
    if not how.force and (result := restore_known(call, locked)):  # needs no right to write to the cache
        return Outcome(False, result)
    with file_lock(locks_of(call.place.project) / call.key):
        remote = Remote(call.place.project) if how.remote else None
        result = None if how.force else restore_known(call, locked, remote, partial(_costs_money, call, step))
        return Outcome(False, result) if result is not None else _execute(call, step, how)


def _costs_money(call: StepCall, step: Step) -> bool:
    atoms = atoms_at_hand(as_seen(call.inputs, call.gathers), call.place.project)
    return step.costs_money(parse(step.config_class, call.values, call.name), atoms)


def perform(call: StepCall, how: Execution, locked: Mapping[str, Any]) -> Outcome:
    """`run_step` in a worker process: what it prints goes to its log, what goes wrong into the outcome."""
    return perform_step(call, lambda call: call.step_in(loaded(call.workflow, call.place)), how, locked)


def perform_step(
    call: StepCall, find: Callable[[StepCall], Step], how: Execution, locked: Mapping[str, Any]
) -> Outcome:
    """The same, where `find` gives the step of a call."""
    with output_to(how.log), call.place.importable():
        before = os.getcwd()
        os.chdir(call.folder)
        try:
            call = replace(call, place=warmed(call.place))
            step = find(call)
            _refuse_older(call, step)
            return run_step(call, step, how, locked)
        except MotoolsError as error:
            with suppress(OSError, ValueError):  # the log may take no more
                print(f"Error: {error}", file=sys.stderr)
            return Outcome(True, error=secrets.redact(str(error)))
        except SystemExit:  # told to leave
            raise
        except BaseException as error:  # KeyboardInterrupt too: a function may raise anything
            traceback.print_exc()
            said = in_words(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}".rstrip(": ")
            return Outcome(True, error=secrets.redact(f"The step {call.name!r} failed: {said}"))
        finally:
            os.chdir(before)


def _refuse_older(call: StepCall, step: Step) -> None:
    """What this process has imported must be what the project holds, and the step what the plan was made for."""
    for file, source in observer().sources.items():
        if os.path.isfile(file) and hash_file(Path(file)) != hashlib.md5(source.data).hexdigest():
            raise StepError(f"{file} changed after it was imported. Run again.")
    now = make_call(call.workflow, step, call.values, of_step(step, call.values, call.place), call.inputs, call.place)
    if now.key != call.key:
        raise StepError(f"The definition of {call.name!r} changed while the run was starting. Run again.")


@lru_cache(maxsize=8)
def warmed(place: PipelineFolder) -> PipelineFolder:
    """The place as this process knows it, with what was looked up of it before."""
    return place


@lru_cache(maxsize=8)
def loaded(reference: str, place: PipelineFolder) -> Workflow:
    """A workflow, loaded once in a process; the server of the warm workers does it ahead of them."""
    from motools.compiler.find_workflow import load_workflow

    _ = warmed(place).project.store  # reads the DVC configuration, once for all forks
    with place.importable():
        workflow = load_workflow(reference, place)
    workflow.step(workflow.steps[0].name)  # what is made once is here then, and shared by all forks
    if any(inspect.iscoroutinefunction(step.fn) for step in workflow.steps):
        import asyncio  # noqa: F401
    for step in workflow.steps:
        parser_of(step.config_class)
        marked(step.config_class, {})
    warm(place)
    records.versions()
    return workflow


@contextmanager
def output_to(log: Path | None) -> Iterator[None]:
    """Send what this process and its children print to a file."""
    if log is None:
        yield
        return
    make_folder(log.parent)
    sys.stdout.flush()
    sys.stderr.flush()
    saved, stdout, stderr = (os.dup(1), os.dup(2)), sys.stdout, sys.stderr
    by_line = getattr(stdout, "line_buffering", True)
    if not by_line:  # so that the log can be followed, and keeps the order of what is printed
        stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with secrets.redacted_into(log) as target:
        os.dup2(target, 1)
        os.dup2(target, 2)
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr, stdout, stderr):  # a step may have put its own there, or none
                with suppress(AttributeError, ValueError, OSError):  # the end of a log is no reason to fail
                    stream.flush()
            sys.stdout, sys.stderr = stdout, stderr
            for number, fd in enumerate(saved, 1):
                os.dup2(fd, number)
                os.close(fd)
            if not by_line:
                with suppress(ValueError, OSError):
                    stdout.reconfigure(line_buffering=False)  # type: ignore[union-attr]


def _execute(call: StepCall, step: Step, how: Execution) -> Outcome:
    """Run the function in a work folder of its own; what it made goes into the cache, then into the folder."""
    project = call.place.project
    work = project.private / "work" / call.key
    kept = kept_folder(project, call.key)
    paid = bool(step.paid) and _costs_money(call, step)
    end_processes(work)
    returned: Any = None if how.force else finished_work.take_up(call, work)
    if returned is None:
        returned = _made_now(call, step, how, work, kept)
    else:
        print("An earlier execution has finished, and what it made is taken up.")
    try:
        with finished_work.kept_aside(call, work):
            built = build_outputs(call, returned, work / "atoms")
            if call.keeps_logs:
                built[pipeline.logs_path(call.name)] = keep_logs(call, work)
            built[pipeline.record_path(call.name)] = work / "record.json"
            refuse_secrets(built)
            before, seen = moment(work), {path: dict[str, Hashed]() for path in built}
            result, outs = keep_result(call, built, seen, work, paid)
    finally:
        drop_secrets(kept)
    try:
        finished_work.safe(call, work)
        modes = modes_of_new(work)
        notes = make_way(call)
        for path, source in built.items():
            project.store.place(outs[path], source, call.folder / path, modes)
        notes += write_metrics(call, result.entry)
        kept.with_name(f"{kept.name}.trace").unlink(missing_ok=True)
        if kept.is_dir():
            shutil.rmtree(kept, ignore_errors=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Outcome(True, result, hashed=_in_place(call, seen, before) if before is not None else {}, notes=notes)


def make_way(call: StepCall) -> tuple[str, ...]:
    """Move aside what somebody has put where a result belongs, and is nowhere else; a sentence for each.

    A run has done so before the step began; but that may have taken hours, and `motools step run` is no run.
    """
    paths = [*map(pipeline.atom_path, call.outputs), pipeline.record_path(call.name)]
    paths += [pipeline.logs_path(call.name)] if call.keeps_logs else []
    notes, store = [], call.place.project.store
    for target in (call.folder / path for path in paths):
        with suppress(FileNotFoundError):  # nothing, or a link to nothing
            out = hash_folder(target, store.large)[0] if target.is_dir() else Out(hash_file(target), 0)
            if out.nfiles != 0 and not store.has(out.md5):
                kept = set_aside(target, call.place.project.private / "replaced")
                notes.append(f"{target} was not made by {call.name}, and is kept as {kept}.")
    return tuple(notes)


def _in_place(call: StepCall, seen: Mapping[str, Mapping[str, Hashed]], before: Moment) -> dict[str, Hashed]:
    """The files that are as they were hashed, with the stat that they have now: moving them has changed some of it.

    Args:
        before: a moment before any of them was read.
    """
    hashed = {}
    for path, files in seen.items():
        for name, was in files.items():
            file = os.path.join(call.folder, path, name) if name else os.path.join(call.folder, path)
            with suppress(OSError):
                now = os.stat(file)
                if before.is_after_writing(was.stat) and _stamp(now) == _stamp(was.stat):
                    hashed[file] = Hashed(was.md5, now)
                    call.place.project.store.learn(was.md5, now)
    return hashed


def _made_now(call: StepCall, step: Step, how: Execution, work: Path, kept: Path) -> Any:
    """Call the function; what it returned, its record and its result stand in the work folder then."""
    os.environ.update(make_work_folder(work))
    workspace = work / "workspace"
    workspace.mkdir()
    started, clock = records.now(), time.monotonic()
    seen = Observation(call, work, kept, how.force)
    context = StepContext(
        call.key, call.name, call.folder, call.place.project, how.force, how.earlier and not how.force
    )
    try:
        with finished_work.room(work), executing(context), seen:
            atoms, as_read = _inputs(call)
            returned, asked = _call(call, step, atoms, workspace)
    except BaseException:
        remove_work_folder(work)
        drop_secrets(kept)
        raise
    finally:
        os.environ.pop(WORK, None)
    seconds = round(time.monotonic() - clock, 3)
    with finished_work.kept_aside(call, work):
        _refuse_changed(as_read)
        used = seen.trace(step, asked, lambda: loaded(call.workflow, call.place))
        paths = (call.folder / path for path in dependencies(used, call.place)) if how.git.changed else ()
        changed = how.git.of_used(paths)
        Record(
            user=how.user,
            started=started,
            seconds=seconds,
            commit=how.git.commit,
            dirty=how.git.commit is None or bool(changed),
            step=call.name,
            workflow=call.workflow,
            key=call.key,
            config=dict(call.values),
            usage=read_usage(workspace),
            versions=records.versions(),
            function=call.code.function,
            declared=dict(call.code.versions),
            trace=used.as_dict(),
            changed=changed,
            patch=how.patch,
            host=how.host,
        ).write(work / "record.json")
        finished_work.note(call, work, returned)
    return returned


_Stamps = dict[str, tuple[int, int, int]]


def _inputs(call: StepCall) -> tuple[dict[str, Atom], dict[Path, _Stamps]]:
    """The input atoms by name, and how the files of each folder are as they were hashed."""
    atoms, stamps = {}, {}
    for name, atom_id in call.inputs.items():
        folder = call.folder / pipeline.atom_path(name)
        out, files, _ = hash_folder(folder, call.place.project.store.large)
        stamps[folder] = {os.path.join(folder, file): _stamp(each.stat) for file, each in files.items()}
        atom = atoms[name] = Atom.from_folder(folder, call.place.project, out.md5)
        if atom.id != atom_id:
            raise StepError(f"The input {name!r} changed while the run was going on. Run again.")
    return atoms, stamps


def _call(call: StepCall, step: Step, atoms: Mapping[str, Atom], workspace: Path) -> tuple[Any, dict[str, str | None]]:
    """What the function returned, and the inputs that it asked for by name."""
    in_one_order = json.loads(json.dumps(call.values, sort_keys=True))  # in whichever they are written, the key is one
    config = parse(step.config_class, in_one_order, call.name)
    inputs = Inputs(as_seen(atoms, call.gathers), call.roles)
    os.umask(mask := os.umask(0))
    try:
        returned = step.fn(config, inputs, workspace)
        if inspect.iscoroutine(returned):
            import asyncio

            returned = asyncio.run(returned)
    except MotoolsError:
        raise
    except _failures() as error:  # the user's function may raise anything
        traceback.print_exc()  # into the log
        raise StepError(f"The step {call.name!r} failed: {type(error).__name__}: {error}") from error
    finally:
        os.umask(mask)  # its result lies in the folder as if it was taken out of the cache
    for item in returned if isinstance(returned, (list, tuple)) else [returned]:
        if isinstance(item, AtomConstructor) and isinstance(item.path, (str, os.PathLike)):
            observer().alone(observer().returned, os.path.abspath(item.path))
    return returned, inputs.asked


def _refuse_changed(as_read: Mapping[Path, _Stamps]) -> None:
    """What a step was given must be as it was: nobody can tell which of two contents a function has read."""
    for folder, before in as_read.items():
        if _stamps(folder) != before:
            raise StepError(f"The input {folder.name!r} changed while the step was reading it.")


def _failures() -> tuple[type[BaseException], ...]:
    """What a function raises that has failed; asyncio's where somebody has loaded it."""
    cancelled = (sys.modules["asyncio"].CancelledError,) if "asyncio" in sys.modules else ()
    return (Exception, SystemExit, *cancelled)


def _stamps(folder: Path) -> _Stamps:
    """By what it shows that a file has been written or replaced."""
    return {path: _stamp(os.stat(path)) for path, _ in files_in(folder)}


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
