"""existing_model: a model that a provider already serves, as an atom."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motools.atom.atom import Atom
from motools.base import trusted_hosts
from motools.base.configs import StepConfig
from motools.definition.step import AtomConstructor
from motools.errors import BackendError
from motools.zoo import versioned


@dataclass
class ExistingModelConfig(StepConfig):
    """Config of `existing_model`."""

    model: str
    """The model's id with Inspect's provider before it, such as openai/gpt-4o-mini or tinylm/base."""
    model_args: dict[str, Any] = field(default_factory=dict)
    """Arguments for Inspect's provider, such as base_url."""


def check_existing(config: ExistingModelConfig) -> None:
    """Before a run: refuse arguments that would have a key sent to a host that is not the person's own."""
    if why := trusted_hosts.refusal(config.model_args, "existing_model.model_args"):
        raise BackendError(why)


@versioned(1)
def existing_model(
    config: ExistingModelConfig,
    input_atoms: dict[str, Atom],
    workspace: Path,
    output: str = "base_model",
) -> list[AtomConstructor]:
    """Make a model atom that names a model; nothing is trained or fetched."""
    folder = workspace / "model"
    folder.mkdir()
    about = {
        "model_id": config.model,
        "inspect": {"model": config.model, "model_args": config.model_args},
    }
    return [AtomConstructor(output, folder, "model", about)]
