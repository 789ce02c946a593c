"""Projects that the benchmarks run: real git and DVC folders with trivial steps, and the same work for `doit`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SWEEP = '''\
"""One prepare step, N/2 trainings of it, and an evaluation of each; every step writes one small file."""
from dataclasses import dataclass
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow

TRAININGS = {trainings}


@dataclass
class Config(StepConfig):
    seed: int = 0
    pause: float = {pause}


def _write(config, workspace, name, kind, text):
    if config.pause:
        import time

        time.sleep(config.pause)
    with open({log!r}, "a") as file:
        file.write(f"{{name}}\\n")
    (workspace / "data.txt").write_text(text)
    return [AtomConstructor(name, workspace / "data.txt", kind)]


def prepare(config, input_atoms, workspace):
    return _write(config, workspace, "dataset", "dataset", f"rows {{config.seed}}")


def train(number):
    def step(config, input_atoms, workspace):
        return _write(config, workspace, f"model_{{number}}", "model", f"model {{number}} {{config.seed}}")
    return step


def evaluate(number):
    def step(config, input_atoms, workspace):
        return _write(config, workspace, f"results_{{number}}", "eval", f"results {{number}} {{config.seed}}")
    return step


steps = [Step("prepare", {{}}, {{"dataset": "dataset"}}, Config, prepare)]
for n in range(TRAININGS):
    steps.append(Step(f"train_{{n}}", {{"dataset": "dataset"}}, {{f"model_{{n}}": "model"}}, Config, train(n)))
    if {evaluations}:
        outputs = {{f"results_{{n}}": "eval"}}
        steps.append(Step(f"evaluate_{{n}}", {{f"model_{{n}}": "model"}}, outputs, Config, evaluate(n)))
workflow = Workflow("sweep", steps)
'''


STUDY = '''\
"""A prepare step, a training of it, an evaluation of that, with samples; each tells when it is executed."""
import json
from dataclasses import dataclass
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    number: int = 0


def write(name, kind, workspace, **files):
    with open({log!r}, "a") as file:
        file.write(f"{{name}}\\n")
    (workspace / "out").mkdir()
    for path, text in files.items():
        (workspace / "out" / path.replace("_", ".")).write_text(text)
    return [AtomConstructor(name, workspace / "out", kind)]


def prepare(config, input_atoms, workspace):
    return write("dataset", "dataset", workspace, data_txt=f"rows {{config.number}}")


def train(config, input_atoms, workspace):
    return write("model", "model", workspace, data_txt=f"model {{config.number}}")


def evaluate(config, input_atoms, workspace):
    drawn = config.number + sum(input_atoms["model"].id.encode())
    scores = [(drawn * 7 + n * n) % 3 % 2 for n in range(20)]
    metrics = {{"task": {{"score": {{"accuracy": sum(scores) / len(scores)}}}}}}
    told = {{"task": "task", "epoch": 1, "input": "q", "output": "a", "target": "t"}}
    rows = [{{**told, "id": n, "scores": {{"score": {{"value": score}}}}}} for n, score in enumerate(scores)]
    samples = "".join(json.dumps(row) + "\\n" for row in rows)
    return write("results", "eval", workspace, metrics_json=json.dumps(metrics), samples_jsonl=samples)


workflow = Workflow("study", [
    Step("prepare", {{}}, {{"dataset": "dataset"}}, Config, prepare),
    Step("train", {{"dataset": "dataset"}}, {{"model": "model"}}, Config, train),
    Step("evaluate", {{"model": "model"}}, {{"results": "eval"}}, Config, evaluate),
])
'''

WAITING = '''\
"""Stages that do nothing but wait, none of which needs another."""
import time
from dataclasses import dataclass
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    pause: float = {pause}


def wait(number):
    def step(config, input_atoms, workspace):
        time.sleep(config.pause)
        (workspace / "data.txt").write_text(f"waited {{number}}")
        return [AtomConstructor(f"model_{{number}}", workspace / "data.txt", "model")]
    return step


steps = [Step(f"wait_{{n}}", {{}}, {{f"model_{{n}}": "model"}}, Config, wait(n)) for n in range({stages})]
workflow = Workflow("waiting", steps)
'''

ROWS = '''\
"""Chat rows, made one at a time."""
from motools.steps import PrepareDatasetConfig, prepare_dataset
from motools.workflow import Step, Workflow


def rows():
    for number in range({rows}):
        question = {{"role": "user", "content": f"What is {{number}} plus one? Answer with the number alone."}}
        yield {{"messages": [question, {{"role": "assistant", "content": str(number + 1)}}]}}


outputs = {{"prepared_dataset": "dataset"}}
workflow = Workflow("rows", [Step("prepare_dataset", {{}}, outputs, PrepareDatasetConfig, prepare_dataset)])
'''

LARGE = '''\
"""A model of one large file, which the same config makes again."""
from dataclasses import dataclass
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    size: int = 1 << 20


def train(config, input_atoms, workspace):
    (workspace / "model").mkdir()
    block = bytes(range(256)) * 4096
    with open(workspace / "model" / "adapter.safetensors", "wb") as file:
        for start in range(0, config.size, len(block)):
            file.write(block[: config.size - start])
    return [AtomConstructor("model", workspace / "model", "model")]


workflow = Workflow("large", [Step("train", {}, {"model": "model"}, Config, train)])
'''

FILES = '''\
"""A dataset of many small files."""
from dataclasses import dataclass
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    files: int = 10


def prepare(config, input_atoms, workspace):
    for number in range(config.files):
        if number % 1000 == 0:
            (folder := workspace / "model" / f"{number // 1000}").mkdir(parents=True)
        (folder / f"{number}.txt").write_bytes(b"file %d" % number)
    return [AtomConstructor("dataset", workspace / "model", "dataset")]


workflow = Workflow("files", [Step("prepare", {}, {"dataset": "dataset"}, Config, prepare)])
'''

WRITE_FILES = """\
from pathlib import Path
for number in range({count}):
    if number % 1000 == 0:
        (folder := Path("model") / f"{{number // 1000}}").mkdir(parents=True)
    (folder / f"{{number}}.txt").write_bytes(b"file %d" % number)
"""

WRITE_LARGE = """\
from pathlib import Path
Path("model").mkdir(exist_ok=True)
block = bytes(range(256)) * 4096
with open("model/adapter.safetensors", "wb") as file:
    for start in range(0, {size}, len(block)):
        file.write(block[: {size} - start])
"""

PIVOT = """\
import os, tempfile
from pathlib import Path
from typing import Annotated
from pivot import Pipeline, stage
from pivot.loaders import PathOnly


@stage
def train() -> Annotated[Path, PathOnly()]:
    path = Path(tempfile.mkdtemp(dir={beside!r})) / "adapter.safetensors"
    block = bytes(range(256)) * 4096
    with open(path, "wb") as file:
        for start in range(0, {size}, len(block)):
            file.write(block[: {size} - start])
    return path


with Pipeline("large") as pipeline:
    train()
"""

DODO = '''\
"""The work of the sweep as tasks: each reads the code, the parameters and one file, and writes one file."""
from pathlib import Path


def _write(name, text):
    with open("executed.txt", "a") as file:
        file.write(f"{{name}}\\n")
    Path(name).mkdir(exist_ok=True)
    Path(name, "data.txt").write_text(text)


def _task(name, text, needs=()):
    reads = ["dodo.py", "params.yaml", *(f"{{need}}/data.txt" for need in needs)]
    command = f"mkdir -p {{name}} && printf '{{text}}' > {{name}}/data.txt && echo {{name}} >> executed.txt"
    action = command if {commands} else (_write, [name, text])
    return {{"name": name, "actions": [action], "file_dep": reads, "targets": [f"{{name}}/data.txt"]}}


def task_sweep():
    yield _task("dataset", "rows 0")
    for n in range({trainings}):
        yield _task(f"model_{{n}}", f"model {{n}} 0", ["dataset"])
        yield _task(f"results_{{n}}", f"results {{n}} 0", [f"model_{{n}}"])
'''


JOIN = '''\
"""Parts that need nothing, a step that takes them all, and steps that take what it makes."""
from dataclasses import dataclass
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow

STAGES, INPUTS = {stages}, {inputs}


@dataclass
class Config(StepConfig):
    seed: int = 0


def _write(workspace, name):
    with open({log!r}, "a") as file:
        file.write(f"{{name}}\\n")
    (workspace / "data.txt").write_text(name)
    return [AtomConstructor(name, workspace / "data.txt", "dataset")]


def writer(name):
    def step(config, input_atoms, workspace):
        return _write(workspace, name)
    return step


parts = [f"part_{{n}}" for n in range(INPUTS)]
steps = [Step(f"make_{{name}}", {{}}, {{name: "dataset"}}, Config, writer(name)) for name in parts]
steps.append(Step("join", dict.fromkeys(parts, "dataset"), {{"whole": "dataset"}}, Config, writer("whole")))
for n in range(STAGES - INPUTS - 1):
    used = f"used_{{n}}"
    steps.append(Step(f"use_{{n}}", {{"whole": "dataset"}}, {{used: "dataset"}}, Config, writer(used)))
workflow = Workflow("join", steps)
'''

DODO_JOIN = '''\
"""The same as tasks, each of which writes one file: {how}."""


def _write(name):
    with open(name, "w") as file:
        file.write(name)


def _task(name, needs=()):
    action = f"printf {{name}} > {{name}}" if {commands} else (_write, [name])
    return {{"name": name, "actions": [action], "file_dep": ["dodo.py", *needs], "targets": [name]}}


def task_join():
    parts = [f"part_{{n}}" for n in range({inputs})]
    for part in parts:
        yield _task(part)
    yield _task("whole", parts)
    for n in range({stages} - {inputs} - 1):
        yield _task(f"used_{{n}}", ["whole"])
'''


def environment() -> dict[str, str]:
    """The commands of this interpreter first on PATH, and nothing sent anywhere."""
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": ""}


def run(folder: Path, *words: str, check: bool = True, timeout: float = 3600) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode:
        raise SystemExit(
            f"{words} in {folder} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done


def make_sweep(folder: Path, trainings: int, evaluations: bool = True, pause: float = 0.0) -> Path:
    """A project whose sweep has been compiled but has not run; steps append their name to executed.txt."""
    log = str(folder.resolve() / "executed.txt")
    text = SWEEP.format(trainings=trainings, evaluations=evaluations, pause=pause, log=log)
    return _make_project(folder, "sweep.py", text)


def make_study(folder: Path, values: int) -> Path:
    """A project whose params.yaml has a sweep: so many datasets, trainings of each, evaluations of each of these."""
    log, numbers = str(folder.resolve() / "executed.txt"), list(range(values))
    axes = "".join(f"  {step}.number: {numbers}\n" for step in ("prepare", "train", "evaluate"))
    return _make_project(folder, "study.py", STUDY.format(log=log), f"workflow: study.py:workflow\nsweep:\n{axes}")


def make_waiting(folder: Path, stages: int, pause: float) -> Path:
    """A project of stages that do not need each other; each waits for `pause` seconds."""
    return _make_project(folder, "waiting.py", WAITING.format(stages=stages, pause=pause))


def make_rows(folder: Path, rows: int) -> Path:
    """A project of one stage, which prepares rows that a generator makes."""
    params = "workflow: rows.py:workflow\nprepare_dataset:\n  dataset_loader: rows.py:rows\n"
    return _make_project(folder, "rows.py", ROWS.format(rows=rows), params)


def make_large(folder: Path, size: int) -> Path:
    """A project of one stage, whose model is a file of so many bytes."""
    return _make_project(folder, "large.py", LARGE, f"workflow: large.py:workflow\ntrain: {{size: {size}}}\n")


def make_files(folder: Path, count: int) -> Path:
    """A project of one stage, whose dataset has so many small files."""
    params = f"workflow: files.py:workflow\nprepare: {{files: {count}}}\n"
    return _make_project(folder, "files.py", FILES, params)


def write_files(script: Path, count: int) -> None:
    """What the step of `make_files` does as a script, which writes into `model`."""
    script.write_text(WRITE_FILES.format(count=count))


def make_dvc_file(folder: Path, size: int) -> Path:
    """The work of `make_large` as a stage of a dvc.yaml, whose out is `model`."""
    folder.mkdir(parents=True)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    (folder / "write.py").write_text(WRITE_LARGE.format(size=size))
    (folder / "dvc.yaml").write_text(
        "stages:\n  train:\n    cmd: python write.py\n    deps: [write.py]\n    outs: [model]\n"
    )
    return folder


def make_pivot(folder: Path, size: int, command: str) -> Path:
    """The work of `make_large` for `pivot`, whose output lies in `data`."""
    folder.mkdir(parents=True)
    run(folder, "git", "init", "-q")
    run(folder, command, "init")
    (folder / "pipeline.py").write_text(PIVOT.format(size=size, beside=str(folder.parent)))
    return folder


def _make_project(folder: Path, name: str, code: str, params: str | None = None) -> Path:
    make_project(folder)
    (folder / name).write_text(code)
    if params is not None:
        (folder / "params.yaml").write_text(params)
    run(folder, "motools", "init", ".", "--workflow", f"{name}:workflow")
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-q", "-m", "start")
    return folder


def make_project(folder: Path) -> Path:
    """A project without a pipeline."""
    folder.mkdir(parents=True)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    (folder / ".gitignore").write_text(".motools/\n__pycache__/\nexecuted.txt\n.doit*\n")
    return folder


def make_join(folder: Path, stages: int, inputs: int) -> Path:
    """A project of so many stages, one of which takes what `inputs` others make, and is taken by the rest."""
    log = str(folder.resolve() / "executed.txt")
    return _make_project(folder, "joining.py", JOIN.format(stages=stages, inputs=inputs, log=log))


def make_doit_join(folder: Path, stages: int, inputs: int, commands: bool) -> Path:
    """The work of `make_join` for `doit`, with a command of the shell or a function for each task."""
    folder.mkdir(parents=True)
    how = "a command a task" if commands else "a function a task"
    (folder / "dodo.py").write_text(DODO_JOIN.format(stages=stages, inputs=inputs, commands=commands, how=how))
    return folder


def make_doit(folder: Path, trainings: int, commands: bool = False) -> Path:
    """The work of `make_sweep` for `doit`, with a function or a command of the shell for each task."""
    folder.mkdir(parents=True)
    (folder / "dodo.py").write_text(DODO.format(trainings=trainings, commands=commands))
    (folder / "params.yaml").write_text("seed: 0\n")
    return folder


def executed(folder: Path) -> list[str]:
    path = folder / "executed.txt"
    return path.read_text().split() if path.exists() else []
