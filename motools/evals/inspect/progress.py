"""What a running evaluation says of itself: `greets: sample 12/20` on standard output, which goes to the step's log."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from zipfile import BadZipFile

from inspect_ai.hooks import Hooks, SampleEnd, TaskStart, hooks
from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries

from motools.evals.inspect.tasks import MARK

__all__ = ["Progress", "expect"]

_at_hand: dict[str, int] = {}


def expect(folder: Path) -> None:
    """Count the samples that an earlier attempt has left in a folder of logs, for the next task that starts there.

    A log that cannot be read (a machine that lost its power leaves half a file) is removed, or every attempt to come
    would stumble over it.
    """
    _at_hand.clear()
    for path in folder.glob("*.eval"):
        try:
            task = (read_eval_log(str(path), header_only=True).eval.metadata or {}).get(MARK, "")
            finished = sum(summary.error is None for summary in read_eval_log_sample_summaries(str(path)))
        except (ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            print(f"The log of an earlier attempt cannot be read ({error}): it starts afresh.", file=sys.stderr)
            path.unlink()
            continue
        _at_hand[task] = max(finished, _at_hand.get(task, 0))


@hooks(name="motools_progress", description="Prints how many samples of a task are done.")
class Progress(Hooks):
    """Counts; one evaluation at a time runs in a process, of one task or several."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[str, int]] = {}
        self._done: dict[str, int] = {}

    async def on_task_start(self, data: TaskStart) -> None:
        total = len(data.spec.dataset.sample_ids or ()) * (data.spec.config.epochs or 1)
        done = _at_hand.get((data.spec.metadata or {}).get(MARK, ""), 0)
        self._of[data.eval_id], self._done[data.eval_id] = (data.spec.task, total), done
        earlier = f", {done} of them from an earlier attempt" if done else ""
        print(f"{data.spec.task}: {total} samples{earlier}", flush=True)

    async def on_sample_end(self, data: SampleEnd) -> None:
        self._done[data.eval_id] += 1
        task, total = self._of[data.eval_id]
        error = data.sample.error
        failed = f" (sample {data.sample.id} failed: {' '.join(error.message.split())})" if error else ""
        print(f"{task}: sample {self._done[data.eval_id]}/{total}{failed}", flush=True)
