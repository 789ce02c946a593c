"""Steps of small projects, executed in forks of warm processes: observed, or without anybody looking.

As a script, it is such a process: a line of JSON asks for a step, a line of JSON answers.
"""

from __future__ import annotations

import asyncio  # noqa: F401  (so that no fork has to)
import gc
import io
import json
import os
import pkgutil  # noqa: F401
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.code import trace
from motools.code.search_path import PipelineFolder
from motools.code.trace import Trace
from motools.code.world import World
from motools.observe import observer
from motools.repo.project import Project


@dataclass(frozen=True)
class Seen:
    """What became of a step: `repr` of its result, or of what it raised; observed, its key and trace too."""

    result: str
    key: str = ""
    trace: Trace | None = None
    failed: str = ""


class Steps:
    """A warm process that executes `steps.py:step` of folders, each in a fork.

    Args:
        observed: whether the observer looks, as in a worker.
    """

    def __init__(self, observed: bool) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, "observed" if observed else "plain"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def run(self, folder: Path, env: dict[str, str] | None = None, values: dict[str, Any] | None = None) -> Seen:
        asked = {"folder": str(folder), "env": env or {}, "values": values or {}}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        return Seen(**{**said, "trace": trace.from_dict(said["trace"]) if "trace" in said else None})

    def close(self) -> None:
        self._process.communicate()


def pipeline_folder(folder: Path) -> PipelineFolder:
    return PipelineFolder(Project(folder), folder)


def changes(before: Seen, after: Seen, folder: Path, env: dict[str, str] | None = None) -> list[str]:
    """What the trace of one execution says is no longer so; whatever would be asked of it first included."""
    assert before.trace is not None, before.failed
    added = {name: value for name, value in (env or {}).items() if os.environ.get(name) != value}
    os.environ.update(added)
    try:
        found = World(pipeline_folder(folder)).changes(before.trace, {})
    finally:
        for name in added:
            del os.environ[name]
    return [*(["its key"] if before.key != after.key else []), *found]


# -- in the warm process -----------------------------------------------------------


def _outcome(call: Any) -> str:
    try:
        return repr(call())
    except Exception as error:
        return f"raised {error!r}"


def _plain(folder: Path) -> dict[str, Any]:
    """The truth: what a fresh interpreter would give."""
    sys.path.insert(0, str(folder))

    def call() -> Any:
        import steps  # type: ignore[import-not-found]

        return steps.step()

    return {"result": _outcome(call)}


def _observed(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import dataclass
    from functools import partial

    from motools.code import loading
    from motools.compiler.step_call import make_call
    from motools.compiler.step_code import of_step
    from motools.errors import StepError
    from motools.execution.observation import Observation
    from motools.workflow import Step, StepConfig, Workflow

    @dataclass
    class Config(StepConfig):
        pass

    place = pipeline_folder(folder)
    try:
        function = loading.load("steps.py:step", place)
    except Exception as error:
        return {"result": "", "failed": repr(error)}
    definition = Step("step", {}, {"out": "thing"}, Config, function if callable(function) else partial(print))
    call = make_call("steps.py:step", definition, values, of_step(definition, values, place), {}, place)
    private = folder / ".motools"
    seen = Observation(call, private / "work", private / "kept" / call.key, force=True)
    with place.importable(), seen:
        result = _outcome(function)
    try:
        used = seen.trace(definition, {}, lambda: Workflow("observed", [definition]))
        return {"result": result, "key": call.key, "trace": used.as_dict()}
    except StepError as error:
        return {"result": result, "key": call.key, "trace": {}, "failed": f"changed: {error}"}


def _serve(observed: bool) -> None:
    if observed:
        import motools.execution.run_step
        import motools.workflow  # noqa: F401
        from motools.code.loading import names_of_projects
        from motools.execution import observation

        observer()
        names_of_projects()  # each fork would look at all that is loaded
        observation._project_modules()
    gc.collect()
    gc.freeze()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            folder = Path(asked["folder"])
            os.environ.update(asked["env"])
            if observed:
                observer()._own.clear()  # the person has set these
            os.chdir(folder)
            try:
                with redirect_stdout(io.StringIO()):
                    answer = _observed(folder, asked["values"]) if observed else _plain(folder)
                with os.fdopen(writing, "wb") as pipe:
                    pipe.write(json.dumps(answer).encode())
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(pid, 0)
        sys.stdout.buffer.write((answer or b'{"result": "", "failed": "it died"}') + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    _serve(sys.argv[1] == "observed")
