"""What a running evaluation says of itself: `sample 12/20` on standard output, which goes to the step's log."""

from __future__ import annotations

from inspect_ai.hooks import Hooks, SampleEnd, TaskStart, hooks


@hooks(name="motools_progress", description="Prints how many samples of a task are done.")
class Progress(Hooks):
    """Counts; one evaluation at a time runs in a process."""

    def __init__(self) -> None:
        self._done = self._total = 0

    async def on_task_start(self, data: TaskStart) -> None:
        epochs = data.spec.config.epochs or 1
        self._done, self._total = 0, len(data.spec.dataset.sample_ids or ()) * epochs
        print(f"{data.spec.task}: {self._total} samples", flush=True)

    async def on_sample_end(self, data: SampleEnd) -> None:
        self._done += 1
        print(f"sample {self._done}/{self._total}", flush=True)
