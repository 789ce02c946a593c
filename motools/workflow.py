"""What a workflow's author imports, and `run_workflow`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motools.base.configs import StepConfig, WorkflowConfig
from motools.code import loading
from motools.code.search_path import pipeline_folder
from motools.definition.config import Code, Name
from motools.definition.context import StepContext, current_step
from motools.definition.instances import axes_in
from motools.definition.step import AtomConstructor, Step
from motools.definition.workflow import Workflow
from motools.engine.state import StepState, WorkflowState

if TYPE_CHECKING:
    from motools.engine.new_project import make_project

__all__ = [
    "AtomConstructor",
    "Code",
    "Name",
    "Step",
    "StepConfig",
    "StepContext",
    "StepState",
    "Workflow",
    "WorkflowConfig",
    "WorkflowState",
    "axes_in",
    "current_step",
    "load_code",
    "make_project",
    "run_workflow",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "make_project":  # brings all of the engine, which a workflow's author does not wait for
            from motools.engine.new_project import make_project

            return make_project
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_code(text: str, folder: Path | str = ".") -> Any:
    """The object that `module:name` or `path/to/file.py:name` refers to, as a config of a folder's pipeline would.

    Raises:
        ConfigError: there is no such code, or it cannot be imported.
    """
    return loading.load(text, pipeline_folder(Path(folder)))


def run_workflow(
    *,
    workflow: Workflow,
    input_atoms: Mapping[str, str] | None = None,
    config: Any = None,
    user: str | None = None,
    stages: str | Sequence[str] | None = None,
    jobs: int | None = None,
    force: bool = False,
    folder: Path | str | None = None,
    executor: Executor | None = None,
    on: str | None = None,
    quiet: bool = False,
) -> WorkflowState:
    """Compile a workflow into the pipeline of a folder and run what has changed.

    Args:
        workflow: must be a name at the top level of a module or script, where its stages find it again.
        input_atoms: the workflow's inputs, name -> atom id; those given before need not be given again.
        config: a `WorkflowConfig` or a mapping of step name -> section.
        user: who is recorded as having made what is executed (default: git's user).
        stages: which steps to run, see `Workflow.select`.
        jobs: how many steps may run at once (default: at least eight; of those that say how many cores they keep busy,
            as many as this machine has room for).
        force: execute the selected steps even where their results are at hand.
        folder: the pipeline's folder (default: the current one).
        executor: where steps run, in processes that see the same files (default: warm workers of this machine).
        on: the executor of `motools.yaml` that all steps run on, `here` for none (default: where `motools.yaml` says).
        quiet: show nothing; else progress goes to standard error, as that of `motools run` does.

    Raises:
        UserError: the config, the workflow or the folder is not right; nothing has run.
        RunFailed: a step failed; those that do not depend on it have finished and are kept. `.state` tells.
    """
    if loading.is_loading():
        raise loading.StopLoading  # a stage is importing the script that defines its workflow
    from motools.engine.options import RunOptions
    from motools.engine.progress import progress
    from motools.engine.run import run_in_folder

    where = Path(folder) if folder is not None else Path.cwd()
    options = RunOptions(stages=stages, jobs=jobs, user=user, force=force, executor=executor, on=on)
    with contextlib.nullcontext() if quiet else progress() as reporter:
        return run_in_folder(workflow, where, config, input_atoms or {}, options, reporter)
