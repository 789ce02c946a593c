"""Files of data that steps leave in the project beside their outputs, and which step has made which.

What only a pattern of the code names counts for those that come after its maker, and wakes nobody else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from motools.base.files import replace_file
from motools.compiler.step_call import StepCall
from motools.definition.instances import axes_in, base_of
from motools.definition.workflow import Workflow

__all__ = ["made_apart", "note_made"]


def made_apart(call: StepCall, workflow: Callable[[], Workflow]) -> frozenset[str]:
    """The files that this step or others of its pipeline have made and nobody that comes before it.

    Args:
        workflow: gives the call's; asked only where the pipeline's steps have made any.
    """
    makers: dict[str, set[str]] = {}
    for note in _folder(call).glob("*"):
        with suppress(OSError, ValueError, TypeError):
            path, folder, step, written = json.loads(note.read_text(encoding="utf-8"))
            path = os.path.join(call.place.project.root, path)
            if folder == call.place.name and os.stat(path).st_mtime_ns == written:  # else somebody else wrote it since
                makers.setdefault(path, set()).add(step)
    before = workflow().before(base_of(call.name)) if makers else set()
    return frozenset(path for path, steps in makers.items() if not any(_leads_to(s, call, before) for s in steps))


def _leads_to(maker: str, call: StepCall, before: Collection[str]) -> bool:
    """Whether a step comes before that of a call, and for the same values of what varies in both."""
    axes, others = axes_in(call.name), axes_in(maker)
    return base_of(maker) in before and all(axes[axis] == others[axis] for axis in axes.keys() & others.keys())


def note_made(call: StepCall, paths: Iterable[str]) -> None:
    """Keep that a step has made files, or one beside it at the same time has."""
    for path in paths:
        where = os.path.relpath(path, call.place.project.root)
        who = [where, call.place.name, call.name]
        name = hashlib.md5("\0".join(who).encode(), usedforsecurity=False).hexdigest()
        with suppress(OSError):
            replace_file(_folder(call) / name, json.dumps([*who, os.stat(path).st_mtime_ns]))


def _folder(call: StepCall) -> Path:
    return call.place.project.private / "made"
