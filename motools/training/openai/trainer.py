"""Fine-tuning at OpenAI: the file is sent, one job is created, followed and collected; nothing is paid for twice."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from motools.atom.costs import Estimate
from motools.definition.context import StepContext, current_step, working_folder
from motools.errors import BackendError, ProjectError, StepError, did_you_mean, listed
from motools.repo.project import Project
from motools.repo.settings import read_settings
from motools.training import TrainedModel, TrainingRequest, check_suffix
from motools.training.journal import ENDED, JobEntry, Journal, counted, job_key
from motools.training.openai.api import Api, check_access
from motools.training.openai.follow import Follower, beside, loss_curve
from motools.training.openai.jobs import cancel_doubles, known_job, send_file, submit
from motools.training.openai.tokens import CHARACTERS_A_TOKEN
from motools.training.openai.training_file import LEAST_ROWS, check_file, check_trained_row, sendable
from motools.training.openai.transport import Answer
from motools.zoo import versioned

__all__ = ["OpenAITrainer"]


_AUTO = ", or 'auto'"
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "n_epochs": (lambda value: _whole(value, 1, 50), "a whole number, 1 to 50" + _AUTO),
    "batch_size": (lambda value: _whole(value, 1, 256), "a whole number, 1 to 256" + _AUTO),
    "learning_rate_multiplier": (
        lambda value: type(value) in (int, float) and math.isfinite(value) and value > 0,
        "a number above 0" + _AUTO,
    ),
    "seed": (lambda value: _whole(value, 0, 2**31 - 1), "a whole number, 0 to 2147483647"),
}
"""The bounds of OpenAI's own API description (openapi.yaml, CreateFineTuningJobRequest): what is outside of them would
be refused there, after the file was sent. A table and not a dataclass as of other trainers, since what is left out must
stay out of the request: the provider then chooses, by the size of the dataset."""


def _whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


@versioned(1)
class OpenAITrainer:
    """Supervised fine-tuning at OpenAI, or at a server that speaks its protocol.

    The key, and what else the client reads, come from the environment: OPENAI_API_KEY, OPENAI_BASE_URL,
    OPENAI_ORG_ID, OPENAI_PROJECT_ID. Hyperparameters: `n_epochs`, `batch_size`, `learning_rate_multiplier`
    (a number or "auto"; left out, the provider chooses) and `seed`. A base model may be written `gpt-…` or
    `openai/gpt-…`.

    Each call that costs money stands in a journal before and after it is made, and the job itself carries
    the key of the step and of what was sent: after a crash, a lost answer or in another clone, the job is found
    again, not made again.
    """

    provider = "openai"
    loss_columns = ("step", "train_loss")
    preload = ("openai",)
    cores = 0.1  # it mostly waits
    paid = True
    takes_validation = True
    takes_checkpoints = True
    least_rows = LEAST_ROWS

    def check(self, request: TrainingRequest) -> None:
        check_access()
        _model(request.model)
        _hyperparameters(request.hyperparameters)
        _checkpoints(request)
        check_suffix(request.suffix)
        with suppress(ProjectError):  # outside a project there is nothing to read
            read_settings(Project.find(working_folder()))

    def check_row(self, row: Mapping[str, Any], model: str) -> None:
        check_trained_row(row, model)

    def estimate(self, request: TrainingRequest) -> Estimate:
        """What training would use; tokens are estimated from the length of the rows."""
        assert request.dataset is not None
        with request.dataset.open("rb") as file:
            lengths = [len(line) for line in file]
        epochs = request.hyperparameters.get("n_epochs")
        passes = epochs if isinstance(epochs, int) else None
        return Estimate(_model(request.model), len(lengths), sum(lengths) // CHARACTERS_A_TOKEN, passes)

    def train(self, request: TrainingRequest, workspace: Path) -> TrainedModel:
        self.check(request)
        assert request.dataset is not None
        rows = check_file(request.dataset, "training file", request.model)
        request = replace(request, dataset=sendable(request.dataset, _folder(workspace, "training")))
        if request.validation is not None:
            check_file(request.validation, "validation file", request.model, least=1)
            request = replace(request, validation=sendable(request.validation, _folder(workspace, "validation")))
        context = current_step()
        api = Api(read_settings(context.project).openai)
        journal = Journal(context.jobs)
        entry = _job_of(request, api, journal, context)
        job, metrics = _followed(api, journal, entry)
        model = _collected(api, job, metrics, rows, workspace)
        model = replace(model, checkpoints=_kept(model, request.checkpoints, workspace))
        journal.write(replace(entry.told(job), collected=True))
        return model


def _folder(workspace: Path, name: str) -> Path:
    folder = workspace / name
    folder.mkdir(exist_ok=True)
    return folder


def _job_of(request: TrainingRequest, api: Api, journal: Journal, context: StepContext) -> JobEntry:
    """The job of this step: one that goes on or is done, or else a new one."""
    assert request.dataset is not None
    base = _model(request.model)
    entry = known_job(api, journal, context, job_key(context.key, request), base)
    if entry.job_id is not None:
        return entry
    locks = context.project.cache / "locks"
    asked: dict[str, Any] = {"model": base, "training_file": send_file(api, journal, request.dataset, locks)}
    if request.validation is not None:
        asked["validation_file"] = send_file(api, journal, request.validation, locks)
    given = dict(request.hyperparameters)
    seed = given.pop("seed", None)
    asked |= {name: value for name, value in (("suffix", request.suffix), ("seed", seed)) if value is not None}
    asked["method"] = {"type": "supervised", "supervised": {"hyperparameters": given}}
    return submit(api, journal, entry, asked)


def _followed(api: Api, journal: Journal, entry: JobEntry) -> tuple[Answer, Mapping[int, Mapping[str, Any]]]:
    """The job, once it has succeeded, and what it told of its steps.

    Raises:
        StepError: it failed or was cancelled; or the provider stays silent, and the job goes on.
    """
    assert entry.job_id is not None
    api.outlook = f"The job {entry.job_id} goes on; `motools run` comes back to it."

    def note(job: Answer) -> None:
        journal.write(entry.told(job))
        if job["status"] not in ENDED:
            cancel_doubles(api, entry)

    follower = Follower(api, entry.job_id, note)
    try:
        job = follower.to_the_end()
    except (KeyboardInterrupt, SystemExit):
        print(
            f"The job {entry.job_id} goes on at {api.server}. `motools run` comes back to it; "
            f"`motools jobs cancel {entry.key[:12]}` ends it.",
            flush=True,
        )
        raise
    if job is None:
        journal.write(replace(entry, status="failed", error="the provider no longer knows it"))
        raise StepError(f"{api.server} no longer knows the job {entry.job_id}. `motools run` starts a new one.")
    if job["status"] != "succeeded":
        error = job.get("error") or {}
        said = ": ".join(str(error[name]) for name in ("code", "message") if error.get(name))
        raise StepError(
            f"The job {job['id']} {'was cancelled' if job['status'] == 'cancelled' else 'failed'} at {api.server}"
            f"{f' ({said})' if said else ''}. `motools run` starts a new one."
        )
    return job, follower.metrics


def _collected(
    api: Api, job: Answer, by_step: Mapping[int, Mapping[str, Any]], rows: int, workspace: Path
) -> TrainedModel:
    """The model that a job has made; the folder has what training said of each step."""
    api.outlook = f"The job {job['id']} is done; `motools run` fetches its result."
    losses = loss_curve(api, job, by_step)
    checkpoints: list[dict[str, Any]] = []
    with beside("its checkpoints"):
        checkpoints = [
            {"model_id": name, "step": counted(c.get("step_number")), "metrics": c.get("metrics")}
            for c in api.checkpoints(job["id"])
            if isinstance(name := c.get("fine_tuned_model_checkpoint"), str)
        ]
    folder = workspace / "model"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loss.json").write_text(json.dumps(losses, indent=2) + "\n", encoding="utf-8")
    model_id, tokens = job["fine_tuned_model"], counted(job.get("trained_tokens"))
    method = (job.get("method") or {}).get("supervised")
    method = method if isinstance(method, dict) else {}
    print(f"model {model_id}", flush=True)
    return TrainedModel(
        path=folder,
        model_id=model_id,
        metadata={
            "base_model": job.get("model"),
            "job_id": job["id"],
            "hyperparameters": method.get("hyperparameters") or job.get("hyperparameters") or {},
            "seed": job.get("seed"),
            "trained_rows": rows,
            "trained_tokens": tokens,
            "checkpoints": sorted(checkpoints, key=lambda checkpoint: checkpoint["step"] or 0),
            "server": api.server,
        },
        # Inspect would ask for names without "gpt" in them by an API that fine-tuned models need not have.
        inspect={"model": f"openai/{model_id}", "model_args": {"responses_api": False}},
        usage={"trained_tokens": tokens, "model": job.get("model"), "job_id": job["id"]},
    )


_EPOCHS = 3
"""The model as it is after each of the last so many epochs is kept."""


def _checkpoints(request: TrainingRequest) -> None:
    """Refuse, before anything is paid, what OpenAI would not keep: it keeps the model after each of the last epochs."""
    names = ["last", *(f"last-{back}" for back in range(1, _EPOCHS))]
    epochs = request.hyperparameters.get("n_epochs")
    for each in request.checkpoints:
        if each not in names:
            raise BackendError(
                f"train_model.checkpoints: OpenAI keeps the model after each of the last {_EPOCHS} epochs, and no "
                f"{each!r}. Write {listed(names)}."
            )
        if each != "last" and not (isinstance(epochs, int) and names.index(each) < epochs):
            raise BackendError(
                f"train_model.checkpoints: {each} is there only where hyperparameters.n_epochs is "
                f"{names.index(each) + 1} or more, not {epochs!r}."
            )


def _kept(model: TrainedModel, epochs: Sequence[int | str], workspace: Path) -> dict[int | str, TrainedModel]:
    """The model as it was at the ends of epochs, counted back from the last."""
    models: dict[int | str, TrainedModel] = {}
    kept = list(reversed(model.metadata["checkpoints"]))
    about = {name: value for name, value in model.metadata.items() if name != "checkpoints"}
    for each in epochs:
        back = int(str(each).removeprefix("last").lstrip("-") or 0)
        if back >= len(kept) and back > 0:
            continue  # who asked says that it is not there
        one = {"model_id": model.model_id, "step": kept[0]["step"] if kept else None} if not back else kept[back]
        folder = _folder(workspace, f"checkpoint-{each}")
        shutil.copytree(model.path, folder, dirs_exist_ok=True)
        inspect = {**model.inspect, "model": f"openai/{one['model_id']}"}
        models[each] = TrainedModel(folder, str(one["model_id"]), {**about, "step": one["step"]}, inspect)
    return models


def _model(name: str) -> str:
    """The base model as the provider spells it."""
    base = name.removeprefix("openai/")
    if not base or base != base.strip() or any(c.isspace() for c in base):
        raise BackendError(f"model must name a model that OpenAI fine-tunes, such as gpt-4o-mini, not {name!r}.")
    if base.startswith(("tinylm/", "dummy/")):
        raise BackendError(f"OpenAI has no model {name!r}: set model to one that it fine-tunes, such as gpt-4o-mini.")
    return base


def _hyperparameters(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name not in _RULES:
            raise BackendError(
                f"openai has no hyperparameter {name!r}.{did_you_mean(name, _RULES)} Known: {listed(_RULES)}."
            )
        accepts, wanted = _RULES[name]
        if not accepts(value) and not (value == "auto" and wanted.endswith(_AUTO)):
            raise BackendError(
                f"The hyperparameter {name} of openai must be {wanted}, not {value!r}. "
                "Leave it out, and the provider chooses."
            )
