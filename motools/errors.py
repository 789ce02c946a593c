"""The errors that a person sees: each is one sentence that says what is wrong and what to do next.

    MotoolsError          exit 1   anything MOTools itself reports
    ├── UserError         exit 2   the input is wrong; nothing ran, nothing was lost
    │   ├── ConfigError            a config, params.yaml or dvc.yaml
    │   ├── WorkflowError          a workflow's wiring, or no such workflow or stage
    │   ├── ProjectError           not a project, no git, no DVC, a damaged project file
    │   ├── BackendError           a trainer or evaluator that cannot be used as asked
    │   ├── AtomError              unknown, ambiguous or mistaken atom
    │   └── RemoteError            a remote that cannot be asked
    ├── DamagedError      exit 1   stored content is not what its name says
    ├── StepError         exit 1   a step ran and failed
    └── RunFailed         exit 1   a run in which at least one stage failed

Exit codes of the command line: 0 done, 1 a step failed, 2 the user's input, 70 what nobody foresaw (see
`cli/crash.py`), 130 interrupted.
"""

from __future__ import annotations

__all__ = [
    "AtomError",
    "BackendError",
    "ConfigError",
    "DamagedError",
    "MotoolsError",
    "ProjectError",
    "RemoteError",
    "RunFailed",
    "StepError",
    "UserError",
    "WorkflowError",
    "did_you_mean",
    "listed",
]

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class MotoolsError(Exception):
    """Base of all; `exit_code` is what the command line exits with."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        # What others said is quoted at the end of a sentence of ours, and often ends in a full stop of its own.
        super().__init__(re.sub(r"(?<=[^\s./])\.\.(?=\s|$)", ".", message))


class UserError(MotoolsError):
    exit_code = 2


class ConfigError(UserError):
    pass


class WorkflowError(UserError):
    pass


class ProjectError(UserError):
    pass


class BackendError(UserError):
    pass


class AtomError(UserError):
    pass


class RemoteError(UserError):
    pass


class DamagedError(MotoolsError):
    """`path` is the cache object that is damaged, where it is one."""

    def __init__(self, message: str, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


class StepError(MotoolsError):
    pass


class RunFailed(MotoolsError):
    """A run in which at least one stage failed; `state` tells of every stage."""

    def __init__(self, message: str, state: Any) -> None:
        super().__init__(message)
        self.state = state


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`" Did you mean 'x'?"` for the closest known word, or `""`; made to follow a sentence.

    Of dotted names, such as metrics, an end will do: `acuracy` for `task.score.accuracy`.
    """
    import difflib

    whole = sorted(choices)
    ends = {each.rpartition(".")[2]: each for each in whole}
    for names in (dict(zip(whole, whole, strict=True)), ends):
        if close := difflib.get_close_matches(str(word), names, n=1, cutoff=0.6):
            return f" Did you mean {names[close[0]]!r}?"
    return ""


def a_kind(kind: str | None) -> str:
    """`a model`, `an eval`."""
    return f"{'an' if str(kind)[:1] in 'aeiou' else 'a'} {kind}"


def listed(words: Iterable[str], most: int | None = None) -> str:
    """Words as a person lists them: `a, b, c`, or `none`; of more than so many these, `and 5 more`."""
    words = [*words]
    more = [f"and {len(words) - most:,} more"] if most is not None and len(words) > most else []
    return ", ".join([*words[:most], *more]) or "none"
