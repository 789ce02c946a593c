"""A run as the command line shows it: its plan, its progress, its end."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from motools.base.foreign_text import visible
from motools.cli.run_arguments import RunArguments
from motools.engine.pipeline import Pipeline
from motools.errors import listed

if TYPE_CHECKING:
    from motools.atom.costs import Estimate, Spent
    from motools.code.search_path import PipelineFolder
    from motools.engine.failures import Failure
    from motools.engine.plan import StagePlan
    from motools.engine.prepared import Prepared
    from motools.engine.state import WorkflowState
    from motools.repo.settings import Settings


def carry_out(pipelines: Sequence[Pipeline], arguments: RunArguments, unless_current: bool = False) -> None:
    """Run or only plan pipelines, as one graph, and show what came of it; exits 1 when a step failed.

    Args:
        unless_current: show nothing where nothing was to be done.
    """
    from motools.cli.tables import show_stages, show_used
    from motools.engine.progress import progress
    from motools.engine.results import as_dict, used
    from motools.engine.run import estimates, plan
    from motools.repo.dotenv import load_env
    from motools.repo.settings import read_settings

    project = pipelines[0].place.project

    def with_env(each: Pipeline) -> Prepared:
        prepared = each.prepare()
        load_env(project.root)
        return prepared

    settings = read_settings(project)
    if arguments.dry_run:
        ready = [with_env(each) for each in pipelines]
        with progress("quiet" if arguments.quiet else "normal") as reporter:
            plans = [plan(each, arguments.run_options, True, reporter) for each in ready]
        guesses = [estimates(each, of_each) for each, of_each in zip(ready, plans, strict=True)]
        places = [each.place for each in pipelines]
        show_plans(places, plans, arguments.as_json, settings, guesses)
        return
    several = [replace(each, prepare=partial(with_env, each)) for each in pipelines]
    states = _executed(several, arguments, unless_current)
    if unless_current and all(step.status == "current" for state in states for step in state.step_states):
        return
    stages: list[dict[str, Any]] = []
    spent: list[Spent | None] = []
    for each, state in zip(pipelines, states, strict=True):
        for step in state.step_states:
            spent.append(used(step, each.place.folder, settings))
            where = {"folder": each.place.name} if len(pipelines) > 1 else {}
            stages.append(where | as_dict(step, each.place.folder, spent[-1]))
    show_stages(stages, arguments.quiet, arguments.as_json)
    if not (arguments.quiet or arguments.as_json):
        show_used([each for each in spent if each], settings)
    if any(state.failed for state in states):
        raise SystemExit(1)


def _executed(pipelines: Sequence[Pipeline], arguments: RunArguments, unless_current: bool) -> list[WorkflowState]:
    """Run; an interruption tells of the jobs that go on at a provider, or ends them."""
    from motools.engine.progress import progress
    from motools.engine.run import execute
    from motools.engine.signals import Interrupted

    level = "quiet" if arguments.quiet or arguments.as_json else "verbose" if arguments.verbose else "normal"
    level = "news" if unless_current and level == "normal" else level
    try:
        with progress(level) as reporter:  # type: ignore[arg-type]
            return execute(pipelines, arguments.run_options, reporter)
    except Interrupted as stopped:
        from motools.training import jobs

        project = pipelines[0].place.project
        if arguments.cancel_on_interrupt:
            for job in jobs.cancel_jobs(project, stopped.keys):
                print(visible(f"{job}: cancelled"), file=sys.stderr)
        for entry in jobs.running_jobs(project, stopped.keys):
            name = entry.job_id or f"of {entry.key[:12]}"
            sentence = (
                f"{entry.step}: the job {name} goes on at {entry.server}. `motools run` comes back to it; "
                f"`motools jobs cancel {entry.key[:12]}` ends it."
            )
            print(visible(sentence), file=sys.stderr)
        raise


def show_plans(
    places: Sequence[PipelineFolder],
    plans: Sequence[Sequence[StagePlan]],
    as_json: bool,
    settings: Settings | None = None,
    estimates: Sequence[Mapping[str, Estimate]] | None = None,
) -> None:
    """A line a stage, with how it failed if it did; with estimates, what its training would use, and cost where
    motools.yaml has the price. Of several pipelines, with the folder."""
    from dataclasses import asdict

    from motools.cli.tables import print_json, print_table
    from motools.engine.failures import failure_of

    guesses = estimates or [{}] * len(places)
    several = [
        (place, plan, failure_of(place, plan.stage) if plan.action in ("run", "maybe") else None, guess)
        for place, of_place, guess in zip(places, plans, guesses, strict=True)
        for plan in of_place
    ]
    if as_json:
        told: list[dict[str, Any]] = []
        for place, plan, failure, guess in several:
            told.append({"folder": place.name} if len(places) > 1 else {})
            told[-1] |= plan.as_dict() | {"failed": asdict(failure) if failure else None}
            if estimates is not None:
                told[-1]["estimate"] = guess[plan.stage].as_dict() if plan.stage in guess else None
        print_json(told)
        return
    columns, rows = ["stage", "action", "why"], []
    if len(places) > 1:
        columns.insert(0, "folder")
    if any(guesses) and settings is not None:
        columns.append("would use")
    for place, plan, failure, guess in several:
        row = [*([place.name] if len(places) > 1 else []), plan.stage, plan.action, why(plan, failure)]
        if any(guesses) and settings is not None:
            row.append(guess[plan.stage].told(settings) if plan.stage in guess else "")
        rows.append(row)
    print_table(columns, rows)
    for _, plan, _, _ in several:
        if plan.unseen:
            print(visible(f"{plan.stage}: nobody could look at {listed(plan.unseen)} when it was executed"))


def why(plan: StagePlan, failure: Failure | None = None) -> str:
    """Why it would be executed, or has failed, in one line."""
    from motools.engine.plan import NEVER
    from motools.repo.remote import told_size

    reasons = [*([f"{told_size(plan.size)} from the remote"] if plan.action == "fetch" else []), *plan.reasons]
    if failure is not None:  # it has run, though there is no result
        reasons = [failure.told(plan.stage), *(reason for reason in reasons if reason != NEVER)]
    return "; ".join(reasons) or ("depends on a stage before it" if plan.action == "maybe" else "")
