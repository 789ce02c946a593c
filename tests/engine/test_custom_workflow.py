"""Workflows of a user's own: scripts, modules, failures, inputs, what wakes a step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chain import WORKFLOW, Chain, eventually

from motools.atom import Atom, ModelAtom

SCRIPT = """\
from dataclasses import dataclass
from pathlib import Path
from motools.workflow import (
    Workflow, Step, AtomConstructor, StepConfig, WorkflowConfig, run_workflow
)
from motools.atom import Atom

@dataclass
class PrepareConfig(StepConfig):
    sample_size: int = 1000

@dataclass
class TrainConfig(StepConfig):
    model: str = "gpt-4o-mini-2024-07-18"
    n_epochs: int = 3

@dataclass
class MyWorkflowConfig(WorkflowConfig):
    prepare: PrepareConfig
    train: TrainConfig

def prepare_step(config: PrepareConfig, input_atoms: dict[str, Atom], workspace: Path):
    dataset_path = workspace / "dataset.jsonl"
    dataset_path.write_text("{}\\\\n" * config.sample_size)
    return [AtomConstructor("dataset", dataset_path, "dataset")]

def train_step(config: TrainConfig, input_atoms: dict[str, Atom], workspace: Path):
    dataset_atom = input_atoms["dataset"]
    model_path = workspace / "model.txt"
    model_path.write_text(f"model of {dataset_atom.id} {config.n_epochs}")
    return [AtomConstructor("model", model_path, "model")]

workflow = Workflow(
    name="my_workflow",
    steps=[
        Step("prepare", {}, {"dataset": "dataset"}, PrepareConfig, prepare_step),
        Step("train", {"dataset": "dataset"}, {"model": "model"}, TrainConfig, train_step)
    ]
)
config = MyWorkflowConfig(prepare=PrepareConfig(), train=TrainConfig())
state = run_workflow(workflow=workflow, input_atoms={}, config=config, user="me")
"""
TELL = "\nimport json\nprint(json.dumps([[s.status, *s.output_atoms.values()] for s in state.step_states]))\n"


def python(*words: str, ok: bool = True) -> Any:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=300)
    if not ok:
        return done
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def script(project: Path) -> Path:
    path = project / "my_workflow.py"
    path.write_text(SCRIPT + TELL)
    return path


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def statuses(told: Any) -> list[str]:
    return [line[0] for line in told]


def up_to_date() -> bool:
    done = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=True)
    return bool(json.loads(done.stdout) == {})


def test_a_script_is_cached_across_itself_and_its_import(script: Path) -> None:
    first = python(str(script))
    assert statuses(first) == ["finished", "finished"]
    assert up_to_date()
    imported = python("-c", "import my_workflow")
    assert statuses(imported) == ["current", "current"]
    assert [line[1] for line in imported] == [line[1] for line in first]


def test_only_what_an_edit_reaches_runs_again(script: Path) -> None:
    python(str(script))
    edit(script, "n_epochs: int = 3", "n_epochs: int = 5")
    assert statuses(python(str(script))) == ["restored", "finished"]
    edit(script, 'f"model of', 'f"the model of')
    assert statuses(python(str(script))) == ["restored", "finished"]
    edit(script, "    dataset_atom = input_atoms", '    """Train."""\n    # a comment\n    dataset_atom = input_atoms')
    assert statuses(python(str(script))) == ["restored", "restored"]
    assert up_to_date()


def test_a_config_value_given_in_the_script_runs_only_its_step(script: Path) -> None:
    python(str(script))
    edit(script, "train=TrainConfig()", "train=TrainConfig(n_epochs=7)")
    assert statuses(python(str(script))) == ["restored", "finished"]


def test_a_missing_output_is_named_after_one_execution(script: Path) -> None:
    edit(script, '    dataset_path.write_text("{}\\\\n" * config.sample_size)\n', "    print('executed once')\n")
    done = python(str(script), ok=False)
    assert done.returncode == 1
    assert "dataset.jsonl" in done.stderr.strip().splitlines()[-1]
    assert Path(".motools/logs/prepare.log").read_text().count("executed once") == 1
    assert not Path("atoms/dataset").exists()
    assert not Path("dvc.lock").exists()


THREE = """\
from dataclasses import dataclass
from pathlib import Path
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    seed: int = 0


def evaluate(number):
    def fn(config, input_atoms, workspace):
        with open("executed.txt", "a") as file:
            file.write(f"{number}\\n")
        if number == 2 and not Path("mended").exists():
            raise RuntimeError("the judge fell asleep")
        (workspace / "out").mkdir()
        (workspace / "out" / "metrics.json").write_text('{"t": {"s": {"m": %d}}}' % number)
        return [AtomConstructor(f"results_{number}", workspace / "out", "eval")]
    return fn


workflow = Workflow(
    "three",
    [Step(f"evaluate_{n}", {"model": "model"}, {f"results_{n}": "eval"}, Config, evaluate(n)) for n in (1, 2, 3)],
)
"""


def test_a_failure_keeps_the_others_and_the_next_run_executes_only_what_failed(project: Path) -> None:
    from motools.errors import RunFailed
    from motools.workflow import run_workflow

    Path("three.py").write_text(THREE)
    Path("model.txt").write_text("some-model\n")
    sys.path.insert(0, str(project))
    import three  # type: ignore[import-not-found]

    model = ModelAtom.create(user="me", artifact_path="model.txt")
    with pytest.raises(RunFailed, match=r"evaluate_2: .*the judge fell asleep") as failure:
        run_workflow(workflow=three.workflow, input_atoms={"model": model.id}, config={}, user="me")
    states = failure.value.state.step_states
    assert [s.status for s in states] == ["finished", "failed", "finished"]
    assert states[1].log.read_text().count("RuntimeError")
    assert not Path("atoms/results_2").exists()
    Path("mended").touch()
    state = run_workflow(workflow=three.workflow, input_atoms={}, config={}, user="me")
    assert [s.status for s in state.step_states] == ["current", "finished", "current"]
    assert sorted(Path("executed.txt").read_text().split()) == ["1", "2", "2", "3"]
    assert Atom.load(state.step("evaluate_2").output_atoms["results_2"]).made_from == {"model": model.id}
    assert json.loads(Path("metrics/evaluate_2.json").read_text()) == {"t": {"s": {"m": 2}}}
    assert up_to_date()


def test_an_input_atom_is_put_beside_a_dvc_file_that_git_keeps(project: Path) -> None:
    from motools.workflow import run_workflow

    Path("three.py").write_text(THREE)
    Path("mended").touch()
    sys.path.insert(0, str(project))
    import three

    first = ModelAtom.create(user="me", metadata={"model_id": "a"})
    second = ModelAtom.create(user="me", metadata={"model_id": "b"})
    one = run_workflow(workflow=three.workflow, input_atoms={"model": first.id}, config={}, user="me")
    other = run_workflow(workflow=three.workflow, input_atoms={"model": second.id}, config={}, user="me")
    back = run_workflow(workflow=three.workflow, input_atoms={"model": first.id}, config={}, user="me")
    assert [s.status for s in other.step_states] == ["finished"] * 3
    assert [s.status for s in back.step_states] == ["restored"] * 3
    assert [s.output_atoms for s in back.step_states] == [s.output_atoms for s in one.step_states]
    untracked = subprocess.run(["git", "status", "--short", "-uall"], capture_output=True, text=True).stdout
    assert "atoms/model.dvc" in untracked
    assert "atoms/model/" not in untracked
    assert up_to_date()


def test_wrong_inputs_are_refused_before_anything_runs(project: Path) -> None:
    from motools.errors import UserError
    from motools.workflow import run_workflow

    Path("three.py").write_text(THREE)
    sys.path.insert(0, str(project))
    import three

    dataset = Atom.create(user="me", kind="dataset")
    for inputs, said in [
        ({}, "needs an input atom 'model'"),
        ({"model": dataset.id}, "must be a model"),
        ({"modle": "x"}, "Did you mean 'model'"),
    ]:
        with pytest.raises(UserError, match=said):
            run_workflow(workflow=three.workflow, input_atoms=inputs, config={}, user="me")
    assert not Path("executed.txt").exists()
    assert not Path("dvc.yaml").exists()


def test_equal_steps_that_run_at_the_same_time_are_executed_once(project: Path) -> None:
    Path("twins.py").write_text(
        "import time\nfrom dataclasses import dataclass\n"
        "from motools.workflow import AtomConstructor, Step, StepConfig, Workflow, run_workflow\n\n"
        "@dataclass\nclass Config(StepConfig):\n    pause: float = 0.5\n\n"
        "def work(config, input_atoms, workspace):\n"
        "    with open('/'.join([config_root(), 'executed.txt']), 'a') as file:\n        file.write('x')\n"
        "    time.sleep(config.pause)\n    (workspace / 'a.txt').write_text('a')\n"
        "    return [AtomConstructor('a', workspace / 'a.txt', 'thing')]\n\n"
        "def config_root():\n    import subprocess\n"
        "    return subprocess.check_output(['git', 'rev-parse', '--show-toplevel'], text=True).strip()\n\n"
        "workflow = Workflow('twins', [Step('work', {}, {'a': 'thing'}, Config, work)])\n"
    )
    started = []
    for name in ("one", "two"):
        Path(name).mkdir()
        words = ["motools", "workflow", "run", "twins.py:workflow", "--dir", name, "--json"]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    outs = [process.communicate(timeout=300) for process in started]
    assert [p.returncode for p in started] == [0, 0], outs
    told = [json.loads(out)[0] for out, _ in outs]
    assert sorted(stage["status"] for stage in told) == ["finished", "restored"]
    assert Path("executed.txt").read_text() == "x"


def test_a_coroutine_is_a_step_and_undeclared_or_mistyped_outputs_are_refused(project: Path) -> None:
    head = (
        "from dataclasses import dataclass\nfrom motools.workflow import *\n\n"
        "@dataclass\nclass Config(StepConfig):\n    pass\n\n"
        "async def work(config, input_atoms, workspace):\n    (workspace / 'a').write_text('a')\n"
    )
    tail = "\nworkflow = Workflow('w', [Step('work', {}, {'a': 'thing'}, Config, work)])\n"
    cases = {
        "[AtomConstructor('a', workspace / 'a', 'thing')]": None,
        "[AtomConstructor('b', workspace / 'a', 'thing')]": "returned the outputs b, but declares a",
        "[AtomConstructor('a', workspace / 'a', 'other')]": "returned 'a' as a other, but declares it as a thing",
        "[]": "returned the outputs none",
        "None": "returned None",
    }
    for returned, said in cases.items():
        Path("w.py").write_text(f"{head}    return {returned}\n{tail}")
        done = subprocess.run(["motools", "workflow", "run", "w.py:workflow"], capture_output=True, text=True)
        assert done.returncode == (1 if said else 0), done.stderr
        if said:
            assert said in " ".join(done.stderr.split())
            assert not Path("atoms/a").exists()


def test_a_stage_of_a_persons_own_in_dvc_yaml_runs_with_the_rest(project: Path) -> None:
    Path("three.py").write_text(THREE)
    Path("mended").touch()
    model = ModelAtom.create(user="me", metadata={"model_id": "a"})
    words = ["motools", "workflow", "run", "three.py:workflow", "--input", f"model={model.id}"]
    subprocess.run(words, check=True, capture_output=True)
    Path("dvc.yaml").write_text(
        Path("dvc.yaml").read_text() + "  mine:\n    cmd: cat metrics/evaluate_1.json > mine.txt\n"
        "    deps: [metrics/evaluate_1.json]\n    outs: [mine.txt]\n"
    )
    done = subprocess.run(["motools", "run", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path("mine.txt").exists()
    assert up_to_date()
    assert "mine" in Path("dvc.yaml").read_text()


def test_interrupting_stops_politely_keeps_what_finished_and_goes_on_next_time(project: Path) -> None:
    import signal

    Path("slow.py").write_text(
        THREE.replace('open("executed.txt", "a")', 'open("executed.txt", "a", buffering=1)').replace(
            "        if number == 2",
            "        if number == 2 and not Path('mended').exists():\n"
            "            import time\n            time.sleep(900)\n        if number == 2",
        )
    )
    model = ModelAtom.create(user="me", metadata={"model_id": "a"})
    words = ["motools", "workflow", "run", "slow.py:workflow", "--input", f"model={model.id}"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    lock, executed = Path("dvc.lock"), Path("executed.txt")
    eventually(lambda: executed.exists() and lock.exists() and lock.read_text().count("cmd:") == 2)
    os.kill(process.pid, signal.SIGINT)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 130, said
    assert "Kept: evaluate_1, evaluate_3" in said
    Path("mended").touch()
    done = subprocess.run([*words, "--json"], capture_output=True, text=True)
    assert [s["status"] for s in json.loads(done.stdout)] == ["current", "finished", "current"]
    assert up_to_date()


WAITING = """\
import time
from dataclasses import dataclass
from pathlib import Path
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    cores: float = 0.25
    at_once: int = 1


def wait(number):
    def fn(config, input_atoms, workspace):
        began = time.time()
        with Path(__file__).with_name("begun.txt").open("a") as file:
            file.write("x")
        for _ in range(3000):
            time.sleep(0.1)
            if Path(__file__).with_name("begun.txt").stat().st_size >= config.at_once:
                break
        (workspace / "times.txt").write_text(f"{began} {time.time()}")
        return [AtomConstructor(f"times_{number}", workspace / "times.txt", "times")]
    return fn


workflow = Workflow(
    "waiting",
    [Step(f"wait_{n}", {}, {f"times_{n}": "times"}, Config, wait(n), cores=lambda c: c.cores) for n in range(4)],
)
"""


@pytest.mark.parametrize(("cores", "at_once"), [(0.25, 4), (1.0, 1)])
def test_steps_that_wait_on_a_network_run_beside_each_other_on_one_core(
    project: Path, cores: float, at_once: int
) -> None:
    from motools.workflow import run_workflow

    Path("waiting.py").write_text(WAITING)
    sys.path.insert(0, str(project))
    import waiting  # type: ignore[import-not-found]

    config = {f"wait_{n}": {"cores": cores, "at_once": at_once} for n in range(4)}
    state = run_workflow(workflow=waiting.workflow, config=config, user="me", jobs=1)
    assert [s.status for s in state.step_states] == ["finished"] * 4
    spans = [[float(t) for t in Path(f"atoms/times_{n}/data/times.txt").read_text().split()] for n in range(4)]
    assert max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans) == at_once


def test_steps_run_in_the_executor_that_is_given(project: Path) -> None:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from motools.errors import RunFailed
    from motools.workflow import run_workflow

    Path("three.py").write_text(THREE)
    sys.path.insert(0, str(project))
    import three

    model = ModelAtom.create(user="me", metadata={"model_id": "a"})
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    with pool, pytest.raises(RunFailed, match="asleep") as failure:
        run_workflow(workflow=three.workflow, input_atoms={"model": model.id}, user="me", executor=pool)
    assert [s.status for s in failure.value.state.step_states] == ["finished", "failed", "finished"]
    assert up_to_date() is False
    Path("mended").touch()
    assert [s.status for s in run_workflow(workflow=three.workflow, user="me").step_states] == [
        "current",
        "finished",
        "current",
    ]
    assert up_to_date()


def test_a_fresh_clone_runs(script: Path, tmp_path: Path) -> None:
    for words in (["add", "-A"], ["commit", "-q", "-m", "x"], ["clone", "-q", ".", str(tmp_path / "clone")]):
        subprocess.run(["git", *words], check=True)
    told = subprocess.run(
        [sys.executable, "my_workflow.py"], cwd=tmp_path / "clone", capture_output=True, text=True, check=True
    )
    assert statuses(json.loads(told.stdout)) == ["finished", "finished"]


MODULE = """\
from dataclasses import dataclass
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow
import helper


@dataclass
class Config(StepConfig):
    seed: int = 0


def work(config, input_atoms, workspace):
    (workspace / "a").write_text(helper.TEXT)
    return [AtomConstructor("a", workspace / "a", "thing")]


workflow = Workflow("w", [Step("work", {}, {"a": "thing"}, Config, work)])
"""


@pytest.mark.parametrize("how", ["script", "standard input"])
def test_a_workflow_is_referred_to_where_it_is_made_not_where_it_is_imported(project: Path, how: str) -> None:
    Path("sub").mkdir()
    Path("sub/made.py").write_text(MODULE)
    Path("sub/helper.py").write_text("TEXT = 'one'\n")
    Path("pipe").mkdir()
    text = (
        "import sys; sys.path.insert(0, 'sub')\n"
        "from made import workflow\nfrom motools.workflow import run_workflow\n"
        "open('once.txt', 'x').close()\n"
        "print(run_workflow(workflow=workflow, folder='pipe', user='me').step_states[0].status)"
    )
    Path("go.py").write_text(text)
    words, given = ([sys.executable, "go.py"], None) if how == "script" else ([sys.executable, "-"], text)
    done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "finished", done.stderr
    assert "../sub/made.py:workflow work" in Path("pipe/dvc.yaml").read_text()
    Path("sub/helper.py").write_text("TEXT = 'two'\n")  # beside the workflow, neither in the folder nor at the root
    again = subprocess.run(["motools", "run", "pipe", "--json"], capture_output=True, text=True, timeout=300)
    assert json.loads(again.stdout)[0]["status"] == "finished", again.stderr
    assert Path("pipe/atoms/a/data/a").read_text() == "two"
    assert up_to_date()


def test_run_workflow_shows_its_progress_unless_it_is_to_be_quiet(project: Path) -> None:
    Chain.lay(project)
    code = "from chain import workflow\nfrom motools.workflow import run_workflow\nrun_workflow(workflow=workflow{})\n"
    for options, said in ((", quiet=True", ""), ("", "prepare: current\ntrain: current\nevaluate: current\n")):
        words = [sys.executable, "-c", code.format(options)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", said)


def test_a_workflow_of_a_notebook_or_prompt_is_refused_with_a_hint(project: Path) -> None:
    source = (project / "chain.py").read_text() if (project / "chain.py").exists() else WORKFLOW
    source = source.replace("Path(__file__)", "Path('x')")
    code = f"{source}\nfrom motools.workflow import run_workflow\nrun_workflow(workflow=workflow)\n"
    done = subprocess.run([sys.executable, "-"], input=code, capture_output=True, text=True, timeout=300)
    assert "begin the cell with %%writefile my_workflow.py" in done.stderr
