"""What a task asks, as texts: for whoever wants to know whether a dataset has it, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from motools.code.search_path import PipelineFolder
from motools.errors import BackendError
from motools.evals.options import check_tasks

if TYPE_CHECKING:
    from inspect_ai.dataset import Sample

__all__ = ["prompts_of"]


def prompts_of(tasks: Sequence[str], place: PipelineFolder) -> dict[str, list[str]]:
    """Task -> what the user says in each of its samples; the tasks are made, their code imported, their data fetched.

    Raises:
        UserError: a task cannot be made.
    """
    from motools.evals.inspect.models import stand_in
    from motools.evals.inspect.tasks import rehearsed_tasks
    from motools.evals.private import PrerequisiteError

    check_tasks(tasks)
    try:
        with place.importable(), stand_in():
            made = rehearsed_tasks(tasks, {}, place)
    except PrerequisiteError as error:
        raise BackendError(f"Inspect cannot make {', '.join(tasks)}: {error.message}") from error
    return {text: [_asked(sample) for sample in task.dataset] for text, task in zip(tasks, made, strict=True)}


def _asked(sample: Sample) -> str:
    if isinstance(sample.input, str):
        return sample.input
    said = [message.text for message in sample.input if message.role == "user"]
    return said[-1] if said else ""
