"""Practice: the server of the warm workers goes the whole way of a step a few times before it forks.

The interpreter adapts code to what it meets when it is executed a few times, and what is made once is made then. A fork
of a process that has never executed a step does all of that itself, and writes to ten megabytes that it shared: that
takes three times as long as a small step.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools import zoo
from motools.atom.folder import write_atom
from motools.base.configs import StepConfig
from motools.base.files import scratch
from motools.code.search_path import PipelineFolder
from motools.compiler.step_call import make_call
from motools.compiler.step_code import of_step
from motools.definition.step import AtomConstructor, Step
from motools.execution.run_step import Execution, perform_step
from motools.repo.git import GitState
from motools.repo.hashing import hash_folder
from motools.repo.project import Project

__all__ = ["practise"]

_TIMES = 12
"""After eight executions a function is adapted."""


@dataclass
class _Config(StepConfig):
    seed: int = 0
    share: float = 0.5
    text: str = "a text"


@zoo.versioned(1)
def _step(config: Any, input_atoms: Any, workspace: Path) -> list[AtomConstructor]:
    (workspace / "data.txt").write_text(f"{config.seed} {[*input_atoms]}")
    return [AtomConstructor("made", workspace / "data.txt", "eval")]


def practise(place: PipelineFolder) -> None:
    """Execute a step of nobody's, in a project that is made for it within this one's private folder and removed."""
    step = Step("practise", {"given": "dataset"}, {"made": "eval"}, _Config, _step)
    with scratch(place.project.private) as folder:
        (folder / ".dvc").mkdir()
        there = PipelineFolder(Project(folder), folder)
        write_atom(folder / "atoms" / "given", "dataset", {}, {}, None)
        given = f"dataset-{hash_folder(folder / 'atoms' / 'given')[0].md5.removesuffix('.dir')}"
        how = Execution("nobody", GitState(None), log=folder / "log")
        for seed in range(_TIMES):
            values = {"seed": seed, "share": 0.5, "text": f"{seed}.txt"}
            what = of_step(step, values, there)
            perform_step(make_call("", step, values, what, {"given": given}, there), lambda _: step, how, {})
