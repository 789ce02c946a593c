"""One step: what it refuses to take for what the run was planned with, and what follows a step that fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chain import Chain, forget_modules
from code_cases import write
from warm import COLD

from motools.code.search_path import pipeline_folder
from motools.compiler.step_call import StepCall, read_call
from motools.errors import StepError
from motools.execution import run_step
from motools.observe import observer
from motools.workflow import Workflow


@pytest.fixture(scope="session")
def ran_chain(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    chain = Chain.lay(Path(shutil.copytree(template, tmp_path_factory.mktemp("step") / "project", symlinks=True)))
    assert chain.run().statuses == ["finished"] * 3
    return chain.folder


@pytest.fixture
def chain(ran_chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    chain = Chain(Path(shutil.copytree(ran_chain, tmp_path / "project", symlinks=True)))
    monkeypatch.chdir(chain.folder)
    yield chain
    for path in [path for path in observer().sources if path.startswith(str(chain.folder))]:
        del observer().sources[path]


def called(chain: Chain, name: str) -> tuple[StepCall, Workflow]:
    forget_modules(chain.folder)
    place = pipeline_folder(chain.folder)
    with place.importable():
        workflow = run_step.loaded("chain.py:workflow", place)
        return read_call("chain.py:workflow", workflow, name, place), workflow


def test_code_that_changed_after_it_was_imported_is_refused(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "helper", raising=False)  # another test's
    call, workflow = called(chain, "train")
    observer().sources.clear()
    with call.place.importable():
        run_step._refuse_older(call, workflow.step("train"))
    call, workflow = called(chain, "train")
    chain.path("helper.py").write_text("N = 1\n")
    with call.place.importable():
        import helper  # type: ignore[import-not-found]
    assert helper.N == 1
    assert str(chain.path("helper.py")) in observer().sources
    run_step._refuse_older(call, workflow.step("train"))
    chain.path("helper.py").write_text("N = 2\n")
    with pytest.raises(StepError, match=r"helper\.py changed after it was imported\. Run again\."):
        run_step._refuse_older(call, workflow.step("train"))
    chain.path("helper.py").unlink()  # what is gone is the trace's to tell
    run_step._refuse_older(call, workflow.step("train"))


def test_a_definition_that_is_not_the_planned_one_is_refused(chain: Chain) -> None:
    call, workflow = called(chain, "train")
    with pytest.raises(StepError, match="The definition of 'train' changed while the run was starting"):
        run_step._refuse_older(replace(call, key="0" * 64), workflow.step("train"))


def test_an_input_that_is_not_the_planned_one_is_refused(chain: Chain) -> None:
    call, _ = called(chain, "train")
    chain.path("atoms/dataset/data/part.txt").write_text("edited")
    with pytest.raises(StepError, match="The input 'dataset' changed while the run was going on"):
        run_step._inputs(call)


def test_the_order_in_which_a_mapping_is_written_reaches_no_step(chain: Chain, tmp_path: Path) -> None:
    call, workflow = called(chain, "train")
    seen = []

    def work(config: Any, input_atoms: Any, workspace: Path) -> list[Any]:
        seen.append((list(config.more), list(config.more["b"][0])))
        return []

    step = replace(workflow.step("train"), fn=work)
    for more in ({"b": [{"d": 1, "c": 2}], "a": 3}, {"a": 3, "b": [{"c": 2, "d": 1}]}):
        run_step._call(replace(call, values={**call.values, "more": more}), step, {}, tmp_path)
    assert seen == [(["a", "b"], ["c", "d"])] * 2, "they have one key"


@pytest.mark.parametrize("how", ["written", "replaced", "added", "removed", None])
def test_an_input_that_has_changed_since_it_was_looked_at_is_told(chain: Chain, how: str | None) -> None:
    call, _ = called(chain, "train")
    atoms, as_read = run_step._inputs(call)
    path = atoms["dataset"].get_data_path() / "part.txt"
    before = path.stat()
    if how == "written":
        path.write_text("longer than it was before, by far")
    elif how == "replaced":
        shutil.copy2(path, path.with_name("new"))
        path.with_name("new").replace(path)
        assert path.stat().st_mtime_ns == before.st_mtime_ns
    elif how == "added":
        path.with_name("new").touch()
    elif how == "removed":
        path.unlink()
    if how is None:
        run_step._refuse_changed(as_read)
    else:
        with pytest.raises(StepError, match="The input 'dataset' changed while the step was reading it"):
            run_step._refuse_changed(as_read)


def test_what_follows_a_failed_step_however_far_is_skipped(chain: Chain) -> None:
    chain.edit("chain.py", '{"model": "model", "dataset": "dataset"}, {"results"', '{"model": "model"}, {"results"')
    chain.edit("chain.py", 'return make("dataset"', 'raise ValueError("no")\n    return make("dataset"')
    done = chain.run()
    assert done.code == 1
    assert done.statuses == ["failed", "skipped", "skipped"]
    assert [stage["error"] for stage in done.stages[1:]] == ["needs prepare", "needs train"]
    assert chain.executed() == ["dataset", "model", "results"], "of the run before"


SYNCING = '''\
"""A step that is quick, and costs money or not; what waits for the disk while it is kept is told."""
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow

LOG = Path(__file__).parents[1] / "synced.log"


def told(event, args):
    if event == "ctypes.dlsym" and args[1] == "syncfs":
        with open(LOG, "a") as log:
            log.write("synced\\n")


sys.addaudithook(told)


@dataclass
class Config(StepConfig):
    costs: bool = False


def ask(config, input_atoms, workspace):
    (workspace / "answer.txt").write_text(f"{config.costs}")
    return [AtomConstructor("answer", workspace / "answer.txt", "answer")]


paid = lambda config, atoms: config.costs
workflow = Workflow("asking", [Step("ask", {}, {"answer": "answer"}, Config, ask, paid=paid)])
'''


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the whole system is told to write")
def test_what_was_paid_for_is_on_the_disk_before_it_counts(project: Path) -> None:
    (project / "asking.py").write_text(SYNCING)
    for costs, times in (("false", 0), ("true", 2)):
        (project / "params.yaml").write_text(f"workflow: asking.py:workflow\nask: {{costs: {costs}}}\n")
        done = subprocess.run([COLD, "-m", "motools", "run"], cwd=project, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        log = project.parent / "synced.log"
        assert (log.read_text().split() if log.exists() else []) == ["synced"] * times


RETURNED = """
from dataclasses import dataclass
from pathlib import Path
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow

HERE = Path(__file__).parent


@dataclass
class Config(StepConfig):
    pass


def file(config, input_atoms, workspace):
    return [AtomConstructor("file", HERE / "rows.txt", "dataset")]


def folder(config, input_atoms, workspace):
    return AtomConstructor("folder", HERE / "rows", "dataset")


def own(config, input_atoms, workspace):
    (workspace / "own.txt").write_text("own")
    return [AtomConstructor("own", workspace, "dataset")]


steps = [Step(fn.__name__, {}, {fn.__name__: "dataset"}, Config, fn) for fn in (file, folder, own)]
workflow = Workflow("returned", steps)
"""


def test_what_a_step_returns_and_has_not_read_counts(project: Path) -> None:
    def run() -> set[str]:
        done = subprocess.run(
            [sys.executable, "-m", "motools", "run"], cwd=project, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return {line.split()[0] for line in done.stdout.splitlines() if line.split()[1:2] == ["finished"]}

    write(project, {"returned.py": RETURNED, "rows.txt": "1", "rows/a.txt": "1", "rows/b/c.txt": "1"})
    write(project, {"params.yaml": "workflow: returned.py:workflow\n"})
    assert run() == {"file", "folder", "own"}
    assert run() == set()
    write(project, {"rows.txt": "2", "rows/new.txt": "1"})
    assert run() == {"file", "folder"}
    assert (project / "atoms" / "folder" / "data" / "new.txt").read_text() == "1"
