"""motools init: turn a folder into a project; what is there already is kept."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from motools.base import yaml12
from motools.code.search_path import PipelineFolder, pipeline_folder
from motools.compiler.find_workflow import load_workflow
from motools.engine.prepared import install, prepare
from motools.errors import ProjectError
from motools.repo import pipeline
from motools.repo.dvc_config import quiet_dvc
from motools.repo.git import NO_GIT
from motools.repo.project import Project

_IGNORED = (".motools/", "__pycache__/", ".env", "dvc_plots/")


def make_project(folder: Path, workflow: str) -> list[str]:
    """Set up git, DVC, ignore files and a commented params.yaml; safe to repeat.

    A folder inside a project becomes a pipeline of that project. A folder of a git repository without one becomes a
    project of its own: nothing outside of it is touched. Stages and params that are there stay.

    Returns:
        What was done, and what to type next, a line each.

    Raises:
        UserError: the folder cannot be made, or there is no such workflow; nothing was written then.
    """
    if shutil.which("git") is None:
        raise ProjectError(NO_GIT)
    given = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProjectError(f"{folder} cannot be made a folder: {error.strerror}.") from None
    folder = folder.resolve()
    load_workflow(workflow, pipeline_folder(folder, needs_project=False))
    done = [*_set_up_git(folder), *_set_up_dvc(folder), *_ignore(Project.find(folder).root)]
    place = PipelineFolder(Project.find(folder), folder)
    if pipeline.read_params(folder) is None:
        wanted, before = load_workflow(workflow, place), yaml12.load(folder / pipeline.PARAMS)
        if before and not (isinstance(before, dict) and set(before) <= {step.name for step in wanted.steps}):
            done.append(f"{folder / pipeline.PARAMS} has no section of a workflow's, and stays as it is")
            return [*done, f"Next: give the pipeline a folder of its own, such as: motools init {given / 'first'}"]
        own = bool(pipeline.read_stages(folder))
        install(prepare(wanted, workflow, place, before))
        kept = "; your own stages in it are kept" if own else ""
        done.append(f"wrote {pipeline.PARAMS} and {pipeline.STAGES} for the workflow {workflow}{kept}")
    there = "" if folder == Path.cwd() else f"cd {shlex.quote(str(given))} && "
    done = done or [f"{folder} is a project already; nothing was changed"]
    return [*done, f"Next: edit {pipeline.PARAMS}, then type: {there}motools run"]


def _set_up_git(folder: Path) -> list[str]:
    import git

    try:
        git.Repo(folder, search_parent_directories=True, expand_vars=False)
    except git.InvalidGitRepositoryError:
        git.Git(folder).init()  # `Repo.init` takes a folder called $HOME for another
        return [f"made a git repository in {folder}"]
    return []


def _set_up_dvc(folder: Path) -> list[str]:
    import git

    try:
        Project.find(folder)
    except ProjectError:
        root = Path(str(git.Repo(folder, search_parent_directories=True, expand_vars=False).working_tree_dir))
        os.environ.setdefault("DVC_NO_ANALYTICS", "1")
        from dvc.repo import Repo

        with quiet_dvc():
            Repo.init(str(folder), subdir=folder != root.resolve()).close()
        if folder == root.resolve():
            return [f"set up DVC in {folder}"]
        return [f"set up DVC in {folder}, a part of the git repository {root}, which is left as it is"]
    return []


def _ignore(root: Path) -> list[str]:
    path = root / ".gitignore"
    text = path.read_bytes() if path.exists() else b""  # names in it need not be UTF-8
    missing = [line for line in _IGNORED if line.encode() not in text.splitlines()]
    if not missing:
        return []
    path.write_bytes(text + (b"\n" if text and not text.endswith(b"\n") else b"") + "\n".join([*missing, ""]).encode())
    return [f"ignored in git: {', '.join(missing)}"]
