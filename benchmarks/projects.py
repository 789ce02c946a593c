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
        steps.append(Step(f"evaluate_{{n}}", {{f"model_{{n}}": "model"}}, {{f"results_{{n}}": "eval"}}, Config, evaluate(n)))
workflow = Workflow("sweep", steps)
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
    folder.mkdir(parents=True)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    (folder / ".gitignore").write_text(".motools/\n__pycache__/\nexecuted.txt\n.doit*\n")
    log = str(folder.resolve() / "executed.txt")
    text = SWEEP.format(trainings=trainings, evaluations=evaluations, pause=pause, log=log)
    (folder / "sweep.py").write_text(text)
    run(folder, "motools", "init", ".", "--workflow", "sweep.py:workflow")
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-q", "-m", "start")
    return folder


def executed(folder: Path) -> list[str]:
    path = folder / "executed.txt"
    return path.read_text().split() if path.exists() else []
