"""Judging again what lies in the logs of an evaluation: only judges are asked, and its model may be gone."""

from __future__ import annotations

import hashlib
import json
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motools.atom.atom import EvalAtom
from motools.definition.context import kept_folder
from motools.errors import AtomError, BackendError, MotoolsError, StepError
from motools.evals import Evaluation
from motools.evals.api_keys import check_model
from motools.evals.inspect.answers import Answers, answering, answers_of, attend, read_journal
from motools.evals.inspect.evaluator import place
from motools.evals.inspect.logs import cause_of, read_logs
from motools.evals.inspect.models import make_model, no_dotenv
from motools.evals.inspect.tasks import MARK, make_named, make_tasks, scoring_answers
from motools.evals.results import write_results

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model

__all__ = ["Rescoring", "rescore"]


@dataclass(frozen=True)
class Rescoring:
    """How to judge again.

    Attributes:
        scorer: `module:function`, `file.py:function` or `package/scorer`; None: that of the task, as its code is now.
        scorer_args: arguments for it.
        roles: role -> model, such as `{"grader": "openai/gpt-6-luna"}`; others are as they were.
        task_args: arguments of the task; None: those of the log.
    """

    scorer: str | None = None
    scorer_args: Mapping[str, Any] = field(default_factory=dict)
    roles: Mapping[str, Any] = field(default_factory=dict)
    task_args: Mapping[str, Any] | None = None


def rescore(atom: EvalAtom, how: Rescoring, user: str) -> EvalAtom:
    """An evaluation atom of its own, made from another one whose answers it has.

    Raises:
        AtomError: the atom has no logs, or its task left nothing that could be judged without running it.
        BackendError: a judge cannot be asked, or there is no such task or scorer.
    """
    for role, model in how.roles.items():
        check_model(f"The role {role}", model if isinstance(model, str) else str(model.get("model")))
    logs = _logs(atom)
    with tempfile.TemporaryDirectory(dir=atom.project.private) as scratch:
        folder = Path(scratch, "logs")
        folder.mkdir()
        evaluation, usage = _judged(atom, logs, how, folder)
        results = Path(scratch, "results")
        write_results(evaluation, results)
        about = {
            "task": atom.metadata.get("task"),
            "samples": {name: dict(counts) for name, counts in evaluation.counts.items()},
            "rescored": {
                "scorer": how.scorer,
                **({"scorer_args": dict(how.scorer_args)} if how.scorer_args else {}),
                "model_roles": dict(how.roles),
            },
        }
        made_from = {"rescored": atom.id, **atom.made_from}
        return EvalAtom.create(
            user=user, artifact_path=results, made_from=made_from, metadata=about, logs=folder, usage=usage
        )


def _logs(atom: EvalAtom) -> list[EvalLog]:
    from inspect_ai.log import read_eval_log

    folder = atom.get_log_path()
    if folder is None:
        raise AtomError(
            f"{atom.id} has no logs of Inspect's, so there are no answers to judge. `dvc pull` may bring them."
        )
    logs = [read_eval_log(str(path), resolve_attachments="full") for path in sorted(folder.glob("*.eval"))]
    for log in logs:
        if log.eval.sandbox is not None:
            raise AtomError(
                f"The task {log.eval.task} of {atom.id} was scored in its sandbox, which is gone: its scoring is part "
                "of the run. Evaluate again; what is asked again word for word is not paid again."
            )
    return logs


def _judged(
    atom: EvalAtom, logs: list[EvalLog], how: Rescoring, folder: Path
) -> tuple[Evaluation, dict[str, dict[str, Any]]]:
    from inspect_ai.log import write_eval_log

    from motools.evals.private import on_new_model

    on_new_model(attend)
    told = json.dumps([atom.id, how.scorer, dict(how.scorer_args), how.roles], sort_keys=True, default=str)
    journal = kept_folder(atom.project, f"rescore-{hashlib.sha256(told.encode()).hexdigest()[:32]}.answers")
    journal.parent.mkdir(parents=True, exist_ok=True)
    outputs = {label: output for log in logs for label, output in answers_of(log)}
    answers = Answers(outputs, read_journal(journal), journal)
    judged = {}
    with place().importable(), no_dotenv(), answering(answers):
        for log in logs:
            text = str((log.eval.metadata or {}).get(MARK) or log.eval.task)
            try:
                scored = _score(log, text, how)
            except MotoolsError:
                raise
            except Exception as error:  # a scorer may raise anything
                at = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(at.filename).name}, line {at.lineno}"
                raise StepError(f"Judging {text} of {atom.id} failed: {cause_of(error)} ({where}).") from error
            about = {"motools_rescored": atom.id, "motools_rescored_with": how.scorer or "its own scorer"}
            about |= {f"motools_role_{role}": model for role, model in how.roles.items()}
            scored.eval.metadata = {**(scored.eval.metadata or {}), **about}
            scored.eval.tags = [*(scored.eval.tags or []), "rescored"]
            scored.location = str(folder / f"{Path(log.location).stem}.eval")
            write_eval_log(scored, scored.location)
            judged[text] = scored
        evaluation = read_logs(judged, folder)
    journal.unlink(missing_ok=True)
    return evaluation, answers.paid


def _score(log: EvalLog, text: str, how: Rescoring) -> EvalLog:
    import inspect_ai

    from motools.evals.private import init_model_context, resolve_model_roles

    nobody: Model = make_model("none/none")  # the one that answered may be gone
    were = {role: each.model for role, each in (log.eval.model_roles or {}).items() if not isinstance(each, list)}
    roles = resolve_model_roles({role: make_model(each) for role, each in {**were, **how.roles}.items()})
    init_model_context(nobody, roles)
    metrics: Any = None
    if how.scorer is None:
        (task,) = make_tasks([text], how.task_args if how.task_args is not None else log.eval.task_args or {}, place())
        scorers, metrics = list(task.scorer or ()), task.metrics
        if not scorers:
            raise BackendError(f"The task {text} has no scorer. Name one: --scorer module:function")
    else:
        scorers = [make_named("scorer", {"name": how.scorer, "args": how.scorer_args}, place())]
    return inspect_ai.score(
        log,
        [scoring_answers(each) for each in scorers],
        metrics=metrics,
        model=nobody,
        model_roles=roles,
        action="overwrite",
        display="none",
    )
