"""A run as the command line shows it: its plan, its progress, its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import typer

from motools.cli.options import Asked
from motools.errors import listed

if TYPE_CHECKING:
    from motools.atom.costs import Estimate
    from motools.code.search_path import Place
    from motools.engine.failures import Failure
    from motools.engine.plan import StagePlan
    from motools.engine.prepared import Prepared
    from motools.engine.state import WorkflowState
    from motools.repo.settings import Settings


def carry_out(place: Place, prepare: Callable[[], Prepared], asked: Asked) -> None:
    """Run or only plan a pipeline, and show what came of it; exits 1 when a step failed."""
    from motools.cli.dotenv import load_env
    from motools.cli.tables import show_stages, show_used
    from motools.engine.progress import progress
    from motools.engine.results import as_dict, used
    from motools.engine.run import estimates, plan
    from motools.repo.settings import read_settings

    folder, project = place.folder, place.project

    def prepare_with_env() -> Prepared:
        prepared = prepare()
        load_env(project.root)
        return prepared

    if asked.dry_run:
        prepared, settings = prepare_with_env(), read_settings(project)
        with progress("quiet" if asked.quiet else "normal") as reporter:
            plans = plan(prepared, asked.run_options, True, reporter)
        show_plan(plans, place, asked.as_json, settings, estimates(prepared, plans))
        return
    settings = read_settings(project)
    state = _executed(place, prepare_with_env, asked)
    spent = {step.step_name: used(step, folder, settings) for step in state.step_states}
    stages = [as_dict(step, folder, spent[step.step_name]) for step in state.step_states]
    show_stages(stages, asked.quiet, asked.as_json)
    if not (asked.quiet or asked.as_json):
        show_used([each for each in spent.values() if each], settings)
    if state.failed:
        raise typer.Exit(1)


def _executed(place: Place, prepare: Callable[[], Prepared], asked: Asked) -> WorkflowState:
    """Run; an interruption tells of the jobs that go on at a provider, or ends them."""
    from motools.engine.progress import progress
    from motools.engine.run import execute
    from motools.engine.signals import Interrupted

    level = "quiet" if asked.quiet or asked.as_json else "verbose" if asked.verbose else "normal"
    try:
        with progress(level) as reporter:  # type: ignore[arg-type]
            return execute(place, prepare, asked.run_options, reporter)
    except Interrupted as stopped:
        from motools.training import jobs

        project = place.project
        if asked.cancel_on_interrupt:
            for job in jobs.cancel_jobs(project, stopped.keys):
                typer.echo(f"{job}: cancelled", err=True)
        for entry in jobs.running_jobs(project, stopped.keys):
            name = entry.job_id or f"of {entry.key[:12]}"
            typer.echo(
                f"{entry.step}: the job {name} goes on at {entry.server}. `motools run` comes back to it; "
                f"`motools jobs cancel {entry.key[:12]}` ends it.",
                err=True,
            )
        raise


def show_plan(
    plans: list[StagePlan],
    place: Place,
    as_json: bool,
    settings: Settings | None = None,
    estimates: Mapping[str, Estimate] | None = None,
) -> None:
    """A line a stage, with how it failed if it did; with estimates, what its training would use, and cost where
    motools.yaml has the price."""
    from dataclasses import asdict

    from motools.cli.tables import print_json, print_table
    from motools.engine.failures import failure_of

    failures = {plan.stage: failure_of(place, plan.stage) for plan in plans if plan.action in ("run", "maybe")}
    guesses = estimates or {}
    if as_json:
        told = []
        for plan in plans:
            failure = failures.get(plan.stage)
            told.append(plan.as_dict() | {"failed": asdict(failure) if failure else None})
            if estimates is not None:
                told[-1]["estimate"] = guesses[plan.stage].as_dict() if plan.stage in guesses else None
        print_json(told)
        return
    rows = [[plan.stage, plan.action, why(plan, failures.get(plan.stage))] for plan in plans]
    columns = ["stage", "action", "why"]
    if guesses and settings is not None:
        columns.append("would use")
        for row in rows:
            row.append(guesses[row[0]].told(settings) if row[0] in guesses else "")
    print_table(columns, rows)
    for plan in plans:
        if plan.unseen:
            print(f"{plan.stage}: nobody could look at {listed(plan.unseen)} when it was executed")


def why(plan: StagePlan, failure: Failure | None = None) -> str:
    """Why it would be executed, or has failed, in one line."""
    from motools.engine.plan import NEVER
    from motools.repo.remote import told_size

    reasons = [*([f"{told_size(plan.size)} from the remote"] if plan.action == "fetch" else []), *plan.reasons]
    if failure is not None:  # it has run, though there is no result
        reasons = [failure.told(plan.stage), *(reason for reason in reasons if reason != NEVER)]
    return "; ".join(reasons) or ("depends on a stage before it" if plan.action == "maybe" else "")
