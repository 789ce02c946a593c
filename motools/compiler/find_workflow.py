"""Workflows found by name; and the name by which a stage finds a workflow again."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

from motools import zoo
from motools.code import loading, references
from motools.code.search_path import PipelineFolder
from motools.compiler import notebook
from motools.definition.workflow import Workflow
from motools.errors import WorkflowError, did_you_mean, listed
from motools.observe import is_project

__all__ = ["load_workflow", "placed", "reference_to"]


def load_workflow(reference: str, place: PipelineFolder) -> Workflow:
    """The workflow of a published name, `module:name` or `path/to/file.py:name`; raises `UserError`."""
    if references.parse(reference, place) is None:
        points = zoo.published("workflow")
        if reference not in points:
            raise WorkflowError(
                f"There is no workflow {reference!r}.{did_you_mean(reference, points)} Known: {listed(points)}; "
                "or write path/to/file.py:name."
            )
        workflow = points[reference].load()
    else:
        workflow = loading.load(reference, place)
    if not isinstance(workflow, Workflow):
        raise WorkflowError(f"{reference!r} is a {type(workflow).__name__}, not a Workflow.")
    return workflow


def placed(workflow: Workflow, place: PipelineFolder) -> tuple[Workflow, str]:
    """A workflow and how a stage's command finds it again; one that cells of a notebook define as a file has it that is
    written for it.

    Raises:
        WorkflowError: it has no name at the top level of a file or of a notebook.
    """
    reference = _reference(workflow, place)
    if reference is None and (cells := notebook.cells()) is not None:
        return notebook.write(workflow, cells, place)
    return workflow, reference or reference_to(workflow, place)


def reference_to(workflow: Workflow, place: PipelineFolder) -> str:
    """How a stage's command finds a workflow again: its published name, or the file and name that hold it.

    Raises:
        WorkflowError: it has no name at the top level of a file.
    """
    if (reference := _reference(workflow, place)) is not None:
        return reference
    if not Path(getattr(sys.modules["__main__"], "__file__", None) or "").is_file():
        raise WorkflowError(
            f"The stages could not find the workflow {workflow.name!r} again: they run in other processes, which know "
            "nothing of a notebook or a prompt. Write it to a file (in a notebook, begin the cell with "
            "%%writefile my_workflow.py), and type: from my_workflow import workflow"
        )
    raise WorkflowError(
        f"The stages could not find the workflow {workflow.name!r} again: give it a name at the top level "
        f"of a file inside {place.project.root}."
    )


def _reference(workflow: Workflow, place: PipelineFolder) -> str | None:
    """Its published name, or the file and name that hold it; None where there is neither."""
    for name, point in zoo.published("workflow").items():
        if point.module in sys.modules and point.load() is workflow:
            return name
    candidates = []
    for module in list(sys.modules.values()):
        file = Path(getattr(module, "__file__", None) or "")
        if not is_project(str(file)) or not file.is_file():
            continue
        for name, value in list(vars(module).items()):
            if value is workflow and not name.startswith("__"):
                # rather where it is made than where it is imported, rather a module than the script that runs
                imported = all(
                    isinstance(n, (ast.Import, ast.ImportFrom)) for n in references.bound_in(file).get(name, [])
                )
                candidates.append((imported, module.__name__ == "__main__", Path(os.path.abspath(file)), name))
    for _, _, file, name in sorted(candidates):
        return f"{Path(os.path.relpath(file, place.folder)).as_posix()}:{name}"
    return None
