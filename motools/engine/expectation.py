"""How far a run is, and how long it may still take: from what steps say of themselves, and what they took before."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from motools.definition.instances import base_of

__all__ = ["Expectation", "share_of"]

_OF = re.compile(r"(?<![\d/.])(\d{1,9})/(\d{1,9})(?![\d/.])")


def share_of(line: str) -> float | None:
    """The part that is done by a line such as `greets: sample 12/20`, above 0 and up to 1; None where it tells none."""
    for done, every in reversed(_OF.findall(line)):
        if 0 < int(done) <= int(every):
            return int(done) / int(every)
    return None


class Expectation:
    """Of one run. Times are in seconds, by a clock of the caller's.

    Args:
        stages: those that are not current.
        before: how long a stage took when its result was last made, or None; asked once for each step, of the first of
            its instances that is to be known.

    Attributes:
        total: how many stages there are.
        done: how many of them have ended, in whatever way.
    """

    def __init__(self, stages: Sequence[str], before: Callable[[str], float | None]) -> None:
        self._left = dict.fromkeys(stages)
        self._before = before
        self._earlier: dict[str, float | None] = {}
        self._took: dict[str, list[float]] = {}
        self.total = len(self._left)

    @property
    def done(self) -> int:
        return self.total - len(self._left)

    def ended(self, stage: str, seconds: float | None = None) -> None:
        """A stage has ended; `seconds` where it was executed."""
        self._left.pop(stage, None)
        if seconds is not None:
            self._took.setdefault(base_of(stage), []).append(seconds)

    def left(self, running: Mapping[str, tuple[float, str]]) -> float | None:
        """How long the rest may take, or None where that is not known of some stage.

        As many stages as run now are taken to run on: the sum of what they need, by their number, but never less than
        the longest of those that run.

        Args:
            running: stage -> how long it has been running, and the last thing that it said.
        """
        rest = []
        for stage in self._left:
            since, said = running.get(stage, (0.0, ""))
            expected = self._expected(stage, since, said)
            if expected is None:
                return None
            rest.append((max(0.0, expected - since), stage in running))
        longest = max((seconds for seconds, runs in rest if runs), default=0.0)
        return max(longest, sum(seconds for seconds, _ in rest) / max(1, len(running))) if rest else None

    def _expected(self, stage: str, since: float, line: str) -> float | None:
        """How long a stage takes in all."""
        share = share_of(line)
        if share is not None:
            return since / share
        base = base_of(stage)
        if took := self._took.get(base):
            return sum(took) / len(took)
        if base not in self._earlier:
            self._earlier[base] = self._before(stage)
        return self._earlier[base]
