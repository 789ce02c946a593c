"""Fine-tuning on this machine's GPU or CPU: `backend_name: local`."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from motools.base.chat import Rules, check_row
from motools.base.chat.lines import chat_rows
from motools.base.gpu import gpus, held_gpu
from motools.definition.context import current_step
from motools.errors import BackendError, ProjectError
from motools.repo.project import Project
from motools.repo.settings import LocalSettings, read_settings
from motools.training import (
    TrainedModel,
    TrainingRequest,
    check_checkpoints,
    check_suffix,
    model_name,
    step_numbers,
)
from motools.training.examples import Plan, examples, shown, tokenizer_digest
from motools.training.local.base import Base
from motools.training.local.checkpoints import Checkpoints, Models
from motools.training.local.hyperparameters import Hyperparameters, hyperparameters
from motools.zoo import versioned

__all__ = ["PROVIDER", "LocalTrainer"]

PROVIDER = "local"
PACKAGES = {
    "torch": "'torch>=2.6'",
    "transformers": "'transformers>=5,<6'",
    "peft": "'peft>=0.17'",
    "safetensors": "'safetensors>=0.4.3'",
    "jinja2": "jinja2",
}
"""Module -> what to type to have it."""
RULES = Rules(
    who="the local trainer",
    row_keys=("messages",),
    message_keys=("role", "content", "weight", "refusal", "name"),
    parts={"": ("text", "refusal")},
)
_SHOWN = 1000  # characters of the first example in the log
_SMALL = 20_000_000
"""Parameters below which a second thread on a CPU makes more work than it does."""


@versioned(1)
class LocalTrainer:
    """Low-rank adapters, or all weights, of a causal language model that lies on the Hugging Face Hub or in a folder.

    `motools.training.local.hyperparameters` has the hyperparameters, and the sources of their defaults. The loss is
    that of what the assistant says, its stop token included; a message with `weight` 0 carries none. The log has the
    first example with what carries loss marked, and a dataset of which nothing does is refused before a weight is
    loaded.

    One GPU is held by one training or evaluation at a time. Every `local.save_every` steps (`motools.yaml`) all is
    kept that a later run needs to go on after a kill; on a CPU with as many threads, the weights come out the same to
    the last bit, and a GPU adds up in a fixed order.
    """

    provider = PROVIDER
    loss_columns = ("step", "train_loss")
    takes_checkpoints = True

    @property
    def preload(self) -> tuple[str, ...]:
        """None for a GPU: what has asked CUDA for anything, as an import may, cannot be forked."""
        return () if gpus() else ("torch", "transformers")

    @property
    def cores(self) -> float:
        return 1.0 if gpus() else float(os.cpu_count() or 1)

    def check(self, request: TrainingRequest) -> None:
        missing = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
        if missing:
            raise BackendError(f"Training with 'local' needs what is missing here: pip install {' '.join(missing)}.")
        check_suffix(request.suffix)
        check_checkpoints(request.checkpoints)
        hyperparameters(request.hyperparameters)
        Base.of(request.model)
        _settings()

    def check_row(self, row: Mapping[str, Any], model: str) -> None:
        check_row(row, RULES)

    def train(self, request: TrainingRequest, workspace: Path) -> TrainedModel:
        self.check(request)
        assert request.dataset is not None
        chosen, base = hyperparameters(request.hyperparameters), Base.of(request.model)
        content = base.content()
        tokenizer, rows = base.tokenizer(), list(chat_rows(request.dataset, RULES))
        longest = getattr(base.config(), "max_position_embeddings", None)
        plan = Plan(examples(rows, tokenizer, longest), chosen)
        tokens = tokenizer_digest(tokenizer)
        print(
            f"{len(plan.examples):,} examples of {len(rows):,} rows, {plan.total:,} steps of {plan.batch_size}, "
            f"{plan.all_tokens:,} tokens. The first, what carries loss between ⟦ and ⟧:\n"
            f"{shown(plan.examples[0], tokenizer):.{_SHOWN}}",
            flush=True,
        )
        steps = step_numbers(request.checkpoints, plan.total)
        with held_gpu():
            about = "-".join((plan.digest, tokens, content or str(base.revision)))
            made = _trained(base, plan, chosen, about, {step for step in steps.values() if step < plan.total})
        losses = [{"step": step, "train_loss": loss} for step, loss in enumerate(made.losses, 1)]
        origin = {"base_revision": base.revision} if base.revision else {"base_content": content}
        used = {**plan.resolved, "learning_rate": chosen.rate, "precision": made.precision}
        metadata = {
            "base_model": base.name,
            **origin,
            "hyperparameters": _of_method(used, chosen),
            "tokenizer": tokens,
            "steps": plan.total,
            "trained_rows": len(rows),
            "trained_tokens": plan.all_tokens,
            "final_loss": made.losses[-1],
        }
        model_args = {"trained_on": base.name, **{k.removeprefix("base_"): v for k, v in origin.items()}}

        def written(save: Callable[[Path], object], folder: Path, **more: Any) -> TrainedModel:
            folder.mkdir(parents=True, exist_ok=True)
            weights = _written(save, folder, base, tokenizer)
            (folder / "loss.json").write_text(json.dumps(losses, indent=2) + "\n", encoding="utf-8")
            word = request.suffix or re.sub(r".*/", "", base.name)
            model_id = model_name(PROVIDER, word, _digest(folder, weights))
            print(f"model {model_id}", flush=True)
            inspect = {"model": model_id, "model_args": model_args, "model_paths": {"path": weights}}
            return TrainedModel(folder, model_id, {**metadata, **more}, inspect)

        kept = {
            each: written(made.saved.get(step, made.model.save_pretrained), workspace / f"checkpoint-{each}", step=step)
            for each, step in steps.items()
        }
        model = written(made.model.save_pretrained, workspace / "model")
        return replace(model, usage={"trained_tokens": plan.all_tokens, **made.usage}, checkpoints=kept)


class _Made:
    """A model that was trained, and what is to be told of it; `saved` writes it as it was after a step."""

    def __init__(
        self,
        model: Any,
        losses: list[float],
        precision: str,
        usage: dict[str, Any],
        saved: dict[int, Callable[[Path], object]],
    ) -> None:
        self.model, self.losses, self.precision, self.usage, self.saved = model, losses, precision, usage, saved


def _trained(base: Base, plan: Plan, chosen: Hyperparameters, about: str, steps: Collection[int]) -> _Made:
    import torch

    from motools.training.local.loop import Loop, device_here, precision_on, prepared

    settings, device = _settings(), device_here()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    precision = precision_on(device, chosen)
    frozen = torch.bfloat16 if precision == "bf16" and chosen.method == "lora" else torch.float32
    model = prepared(base.model(frozen), chosen, settings).to(device)
    if device.type == "cpu" and sum(weight.numel() for weight in model.parameters()) < _SMALL:
        torch.set_num_threads(1)
    kept = Checkpoints(current_step().kept() / PROVIDER, f"{about}-{precision}")
    is_rounded = precision == "bf16" and chosen.method == "full"
    of_this = hashlib.sha256(kept.about.encode()).hexdigest()[:16]
    models = Models(current_step().kept() / f"{PROVIDER}-models" / of_this, is_rounded)
    losses = Loop(model, plan, chosen, settings, precision, kept, steps=steps, keep_model=models.keep).to_the_end()
    usage: dict[str, Any] = {"device": device.type}
    if device.type == "cuda":
        usage |= {"device": torch.cuda.get_device_name(), "peak_memory": torch.cuda.max_memory_allocated()}
    if is_rounded:
        model = model.to(torch.bfloat16)
    model = model.cpu()
    if device.type == "cuda":
        torch.cuda.empty_cache()  # while the model is written, another process may have the GPU
    return _Made(model, losses, precision, usage, {step: partial(models.copy, step) for step in steps})


def _written(save: Callable[[Path], object], folder: Path, base: Base, tokenizer: Any) -> str:
    """Write a model and its tokenizer as safetensors and JSON; the file by which it is told what it is."""
    save(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # an empty form
    config = folder / "adapter_config.json"
    if not config.exists():
        return "config.json"
    told = json.loads(config.read_text(encoding="utf-8"))
    told |= {"base_model_name_or_path": base.name, "revision": base.revision}  # no path of this machine's
    told = {name: sorted(value) if isinstance(value, list) else value for name, value in told.items()}
    config.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return config.name


def _digest(folder: Path, told_by: str) -> str:
    digest = hashlib.sha256((folder / told_by).read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _of_method(used: dict[str, Any], chosen: Hyperparameters) -> dict[str, Any]:
    idle = () if chosen.method == "lora" else ("rank", "alpha", "dropout", "target_modules")
    return {name: value for name, value in used.items() if name not in idle}


def _settings() -> LocalSettings:
    try:
        return read_settings(Project.find()).local
    except ProjectError:  # outside a project there is nothing to read
        return LocalSettings()
