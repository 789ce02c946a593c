"""What a step function may ask about its own execution: its key, and a folder that outlives a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from motools.errors import StepError
from motools.observe import observer
from motools.repo.project import Project

__all__ = ["StepContext", "current_step", "working_folder", "working_in"]

_current: ContextVar[StepContext] = ContextVar("step")
_folder: ContextVar[Path] = ContextVar("folder")


def working_folder() -> Path:
    """The folder of the pipeline that is being checked, or whose step is executed; else the current one."""
    return _folder.get(None) or Path.cwd()


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """For what checks a pipeline's steps: as if it was done in the pipeline's folder, for this thread alone."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


@dataclass(frozen=True)
class StepContext:
    """One execution of a step.

    Attributes:
        key: the step's key: equal for equal work, in whatever folder, branch or clone.
        step: the step's name.
        folder: the pipeline's folder.
        project: the project around it.
        force: whether the work is to be done although it was done before.
        remote: whether the remote may be asked for what an execution would else pay for.
    """

    key: str
    step: str
    folder: Path
    project: Project
    force: bool = False
    remote: bool = False

    def kept(self) -> Path:
        """A folder for what the next execution of equal work should find if this one fails or is killed.

        It lies outside the outputs, which DVC deletes before a stage runs, and goes when the step has succeeded.
        """
        folder = kept_folder(self.project, self.key)
        folder.mkdir(parents=True, exist_ok=True)
        observer().keep()  # it may be taken up only if all that this execution has used is still so
        return folder

    @property
    def jobs(self) -> Path:
        """The folder of the project's job journal."""
        return self.project.private / "jobs"


def current_step() -> StepContext:
    """The execution that is going on; raises `StepError` outside one."""
    try:
        return _current.get()
    except LookupError:
        raise StepError("This can only be done while a step is executed.") from None


@contextmanager
def executing(context: StepContext) -> Iterator[None]:
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def kept_folder(project: Project, key: str) -> Path:
    return project.private / "kept" / key
