"""Where a pipeline's code is looked for: its folder, the project's root, then what is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from motools.errors import ConfigError, ProjectError
from motools.observe import is_project
from motools.repo.pipelines import no_folder
from motools.repo.project import Project

__all__ = ["pipeline_folder"]


@dataclass(frozen=True)
class PipelineFolder:
    """Where a pipeline's code is looked for: its folder first, then the project's root, then what is installed."""

    project: Project
    folder: Path

    @property
    def name(self) -> str:
        """The folder as people call it: its path below the project's root."""
        return self.folder.relative_to(self.project.root).as_posix()

    @property
    def roots(self) -> list[Path]:
        return [self.folder, *([self.project.root] if self.project.root != self.folder else [])]

    @property
    def folders(self) -> list[Path]:
        """Where modules are looked for: the roots, then beside the files that were loaded for this folder."""
        return [*self.roots, *beside.get(self.folder, [])]

    def module_file(self, module: str) -> Path | None:
        """The project file that defines a module, or None when the module is not the project's."""
        parts = module.split(".")
        for root in [*self.folders, *(Path(entry) for entry in sys.path if entry)]:
            for path in (
                root.joinpath(*parts, "__init__.py"),  # where there are both, Python takes the package
                root.joinpath(*parts).with_suffix(".py"),
            ):
                if os.path.isfile(path):
                    return Path(os.path.abspath(path)) if is_project(str(path)) else None
        return None

    @contextmanager
    def importable(self) -> Iterator[None]:
        """The pipeline's folder and the project's root on `sys.path`, ahead of what is installed."""
        added = [str(folder) for folder in self.folders]
        sys.path[:0] = added
        try:
            yield
        finally:
            for folder in added:  # what the code itself put on the path stays there
                with suppress(ValueError):
                    sys.path.remove(folder)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """What `importable` puts on `sys.path` taken off it again, for what other pipelines share."""
        before, own = list(sys.path), {str(folder) for folder in self.folders}
        sys.path[:] = [entry for entry in sys.path if entry not in own]
        try:
            yield
        finally:
            sys.path[:] = before


beside: dict[Path, list[Path]] = {}  # by a pipeline's folder: what lies beside a script can be imported by it


def pipeline_folder(folder: Path, needs_project: bool = True) -> PipelineFolder:
    """Where the code of a folder's pipeline is looked for.

    Args:
        needs_project: False for what only reads: outside a project, the folder itself stands for it.
    """
    folder = folder.resolve()
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise ProjectError(f"{folder}: this path is not UTF-8, and DVC cannot work there. Rename the folder.") from None
    if not folder.is_dir():
        raise ConfigError(no_folder(folder))
    try:
        return PipelineFolder(Project.find(folder), folder)
    except ProjectError:
        if needs_project:
            raise
        return PipelineFolder(Project(folder), folder)
