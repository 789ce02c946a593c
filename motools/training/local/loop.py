"""The training itself: batch after batch of the plan, from wherever it stands to its end.

Which examples a step is made with, at which rate, and what dropout leaves out, follow from the seed and the step's
number: so a training that was killed goes on as if nothing had happened, without a replay and without a gap.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from motools.base.gpu import gpus
from motools.errors import StepError
from motools.repo.settings import LocalSettings
from motools.training.examples import Example, Plan
from motools.training.local.checkpoints import Checkpoints, State
from motools.training.local.hyperparameters import Hyperparameters
from motools.training.tinker.hyperparameters import ADAM

__all__ = ["Loop", "device_here", "parts", "precision_on", "prepared"]

_NUMBERS, _FIRST, _SECOND = "trained/", "first/", "second/"


def device_here() -> torch.device:
    """The GPU, where there is one.

    Raises:
        StepError: PyTorch cannot use the GPU that is there. On the CPU it would take for ever, and compute otherwise.
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    if (names := gpus()) and torch.version.cuda:
        raise StepError(
            f"PyTorch {torch.__version__}, made for CUDA {torch.version.cuda}, cannot use the GPU {', '.join(names)} "
            "of this machine: its driver may be too old (`nvidia-smi` tells), or the project's code may have used it "
            "while it was imported. To do without, set CUDA_VISIBLE_DEVICES to nothing."
        )
    if names:
        print("This machine has a GPU, which the installed PyTorch was not made for: the CPU computes.", flush=True)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def precision_on(device: torch.device, chosen: Hyperparameters) -> str:
    """What `auto` stands for; raises `StepError` where the device cannot compute with bf16."""
    has_bf16 = device.type == "cpu" or (
        device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )
    if chosen.precision == "bf16" and not has_bf16:
        raise StepError("This machine's GPU has no bf16: set precision to fp32, or leave it out.")
    if chosen.precision != "auto":
        return chosen.precision
    return "bf16" if device.type == "cuda" and has_bf16 else "fp32"


def prepared(model: Any, chosen: Hyperparameters, settings: LocalSettings) -> Any:
    """The model with what is to be trained in it, in fp32: low-rank matrices, or its own weights."""
    model.config.use_cache = False
    if settings.recompute:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if chosen.method == "full":
        return model.float()
    from peft import LoraConfig, get_peft_model

    every = chosen.target_modules == ["all-linear"]
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=chosen.rank,
        lora_alpha=chosen.alpha,
        lora_dropout=chosen.dropout,
        target_modules="all-linear" if every else list(chosen.target_modules),
    )
    torch.manual_seed(chosen.seed)  # the matrices begin on the CPU, the same wherever they go
    try:
        return get_peft_model(model, lora)
    except ValueError as error:
        raise StepError(f"target_modules fits nothing in the model: {error}") from None


@dataclass
class Loop:
    """One training, its model on the device where it is to be done.

    Attributes:
        steps: after which the model itself is kept, by `keep_model`, before anything that goes on from there.
    """

    model: Any
    plan: Plan
    chosen: Hyperparameters
    settings: LocalSettings
    precision: str
    kept: Checkpoints
    ordered: bool = True
    """On a GPU, too, add up in an order that is the same each time. Without it a training is another every time."""
    steps: Collection[int] = ()
    keep_model: Callable[[int, Any], object] = lambda step, model: None

    def __post_init__(self) -> None:
        named = [(name, weight) for name, weight in self.model.named_parameters() if weight.requires_grad]
        self.trained: dict[str, torch.nn.Parameter] = dict(named)
        self.device = next(iter(self.trained.values())).device
        self.optimizer = torch.optim.AdamW(
            self.trained.values(),
            lr=self.chosen.rate,
            betas=(ADAM["beta1"], ADAM["beta2"]),
            eps=ADAM["eps"],
            weight_decay=self.chosen.weight_decay,
            fused=self.device.type == "cuda",
        )

    def to_the_end(self) -> list[float]:
        """Train as far as it is not done; the loss of each step, the mean of its examples'.

        Raises:
            StepError: the training diverges, or the memory does not do.
        """
        state = self.kept.last()
        losses = self._taken_up(state) if state else []
        if losses:
            print(f"going on after step {len(losses)} of {self.plan.total}", flush=True)
        self.model.train()
        with in_order() if self.ordered and self.device.type == "cuda" else nullcontext():
            return self._on_from(losses)

    def _on_from(self, losses: list[float]) -> list[float]:
        while (step := len(losses)) < self.plan.total:
            try:
                loss = self._step(step)
            except torch.OutOfMemoryError as error:
                raise StepError(
                    f"The memory of the GPU does not do for {self.settings.tokens_at_once:,} tokens at once. Set "
                    "local: {tokens_at_once: ...} lower in motools.yaml, or recompute: true there. "
                    f"({' '.join(str(error).split()):.200})"
                ) from None
            except RuntimeError as error:
                if "deterministic" not in str(error) or torch.is_deterministic_algorithms_warn_only_enabled():
                    raise
                print(f"The last digits will differ from one training to the next: {error}", flush=True)
                torch.use_deterministic_algorithms(True, warn_only=True)
                continue
            if not math.isfinite(loss):
                raise StepError(f"The training diverged. Lower learning_rate, which is {self.chosen.rate:g}.")
            losses.append(float(f"{loss:.6g}"))
            print(f"step {step + 1}/{self.plan.total} loss {losses[-1]:.4g}", flush=True)
            if step + 1 in self.steps:
                self.keep_model(step + 1, self.model)
            if (step + 1) % self.settings.save_every == 0 and step + 1 < self.plan.total:
                self.kept.keep(self._state(losses))
        return losses

    def _step(self, step: int) -> float:
        torch.manual_seed(self.chosen.seed * 1_000_003 + step)  # of dropout
        batch = self.plan.batch(step)
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for part in parts(batch, self.settings.tokens_at_once):
            loss = self._loss(part) / len(batch)
            loss.backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(self.trained.values(), self.chosen.max_grad_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(step)
        self.optimizer.step()
        return float(total)

    def _loss(self, part: Sequence[Example]) -> torch.Tensor:
        """The sum of the examples' losses. The last layer is computed only where a token carries loss.

        Padding stands behind the examples, and what comes later is not attended to: so no mask is needed.
        """
        if self.settings.packing:
            ids = np.concatenate([example.tokens for example in part])[None]
            weights = np.concatenate([_weights(example) for example in part])[None]
            places = np.concatenate([np.arange(len(example.tokens)) for example in part])[None]
            more = {"position_ids": torch.from_numpy(places).to(self.device)}
        else:
            longest, more = max(len(example.tokens) for example in part), {}
            ids = np.stack([np.pad(example.tokens, (0, longest - len(example.tokens))) for example in part])
            weights = np.stack([np.pad(_weights(example), (0, longest - len(example.tokens))) for example in part])
        here = np.flatnonzero(weights)  # positions, of all rows one after another, whose next token carries loss
        targets = torch.from_numpy(np.roll(ids, -1, axis=1).ravel()[here].astype(np.int64)).to(self.device)
        counts = torch.from_numpy(weights.ravel()[here]).to(self.device)
        tokens = torch.from_numpy(ids.astype(np.int64)).to(self.device)
        with self._computing(), self._last_layer_at(torch.from_numpy(here).to(self.device)):
            logits = self.model(input_ids=tokens, use_cache=False, **more).logits
        each = torch.nn.functional.cross_entropy(logits[0].float(), targets, reduction="none")
        return (each * counts).sum()

    @contextmanager
    def _last_layer_at(self, here: torch.Tensor) -> Iterator[None]:
        """Let what turns hidden states into logits see those of some positions, as one row."""
        taken = self.model.get_output_embeddings().register_forward_pre_hook(
            lambda _, given: (given[0].flatten(0, 1)[here][None], *given[1:])
        )
        try:
            yield
        finally:
            taken.remove()

    def _computing(self) -> AbstractContextManager[Any]:
        on = self.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if on else nullcontext()

    # -- what a kill must not take ----------------------------------------------

    def _state(self, losses: list[float]) -> State:
        numbers = {_NUMBERS + name: weight.detach() for name, weight in self.trained.items()}
        for name, weight in self.trained.items():
            about = self.optimizer.state[weight]
            numbers |= {_FIRST + name: about["exp_avg"], _SECOND + name: about["exp_avg_sq"]}
        return State(len(losses), losses, {name: value.contiguous() for name, value in numbers.items()})

    def _taken_up(self, state: State) -> list[float]:
        with torch.no_grad():
            for name, weight in self.trained.items():
                weight.copy_(state.numbers[_NUMBERS + name])
                self.optimizer.state[weight] = {
                    "step": torch.tensor(
                        float(state.step), device=weight.device if self.device.type == "cuda" else None
                    ),
                    "exp_avg": state.numbers[_FIRST + name].to(weight.device),
                    "exp_avg_sq": state.numbers[_SECOND + name].to(weight.device),
                }
        return list(state.losses)


@contextmanager
def in_order() -> Iterator[None]:
    """Kernels of CUDA whose sums come out the same to the last bit; an operation that has none raises RuntimeError."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS wants for it, before its first product
    torch.utils.deterministic.fill_uninitialized_memory = False  # which finds mistakes, and costs time
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def parts(batch: Sequence[Example], most: int) -> Iterator[list[Example]]:
    """A batch in parts of at most so many tokens, padding included; those of like length together."""
    part: list[Example] = []
    for example in sorted(batch, key=lambda each: len(each.tokens)):
        if part and (len(part) + 1) * len(example.tokens) > most:
            yield part
            part = []
        part.append(example)
    yield part


def _weights(example: Example) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Of each position: that of the token after it."""
    return np.append(example.weights, np.float32(0))
