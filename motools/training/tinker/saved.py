"""What a training has saved at the server: known from the journal here, and from the marks that it carries there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from motools.base.files import replace_file, sweep

__all__ = ["KEY", "About", "Kept", "Save", "loss_curve"]

KEY, MODEL = "motools_key", "motools_model"
"""The marks of sessions and checkpoints by which they are found again."""
_KIND, _SINCE, _STEP, _LOSSES, _ABOUT = (
    "motools_kind",
    "motools_since",
    "motools_step",
    "motools_losses",
    "motools_plan",
)


@dataclass(frozen=True)
class About:
    """What a training is made of, as far as its result tells it: so that another clone can take that up unread."""

    plan: str
    tokenizer: str
    batch_size: int
    total: int
    rows: int
    tokens: int


@dataclass(frozen=True)
class Save:
    """Weights that lie at the server.

    Attributes:
        path: their `tinker://` name there.
        kind: `state` can be trained on, `sampler` can be asked.
        since: the step after which the losses begin.
        step: after how many steps they were saved; the next batch has this number.
        losses: of the steps after `since`, up to `step`.
    """

    path: str
    kind: Literal["state", "sampler"]
    since: int
    step: int
    losses: tuple[float, ...]
    about: About

    def marks(self, key: str, model: str) -> dict[str, str]:
        return {
            KEY: key,
            MODEL: model,
            _KIND: self.kind,
            _SINCE: str(self.since),
            _STEP: str(self.step),
            _LOSSES: " ".join(f"{loss:.6g}" for loss in self.losses),
            _ABOUT: json.dumps(asdict(self.about), separators=(",", ":")),
        }

    @classmethod
    def marked(cls, path: str, marks: Mapping[str, str]) -> Save | None:
        """What the marks of a checkpoint say; None where they are not ours."""
        try:
            kind: Any = marks[_KIND]
            losses = tuple(float(word) for word in marks[_LOSSES].split())
            about = About(**json.loads(marks[_ABOUT]))
            return cls(path, kind, int(marks[_SINCE]), int(marks[_STEP]), losses, about)
        except (KeyError, ValueError, TypeError):
            return None


def loss_curve(saves: Iterable[Save], step: int) -> list[dict[str, Any]]:
    """The loss of each step up to this one, as far as what was saved tells it, back from the last."""
    saves, rows = list(saves), []
    while (save := next((s for s in saves if s.step == step and s.since < step), None)) is not None:
        rows += [{"step": save.since + n, "train_loss": loss} for n, loss in reversed(list(enumerate(save.losses, 1)))]
        step = save.since
    return rows[::-1]


class Kept:
    """The journal's page of one training: what it saved, and how many tokens were sent. Losing it loses no step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            told = json.loads(path.read_bytes())
            self.saves = [_save(each) for each in told["saves"]]
            self.tokens = int(told["tokens"])
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            self.saves, self.tokens = [], 0

    def add(self, *saves: Save) -> None:
        paths = {save.path for save in self.saves}
        self.saves += [save for save in saves if save.path not in paths]
        self.write()

    def keep(self, saves: Iterable[Save]) -> None:
        self.saves = list(saves)
        self.write()

    def write(self) -> None:
        sweep(self.path.parent)  # what a killed writer left
        self.path.parent.mkdir(parents=True, exist_ok=True)
        told = {"saves": [asdict(save) for save in self.saves], "tokens": self.tokens}
        replace_file(self.path, json.dumps(told, indent=1) + "\n")


def _save(content: Mapping[str, Any]) -> Save:
    return Save(**{**content, "losses": tuple(content["losses"]), "about": About(**content["about"])})
