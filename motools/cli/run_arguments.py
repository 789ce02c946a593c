"""What a run is asked for on the command line, without what takes the command line apart."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from motools.engine.options import RunOptions


@dataclass(frozen=True)
class RunArguments:
    """The options of `run`; `motools.cli.options` has what its help tells of each."""

    stages: str | None = None
    jobs: int | None = None
    user: str | None = None
    force: bool = False
    dry_run: bool = False
    fail_fast: bool = False
    no_wait: bool = False
    cancel_on_interrupt: bool = False
    without_remote: bool = False
    on: str | None = None
    quiet: bool = False
    verbose: bool = False
    as_json: bool = False

    @property
    def run_options(self) -> RunOptions:
        from motools.engine.options import RunOptions

        same = {each.name for each in fields(RunOptions)} & {each.name for each in fields(self)}
        return RunOptions(wait=not self.no_wait, **{name: getattr(self, name) for name in same})
