"""A pipeline that is asked for: where it is, and what makes it ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from motools.code.search_path import PipelineFolder
    from motools.engine.prepared import Prepared

__all__ = ["Pipeline"]


@dataclass(frozen=True)
class Pipeline:
    """A pipeline to run.

    Attributes:
        prepare: finds, compiles and checks it, and writes nothing. Called with the lock of runs held, so that nothing
            of it is older than what another run has written; where that is waited for, called before too.
        stages: only these; None: those that the options of the run say.
    """

    place: PipelineFolder
    prepare: Callable[[], Prepared]
    stages: Sequence[str] | None = None
