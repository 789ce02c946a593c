"""What the stages of one pipeline's folder share while they are planned or run."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path

from motools.code import references
from motools.code.search_path import PipelineFolder
from motools.code.trace import Trace
from motools.code.world import World
from motools.engine.elsewhere import Elsewhere
from motools.engine.options import RunOptions
from motools.engine.prepared import Prepared
from motools.engine.reporter import Reporter
from motools.engine.stage_outputs import StageOutputs
from motools.engine.workers import Workers
from motools.execution import run_step
from motools.repo import pipeline
from motools.repo.remote import Remote

__all__ = ["PipelineState"]


class PipelineState:
    """What is known of a pipeline's folder, and changes as its stages run.

    Args:
        beside: that of another folder that is run together with this one.

    Attributes:
        atoms: the id of every atom that is made or will be restored, by name; None where it is not known yet.
        outputs: what stands in the folder, in dvc.lock and in the cache.
        world: files and code as they are now.
        traces: of the results that stand in the folder, by stage.
        remote: may have what is not here; None where nobody is to be asked.
        workers: where steps are executed.
        elsewhere: the executors of other machines that some of them run on.
        together: the states of all folders that are run together, this one among them.
        is_read_elsewhere: whether a stage of another folder reads what a stage of this one writes.
    """

    def __init__(
        self, prepared: Prepared, options: RunOptions, reporter: Reporter, beside: PipelineState | None = None
    ) -> None:
        self.compiled = prepared.compiled
        self.place = prepared.place
        self.options = options
        self.reporter = reporter
        hashes = beside.outputs.hashes if beside else None
        self.outputs: StageOutputs = StageOutputs(
            self.place.project, self.place.folder, self.compiled, reporter.note, hashes
        )
        self.atoms: dict[str, str | None] = {name: atom.id for name, atom in prepared.inputs.items()}
        self.world = World(self.place, self.digest)
        self.traces: dict[str, Trace] = {}
        ask = not (options.force or options.without_remote) and self.place.project.setting("core", "remote")
        self.remote = Remote(self.place.project) if ask else None
        self.elsewhere: Elsewhere = (
            beside.elsewhere if beside else Elsewhere(self.place.project, options, reporter.note)
        )
        self.workers: Workers = beside.workers if beside else Workers(options.executor, self.elsewhere)
        self.together: list[PipelineState] = beside.together if beside else []
        self.together.append(self)
        self.is_read_elsewhere = False

    def digest(self, path: str) -> str | None:
        """What a file holds now."""
        out = self.outputs.hashes.file(path)
        if out is None and self.remote is not None:  # a run will bring it
            return pipeline.tracked(Path(path))
        return out.md5 if out is not None else None

    def files_were_written(self) -> None:
        """By a stage that may write any file, code too: all that was looked at or imported is out of date."""
        for state in self.together:
            state.look_again()
        self.workers.renew()

    def look_again(self) -> None:
        """Take nothing for known of what files hold."""
        self.world = World(self.place, self.digest)

    def made(self) -> None:
        """Hear that a stage has written its outputs: what other folders know of them is out of date."""
        for state in self.together if self.is_read_elsewhere else ():
            if state is not self:
                state.look_again()

    def executor(self, modules: Sequence[str], rehearsal: bool = False) -> Executor:
        """Where steps go that want these modules imported; folders that run together share one, where their workflow is
        an installed one."""
        reference, place = self.compiled.reference, self.place
        parsed = references.parse(reference, place)
        shared = len(self.together) > 1 and (parsed is None or parsed.file is None)
        give = self.workers.for_rehearsals if rehearsal else self.workers.for_steps
        with place.hidden() if shared else nullcontext():
            return give(
                modules,
                run_step.loaded,
                reference,
                PipelineFolder(place.project, place.project.root) if shared else place,
            )
