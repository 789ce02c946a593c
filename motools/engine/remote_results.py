"""Results that only the remote has: asked for together, fetched together, and never paid for again instead."""

from __future__ import annotations

import os
from pathlib import Path

from motools.engine.stages import Plans, Stages
from motools.errors import listed
from motools.repo import pipeline
from motools.repo.remote import told_size

__all__ = ["bring_tracked", "fetch", "refuse_to_pay"]


def bring_tracked(stages: Stages) -> None:
    """Fetch what a stage read and `dvc add` tracks, where it is not here: without it no trace could hold."""
    state, remote = stages.state, stages.state.remote
    if remote is None:
        return
    lacking: dict[Path, str] = {}
    for step in stages.selected:
        for dep in state.outputs.lock_file.entry(step.name).get("deps", []):
            path = Path(os.path.normpath(state.place.folder / dep["path"]))
            for target in () if path.exists() else (path, *path.parents):
                inside = target.is_relative_to(state.place.project.root) and not target.exists()
                if inside and (md5 := pipeline.tracked(target)) is not None:
                    lacking[target] = md5
    if lacking and remote.fetch(lacking.values()):
        for target, md5 in lacking.items():
            state.place.project.store.check_out(md5, target)


def fetch(stages: Stages, plans: Plans) -> bool:
    """Bring what is planned to be fetched, in one go; whether all of it is here now."""
    wanted = [plan for plan in plans.values() if plan.action == "fetch" and plan.result is not None]
    remote = stages.state.remote
    if not wanted or remote is None:
        return True
    size = told_size(sum(plan.size for plan in wanted))
    stages.state.reporter.note(f"fetching {size} from {remote.name}: {listed(plan.stage for plan in wanted)}")
    return remote.fetch([oid for plan in wanted if plan.result for oid in plan.result.entry.oids()])


def refuse_to_pay(stages: Stages, plans: Plans) -> None:
    """Say that the remote could not be asked, where that matters.

    Raises:
        RemoteError: and stages would be executed that cost money.
    """
    remote = stages.state.remote
    will_run = [step for step in stages.selected if plans[step].action in ("run", "maybe")]
    if remote is None or not will_run:
        return
    paid = [step.name for step in will_run if step.is_paid()]
    if paid:
        remote.reach()
    if remote.problem is None:
        return
    if paid:
        raise remote.refusal(paid)
    stages.state.reporter.note(f"{remote.problem} Nothing that is executed instead costs money.")
