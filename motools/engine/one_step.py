"""What a stage's command does: one step of a folder's pipeline, in this process."""

from __future__ import annotations

import sys
from pathlib import Path

from motools.base.foreign_text import visible
from motools.code.search_path import pipeline_folder
from motools.compiler import dvc_yaml
from motools.compiler.find_workflow import load_workflow
from motools.compiler.step_call import read_call
from motools.engine.plan import deps_of
from motools.execution.run_step import Execution, make_way, run_step
from motools.repo import pipeline
from motools.repo.lock_file import LockFile

__all__ = ["run_one_step"]


def run_one_step(reference: str, name: str, folder: Path) -> bool:
    """Have a step's result stand in the pipeline's folder.

    Returns:
        Whether it was executed; False where an equal result was at hand.

    Raises:
        UserError: params.yaml or an input is not right.
        StepError: the step failed.
    """
    place = pipeline_folder(folder)
    project = place.project
    with place.importable():
        workflow = load_workflow(reference, place)
        call = read_call(reference, workflow, name, place)
        files = [*call.code.files, place.folder / pipeline.PARAMS]
        git = project.git.state(files)
        locked = LockFile(place.folder).entry(name)
        for note in make_way(call):
            print(visible(note), file=sys.stderr)
        outcome = run_step(call, call.step_in(workflow), Execution(project.user, git, remote=True), locked)
    if outcome.result is not None:  # DVC has been told what the step was known to depend on before
        dvc_yaml.write_deps(place.folder, name, deps_of(outcome.result, call.inputs, place))
    return outcome.executed
