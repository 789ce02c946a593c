"""What the stages of one pipeline's folder share while they are planned or run."""

from __future__ import annotations

from pathlib import Path

from motools.code.trace import Trace
from motools.code.world import World
from motools.engine.options import RunOptions
from motools.engine.prepared import Prepared
from motools.engine.reporter import Reporter
from motools.engine.stage_outputs import StageOutputs
from motools.engine.workers import Workers
from motools.repo import pipeline
from motools.repo.remote import Remote

__all__ = ["PipelineState"]


class PipelineState:
    """What is known of a pipeline's folder, and changes as its stages run.

    Attributes:
        atoms: the id of every atom that is made or will be restored, by name; None where it is not known yet.
        outputs: what stands in the folder, in dvc.lock and in the cache.
        world: files and code as they are now.
        traces: of the results that stand in the folder, by stage.
        remote: may have what is not here; None where nobody is to be asked.
        workers: where steps are executed.
    """

    def __init__(self, prepared: Prepared, options: RunOptions, reporter: Reporter) -> None:
        self.compiled = prepared.compiled
        self.place = prepared.place
        self.options = options
        self.reporter = reporter
        self.outputs = StageOutputs(self.place.project, self.place.folder, self.compiled, reporter.note)
        self.atoms: dict[str, str | None] = {name: atom.id for name, atom in prepared.inputs.items()}
        self.world = World(self.place, self.digest)
        self.traces: dict[str, Trace] = {}
        ask = not (options.force or options.without_remote) and self.place.project.setting("core", "remote")
        self.remote = Remote(self.place.project) if ask else None
        self.workers = Workers(options.executor)

    def digest(self, path: str) -> str | None:
        """What a file holds now."""
        out = self.outputs.hashes.file(path)
        if out is None and self.remote is not None:  # a run will bring it
            return pipeline.tracked(Path(path))
        return out.md5 if out is not None else None

    def files_were_written(self) -> None:
        """By a stage that may write any file, code too: all that was looked at or imported is out of date."""
        self.world = World(self.place, self.digest)
        self.workers.renew()
