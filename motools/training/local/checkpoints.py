"""What a training keeps so that a kill takes no more than a few steps: numbers as safetensors, the rest as JSON."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.base.files import scratch, sweep

__all__ = ["Checkpoints", "Models", "State"]


@dataclass(frozen=True)
class State:
    """Where a training stands.

    Attributes:
        step: how many steps are done; the next batch has this number.
        losses: of each of them.
        numbers: by name, tensors of what is trained and of what the optimizer knows.
    """

    step: int
    losses: list[float]
    numbers: Mapping[str, Any]


class Checkpoints:
    """The last state of a training, in a folder of its own; a new one is whole before the old one goes."""

    def __init__(self, folder: Path, about: str) -> None:
        self.folder, self.about = folder, about

    def last(self) -> State | None:
        """The last that was kept of the same training; of another, or half of one, is none."""
        for path in sorted(self.folder.glob("step-*"), reverse=True):
            told = json.loads((path / "state.json").read_text(encoding="utf-8"))
            if told["about"] == self.about:
                from safetensors.torch import load_file

                return State(told["step"], told["losses"], load_file(path / "numbers.safetensors"))
        return None

    def keep(self, state: State) -> None:
        from safetensors.torch import save_file

        sweep(self.folder)
        before = list(self.folder.glob("step-*"))
        target = self.folder / f"step-{state.step:08d}"
        with scratch(self.folder) as aside:
            new = aside / "new"
            new.mkdir()
            save_file(dict(state.numbers), new / "numbers.safetensors")
            told = {"about": self.about, "step": state.step, "losses": state.losses}
            (new / "state.json").write_text(json.dumps(told), encoding="utf-8")
            for name in os.listdir(new):
                _onto_the_disk(new / name)
            if target.exists():
                shutil.rmtree(target)
            new.rename(target)
            _onto_the_disk(self.folder)
        for path in before:
            shutil.rmtree(path, ignore_errors=True)


class Models:
    """The models that a training is asked to keep on its way, each whole or not there.

    Args:
        is_rounded: whether they are kept in bf16, as the last one is.
    """

    def __init__(self, folder: Path, is_rounded: bool) -> None:
        self.folder, self.is_rounded = folder, is_rounded

    def keep(self, step: int, model: Any) -> None:
        """Write the model as it is; after a kill the same step leaves the same."""
        target = self.folder / f"step-{step:08d}"
        if target.exists():
            return
        more = {}
        if self.is_rounded:
            import torch

            more["state_dict"] = {name: each.to(torch.bfloat16) for name, each in model.state_dict().items()}
        with scratch(self.folder) as aside:
            model.save_pretrained(aside / "new", **more)
            if self.is_rounded:
                config = aside / "new" / "config.json"  # tells of the model in memory, and by it they would be loaded
                told = {**json.loads(config.read_text(encoding="utf-8")), "dtype": "bfloat16"}
                config.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            (aside / "new").rename(target)

    def copy(self, step: int, folder: Path) -> None:
        shutil.copytree(self.folder / f"step-{step:08d}", folder, dirs_exist_ok=True)


def _onto_the_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
