"""The practice of the warm workers' server leaves nothing behind, and changes nothing of what is seen of steps."""

from __future__ import annotations

import copy
import os
import sys
from pathlib import Path
from typing import Any

from chain import Chain

from motools.atom import records
from motools.base import yaml12
from motools.code.search_path import PipelineFolder
from motools.engine.stages import _MANY
from motools.execution.practice import practise
from motools.observe import observer
from motools.repo.project import Project

WORKFLOW = '''\
"""Steps that are all alike."""
from dataclasses import dataclass
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    seed: int = 0


def made_by(number):
    def step(config, input_atoms, workspace):
        (workspace / "data.txt").write_text(open("rows.txt").read() + str(number))
        return [AtomConstructor(f"model_{number}", workspace / "data.txt", "model")]
    return step


steps = [Step(f"train_{n}", {}, {f"model_{n}": "model"}, Config, made_by(n)) for n in range(COUNT)]
workflow = Workflow("alike", steps)
'''


def test_it_leaves_nothing(project: Path) -> None:
    seen = observer()
    place = PipelineFolder(Project(project), project)
    place.project.private.mkdir(exist_ok=True)
    before = dict(os.environ), os.getcwd(), list(sys.path), dict(seen.sources), copy.deepcopy(seen.loading)
    files = sorted(project.rglob("*"))
    practise(place)
    assert (dict(os.environ), os.getcwd(), list(sys.path), seen.sources, seen.loading) == before
    assert sorted(project.rglob("*")) == files


def test_what_is_seen_of_a_step_is_the_same_with_and_without_it(project: Path) -> None:
    chain = Chain(project)
    (project / "alike.py").write_text(WORKFLOW.replace("COUNT", str(_MANY)))
    (project / "rows.txt").write_text("rows")
    (project / "params.yaml").write_text("workflow: alike.py:workflow\n")

    def record_after(*options: str) -> Any:
        done = chain.run(*options)
        assert done.code == 0, done.err
        md5 = yaml12.load(project / "dvc.lock")["stages"]["train_0"]["outs"][1]["md5"]
        record = records.read(Project(project), md5)
        assert record is not None
        return record

    alone = record_after("--stages", "train_0")
    assert "rows.txt" in alone.trace["files"]
    with_others = record_after("--force")
    assert with_others.started > alone.started
    assert (with_others.trace, with_others.versions, with_others.key) == (alone.trace, alone.versions, alone.key)
    assert chain.run().statuses == ["current"] * _MANY
