"""LoRA fine-tuning at Tinker, or at any server of its protocol: `backend_name: tinker`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motools.atom.costs import Estimate
from motools.base.chat import Rules, check_row
from motools.base.chat.lines import chat_rows
from motools.base.locks import file_lock, open_lock
from motools.definition.context import StepContext, current_step
from motools.errors import BackendError, ProjectError, StepError
from motools.repo.project import Project
from motools.repo.settings import read_settings
from motools.training import TrainedModel, TrainingRequest, check_checkpoints, check_suffix, step_numbers
from motools.training.journal import JobEntry, Journal, job_key
from motools.training.tinker.hyperparameters import hyperparameters
from motools.training.tinker.saved import Kept, Save, loss_curve
from motools.training.tinker.session import Server, check_access
from motools.zoo import versioned

if TYPE_CHECKING:
    from motools.training.tinker.loop import Training

__all__ = ["PROVIDER", "TinkerTrainer", "page_of"]

PROVIDER = "tinker"
RULES = Rules(
    who="the tinker trainer",
    row_keys=("messages",),
    message_keys=("role", "content", "weight", "refusal", "name"),
    parts={"": ("text", "refusal")},
)
_CHARACTERS_A_TOKEN = 4


@versioned(1)
class TinkerTrainer:
    """LoRA fine-tuning of open models at Thinking Machines' Tinker, or at a server that speaks its protocol.

    The key, and where requests go, come from the environment: TINKER_API_KEY, TINKER_BASE_URL, TINKER_PROJECT_ID.
    `motools.training.tinker.hyperparameters` has the hyperparameters, and the sources of their defaults. The loss is
    that of what the assistant says, its stop token included; a message with `weight` 0 carries none.

    The process that trains sends each batch itself. Every `save_every` steps (`motools.yaml`) it has the state saved
    there and notes it, here and at the server: whatever happens, a later run goes on from the last state.
    """

    provider = PROVIDER
    loss_columns = ("step", "train_loss")
    preload = ("tinker",)
    cores = 0.3  # it mostly waits
    paid = True
    takes_checkpoints = True

    def check(self, request: TrainingRequest) -> None:
        check_access()
        _model(request.model)
        hyperparameters(request.hyperparameters)
        check_suffix(request.suffix)
        check_checkpoints(request.checkpoints)
        with suppress(ProjectError):  # outside a project there is nothing to read
            read_settings(Project.find())

    def check_row(self, row: Mapping[str, Any], model: str) -> None:
        check_row(row, RULES)

    def estimate(self, request: TrainingRequest) -> Estimate:
        """What training would use; tokens are estimated from the length of the rows."""
        assert request.dataset is not None
        with request.dataset.open("rb") as file:
            lengths = [len(line) for line in file]
        epochs = hyperparameters(request.hyperparameters).n_epochs
        return Estimate(_model(request.model), len(lengths), sum(lengths) // _CHARACTERS_A_TOKEN, epochs)

    def train(self, request: TrainingRequest, workspace: Path) -> TrainedModel:
        from motools.training.tinker.loop import Training

        self.check(request)
        assert request.dataset is not None
        for _ in chat_rows(request.dataset, RULES):
            pass  # refused before anything is sent
        context, dataset = current_step(), request.dataset
        server = Server(read_settings(context.project).tinker)
        journal = Journal(context.jobs)
        entry = _entry(request, server, journal, context)
        mark, name = _mark(entry), _name(request, _mark(entry))
        locks = context.project.cache / "locks"
        with file_lock(locks / f"tinker-{mark[:32]}-{server.account}"), _place(locks, server.settings.at_once):
            entry = journal.write(replace(entry, status="training", fine_tuned_model=f"{PROVIDER}/{name}"))

            def note(step: int, total: int) -> None:
                journal.write(replace(entry, status=f"step {step} of {total}", trained_tokens=kept.tokens))

            kept = Kept(page_of(context.jobs, entry))
            chosen = hyperparameters(request.hyperparameters)
            rows = lambda: list(chat_rows(dataset, RULES))  # noqa: E731
            model = _model(request.model)
            training = Training(
                server, kept, model, chosen, mark, name, request.suffix, rows, note, request.checkpoints
            )
            try:
                final = training.to_the_end()
            except StepError as error:
                journal.write(replace(entry, status="failed", error=str(error), trained_tokens=kept.tokens))
                raise
            except (KeyboardInterrupt, SystemExit):
                saved = max((save.step for save in kept.saves), default=0)
                print(f"Stopped; `motools run` goes on after step {saved}.", flush=True)
                journal.write(replace(entry, status="stopped", trained_tokens=kept.tokens))
                raise
            made = _collected(request, server, training, final, workspace)
            done = replace(entry, status="succeeded", trained_tokens=kept.tokens, job_id=_session(final))
            journal.write(replace(done, collected=True))
        return made


def _model(name: str) -> str:
    """The base model as the server spells it."""
    if not name or any(c.isspace() for c in name) or name.startswith(("tinylm/", "dummy/", "openai/")):
        raise BackendError(f"model must name a model that Tinker trains, such as Qwen/Qwen3-8B, not {name!r}.")
    return name.removeprefix(f"{PROVIDER}/")


def _entry(request: TrainingRequest, server: Server, journal: Journal, context: StepContext) -> JobEntry:
    """The journal's entry of this training: that of an earlier attempt, or a new one."""
    key = job_key(context.key, request)
    entry = journal.read(key)
    if entry is None:
        folder = os.path.relpath(context.folder, context.project.root)
        about = (context.key, context.step, folder, _model(request.model), server.name, server.account)
        entry = JobEntry(key, *about, provider=PROVIDER)
    cut_short = entry.forced and not entry.collected  # a run with --force that did not come to its end
    if context.force and not cut_short:
        entry = replace(entry.anew(forced=True), account=server.account, server=server.name)
    if entry.account != server.account:
        raise StepError(
            f"This training was begun at {entry.server}; now requests go to {server.name}, or to another project. Set "
            "TINKER_BASE_URL and TINKER_PROJECT_ID as they were, or type `motools run --force` to begin anew here."
        )
    return entry


def _mark(entry: JobEntry) -> str:
    """By which a training is found again: equal for equal trainings, unless one was made again with --force."""
    return hashlib.sha256(f"{entry.key} {entry.attempt}".encode()).hexdigest() if entry.forced else entry.key


def _name(request: TrainingRequest, mark: str) -> str:
    """The model's name: its base model's, so that a price is found under that, a word to recognise it by, a digest."""
    words = [request.suffix] if request.suffix else []
    return re.sub(r"[^\w./:-]+", "-", "-".join([_model(request.model), *words, mark[:12]]))


def page_of(jobs: Path, entry: JobEntry) -> Path:
    """Where the journal has what a training saved."""
    return jobs / "tinker" / f"{_mark(entry)}.json"


@contextmanager
def _place(folder: Path, most: int) -> Iterator[None]:
    """One of the places of trainings that go on at once; waited for where all are taken."""
    waits = False
    while True:
        for number in range(most):
            handle = open_lock(folder / f"tinker-place-{number}")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            try:
                yield
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)  # a child that is left behind shares it
                os.close(handle)
            return
        if not waits:
            print(f"waiting for a place: {most} trainings go on at once (tinker.at_once in motools.yaml)", flush=True)
        waits = True
        time.sleep(0.5)


def _session(save: Save) -> str:
    return save.path.removeprefix("tinker://").partition(":")[0]


def _collected(
    request: TrainingRequest, server: Server, training: Training, final: Save, workspace: Path
) -> TrainedModel:
    """The model that a training has made; the folder has the loss of each step."""
    saves = [save for save in training.kept.saves if save.about == final.about]
    losses = loss_curve(saves, final.step)
    folder = workspace / "model"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loss.json").write_text(json.dumps(losses, indent=2) + "\n", encoding="utf-8")
    about, by_step = final.about, {row["step"]: row["train_loss"] for row in losses}
    steps = sorted({save.step for save in saves if save.kind == "sampler"})
    model_id = f"{PROVIDER}/{training.model}"
    print(f"model {model_id}, {final.path}", flush=True)
    chosen: dict[str, Any] = {**vars(training.chosen), "batch_size": about.batch_size}

    def kept_at(each: int | str, step: int) -> TrainedModel:
        own = workspace / f"checkpoint-{each}"
        shutil.copytree(folder, own, dirs_exist_ok=True)
        id = model_id if step == about.total else f"{model_id}@{step}"
        told = {name: value for name, value in metadata.items() if name != "checkpoints"}
        return TrainedModel(own, id, {**told, "step": step}, {"model": id})

    # Nothing of the sessions that it took: equal trainings have equal metadata, however often they were cut short.
    metadata = {
        "base_model": training.base,
        "hyperparameters": chosen,
        "tokenizer": about.tokenizer,
        "steps": about.total,
        "trained_rows": about.rows,
        "trained_tokens": about.tokens,
        "final_loss": by_step.get(final.step),
        "checkpoints": [
            {"model_id": f"{model_id}@{step}", "step": step, "train_loss": by_step.get(step)} for step in steps
        ],
        "server": server.name,
    }
    return TrainedModel(
        path=folder,
        model_id=model_id,
        metadata=metadata,
        inspect={"model": model_id},
        usage={
            "trained_tokens": training.kept.tokens or about.tokens,
            "model": training.base,
            "job_id": _session(final),
        },
        checkpoints={
            each: kept_at(each, step) for each, step in step_numbers(request.checkpoints, about.total).items()
        },
    )
