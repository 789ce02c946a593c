"""One step: look its result up under its key, or execute the function, and put atoms, record and logs in place."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
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

from motools import code, pipeline, records, secrets, stepcache, trace
from motools.atom import Atom, write_atom
from motools.call import StepCall, make_call
from motools.code import Place
from motools.config import parse, parser_of
from motools.context import StepContext, executing, held, kept_folder
from motools.errors import AtomError, MotoolsError, StepError, listed
from motools.key import named_by, of_step
from motools.leftovers import WORK, begin_work, drop_secrets, locks_of
from motools.observe import Events, Observer, is_project, listing, observer, read_log
from motools.records import Record
from motools.repo import GitState
from motools.reuse import Result, bring, write_metrics
from motools.stepcache import Entry, roles_of
from motools.store import hash_file, walk_files
from motools.trace import Trace, World, make_trace
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
    result: Result | None = None
    error: str | None = None


def run_step(call: StepCall, step: Step, how: Execution, locked: Mapping[str, Any]) -> Outcome:
    """Make the step's result stand in the pipeline's folder.

    Equal steps wait for each other, so that a result is never paid for twice.

    Raises:
        StepError: the function failed or gave what it does not declare; nothing is left in the folder.
    """
    if not how.force and (found := bring(call, locked, fetch=False)):  # needs no right to write to the cache
        return Outcome(False, found)
    with held(locks_of(call.place.project) / call.key):
        found = None if how.force else bring(call, locked)
        return Outcome(False, found) if found is not None else Outcome(True, _execute(call, step, how))


def perform(call: StepCall, how: Execution, locked: Mapping[str, Any]) -> Outcome:
    """`run_step` in a worker process: what it prints goes to its log, what goes wrong into the outcome."""
    with _output_to(how.log), call.place.importable():
        before = os.getcwd()
        os.chdir(call.folder)
        try:
            call = replace(call, place=warmed(call.place))
            step = loaded(call.workflow, call.place).step(call.name)
            for file, source in observer().sources.items():
                if os.path.isfile(file) and hash_file(Path(file)) != hashlib.md5(source.data).hexdigest():
                    raise StepError(f"{file} changed after it was imported. Run again.")
            if (
                make_call(
                    call.workflow, step, call.values, of_step(step, call.values, call.place), call.inputs, call.place
                ).key
                != call.key
            ):
                raise StepError(f"The workflow of {call.name} changed while the run was starting. Run again.")
            return run_step(call, step, how, locked)
        except MotoolsError as error:
            print(f"Error: {error}", file=sys.stderr)
            return Outcome(True, error=secrets.redact(str(error)))
        except OSError as error:
            traceback.print_exc()
            return Outcome(True, error=secrets.redact(f"{type(error).__name__}: {error}"))
        finally:
            os.chdir(before)


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


def _execute(call: StepCall, step: Step, how: Execution) -> Result:
    """Run the function in a work folder of its own; what it made goes into the cache, then into the folder."""
    work = call.place.project.private / "work" / call.key
    os.environ.update(begin_work(work))
    workspace = work / "workspace"
    workspace.mkdir()
    started, clock = records.now(), time.monotonic()
    kept = kept_folder(call.place.project, call.key)
    log = kept.with_name(f"{kept.name}.trace")
    if how.force or not _holds_still(call, kept, log):
        shutil.rmtree(kept, ignore_errors=True)
        log.unlink(missing_ok=True)
    seen = observer()
    seen.begin(call.place.project.root, log, _not_read(call, work, kept))
    try:
        try:
            with executing(StepContext(call.key, call.name, call.folder, call.place.project, how.force)):
                made, asked = _call(call, step, workspace)
        finally:
            events = seen.end(log)
        if events.changed:
            raise StepError(f"{listed(sorted(events.changed))} changed while the step was reading. Run again.")
        seconds = round(time.monotonic() - clock, 3)
        built = _build(call, made, work / "atoms")
        used = _trace_of(call, step, seen, events, asked)
        record = Record(
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
            function=call.code.function,
            declared=dict(call.code.versions),
            trace=used.as_dict(),
        )
        record.write(work / "record.json")
        if call.keeps_logs:
            built[pipeline.logs_path(call.name)] = workspace / "logs"
            (workspace / "logs").mkdir(exist_ok=True)
        built[pipeline.record_path(call.name)] = work / "record.json"
        _refuse_secrets(built)
        entry = _keep(call, built)
        shutil.rmtree(kept, ignore_errors=True)
        log.unlink(missing_ok=True)
        return Result(entry, record, used)
    finally:
        os.environ.pop(WORK, None)
        shutil.rmtree(work, ignore_errors=True)
        drop_secrets(kept)


def _not_read(call: StepCall, work: Path, kept: Path) -> tuple[str, ...]:
    """What lies where a step reads, and is none of its reading: its inputs are in its key, the rest it makes itself."""
    outs = [pipeline.atom_path(name) for name in [*call.inputs, *call.outputs]]
    outs += [pipeline.logs_path(call.name), pipeline.record_path(call.name), pipeline.metrics_path(call.name)]
    return (str(work), str(kept), *(str(call.folder / path) for path in outs))


def _trace_of(call: StepCall, step: Step, seen: Observer, events: Events, asked: Mapping[str, str | None]) -> Trace:
    named = named_by(call.values, call.place)
    for folder in named.folders:
        events.folders.setdefault(folder, listing(folder))
    modules = {
        os.path.abspath(file): module
        for module in list(sys.modules.values())
        if isinstance(file := getattr(module, "__file__", None), str) and is_project(file)
    }
    ran = {path for path, _, _ in events.ran}
    sources = {path: each for path, each in seen.sources.items() if path in modules or path in ran}
    for path, module in modules.items():  # imported before anybody looked, or no Python: it counts whole
        if path not in sources and module.__name__ != "__main__" and seen.counts(path) and os.path.isfile(path):
            events.files.setdefault(path, seen.digest(path))
    return make_trace(
        trace.Execution(
            sources=sources,
            loading=seen.loading,
            events=events,
            entry=_entry_of(call),
            configs=tuple(cls for cls in step.config_class.__mro__ if dataclasses.is_dataclass(cls)),
            named=named.digests(),
            inputs=asked,
            asked=frozenset(seen.imports),
        ),
        call.place,
    )


def _entry_of(call: StepCall) -> str:
    """The project's file that defines the workflow, "" where that is installed."""
    source = code.parse(call.workflow, call.place)
    return str(source.file) if source is not None and source.file is not None else ""


def _holds_still(call: StepCall, kept: Path, log: Path) -> bool:
    """Whether all that an attempt that failed or was killed had used is still as it was, so that what it kept may be
    taken up."""
    if not kept.is_dir():
        return False
    events = read_log(log)
    of = trace.Execution(events.sources, Events(ran=events.loaded), events, _entry_of(call))
    return bool(events.sources) and not World(call.place).changes(make_trace(of, call.place), call.roles)


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
        {role: outs[pipeline.atom_path(name)] for name, role in roles_of(call.outputs).items()},
        outs[pipeline.record_path(call.name)],
        outs.get(pipeline.logs_path(call.name)),
    )
    stepcache.store(store, stepcache.step_command(call.key), entry)
    for path, source in built.items():
        store.place(outs[path], source, call.folder / path)
    write_metrics(call)
    return entry


class _Inputs(dict[str, Atom]):
    """A step's input atoms; what it asks for by name is part of its trace, since names are in no key."""

    def __init__(self, atoms: Mapping[str, Atom], roles: Mapping[str, str]) -> None:
        super().__init__(atoms)
        self.roles = roles
        self.asked: dict[str, str | None] = {}

    def _ask(self, name: Any) -> None:
        self.asked[str(name)] = self.roles.get(name)

    def __getitem__(self, name: str) -> Atom:
        self._ask(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._ask(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self._ask(name)
        return super().__contains__(name)

    def pop(self, name: str, *default: Any) -> Any:
        self._ask(name)
        return super().pop(name, *default)

    def _ask_all(self) -> None:
        for name in self.roles:
            self._ask(name)

    def __iter__(self) -> Iterator[str]:
        self._ask_all()
        return super().__iter__()

    def keys(self) -> Any:
        self._ask_all()
        return super().keys()

    def items(self) -> Any:
        self._ask_all()
        return super().items()

    def copy(self) -> dict[str, Atom]:
        self._ask_all()
        return super().copy()

    def __repr__(self) -> str:
        self._ask_all()
        return super().__repr__()


def _call(call: StepCall, step: Step, workspace: Path) -> tuple[Any, dict[str, str | None]]:
    """What the function returned, and the inputs that it asked for by name."""
    config = parse(step.config_class, call.values, call.name)
    atoms, stamps = {}, {}
    for name, known in call.inputs.items():
        folder = call.folder / pipeline.atom_path(name)
        stamps[folder] = _stamps(folder)
        atoms[name] = Atom.from_folder(folder, call.place.project)
        if atoms[name].id != known:
            raise StepError(f"The input {name!r} changed while the run was going on. Run again.")
    inputs = _Inputs(atoms, call.roles)
    try:
        made = step.fn(config, inputs, workspace)
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
    return made, inputs.asked


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
