"""Where the weights of a model of ours lie, given the name that its atom has."""

from __future__ import annotations

import re

from motools.errors import BackendError, ProjectError
from motools.repo.project import Project
from motools.repo.settings import TinkerSettings, read_settings
from motools.training.journal import Journal
from motools.training.tinker.saved import Kept, Save
from motools.training.tinker.session import Server, address
from motools.training.tinker.trainer import PROVIDER, page_of
from motools.training.tries import Busy, Doubtful, Tries

__all__ = ["endpoint", "path_of"]

_OURS = re.compile(r"(?P<model>.+-[0-9a-f]{12})(?:@(?P<step>\d+))?")


def endpoint() -> str:
    """The address of the server's OpenAI-compatible API."""
    return f"{address()}/oai/api/v1"


def path_of(name: str) -> str:
    """What the server calls a model, given what comes after `tinker/` in its id.

    A base model, and a `tinker://` path, are called what they are called. The name of a model that was trained here,
    with the step of a checkpoint behind an `@` or without, is looked for in the project's journal, then at the server.

    Raises:
        BackendError: there are no weights of that name.
    """
    ours = _OURS.fullmatch(name)
    if ours is None or "://" in name:
        return name
    model, step = ours["model"], int(ours["step"]) if ours["step"] else None
    try:
        project = Project.find()
        saves, settings = _in_journal(project, model), read_settings(project).tinker
    except ProjectError:
        saves, settings = [], TinkerSettings()
    save = _wanted(saves, step) or _wanted(_at_server(model, settings), step)
    if save is None:
        raise BackendError(
            f"There are no weights of {PROVIDER}/{name} at {address()}: they were deleted, or TINKER_BASE_URL or "
            "TINKER_API_KEY are others than when it was trained."
        )
    return save.path


def _wanted(saves: list[Save], step: int | None) -> Save | None:
    """The weights after a step, or the final ones."""
    return next((s for s in saves if s.kind == "sampler" and s.step == (step or s.about.total)), None)


def _in_journal(project: Project, model: str) -> list[Save]:
    journal = Journal.of(project)
    entries = (entry for entry in journal.entries() if entry.provider == PROVIDER)
    wanted = next((entry for entry in entries if entry.fine_tuned_model == f"{PROVIDER}/{model}"), None)
    return Kept(page_of(journal.folder, wanted)).saves if wanted is not None else []


def _at_server(model: str, settings: TinkerSettings) -> list[Save]:
    server = Server(settings)
    tries = Tries(server.name, settings, "looking for the model")
    with server.line.listening():
        while True:
            try:
                return server.named(model)
            except (Busy, Doubtful) as problem:
                tries.wait(problem, "Try again later.")
