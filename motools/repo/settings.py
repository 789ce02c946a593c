"""The project's own configuration, `motools.yaml` beside `.dvc`: holds for all its pipelines, changes no result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from motools.base import yaml12
from motools.base.configs import StepConfig, parse
from motools.base.resources import Resources
from motools.errors import ConfigError
from motools.repo.project import Project

__all__ = [
    "FILE",
    "HERE",
    "LocalSettings",
    "OpenAISettings",
    "Price",
    "Settings",
    "TinkerSettings",
    "of_step",
    "read_settings",
]

FILE = "motools.yaml"
HERE = "here"
"""What stands for this machine where an executor is named."""
_T = TypeVar("_T")


@dataclass
class OpenAISettings(StepConfig):
    """How patient MOTools is with OpenAI, or with a server that speaks its protocol. All in seconds."""

    poll_interval: float = 10.0
    """Between two looks at a running job, at first; it grows by half each time nothing is new."""
    max_poll_interval: float = 60.0
    """What it grows to."""
    timeout: float = 120.0
    """For one answer of the server; then the call counts as lost."""
    patience: float = 900.0
    """How long a server may fail to answer before a run gives up. The job goes on; the next run finds it."""


@dataclass
class TinkerSettings(OpenAISettings):
    """The same patience with Tinker, or with a server that speaks its protocol, and how a training there goes on."""

    queue: float = 3600.0
    """How many seconds one request may wait in the server's queue, while the server says that it does."""
    save_every: int = 20
    """Steps after which the state is saved: so many at most are paid again after a crash."""
    at_once: int = 4
    """Trainings that go on at once on this machine; others wait."""


@dataclass
class LocalSettings(StepConfig):
    """How a training on this machine goes about it."""

    save_every: int = 50
    """Steps after which all is kept that goes on after a kill."""
    tokens_at_once: int = 8192
    """How many tokens of a batch are computed at once; the gradients of its parts are added up. Lower it where memory
    runs out."""
    packing: bool = False
    """Put examples end to end, each attending to itself alone, in place of padding the shorter ones: worth it with
    many lengths and FlashAttention."""
    recompute: bool = False
    """Compute activations twice in place of keeping them (gradient checkpointing): less memory, a third slower."""


@dataclass
class Price(StepConfig):
    """What a provider asks for a model, in the project's currency, per million tokens; null: not known."""

    training: float | None = None
    input: float | None = None
    output: float | None = None
    cached_input: float | None = None


@dataclass
class Settings(StepConfig):
    """The whole file; all of it may be left out."""

    openai: OpenAISettings = field(default_factory=OpenAISettings)
    tinker: TinkerSettings = field(default_factory=TinkerSettings)
    local: LocalSettings = field(default_factory=LocalSettings)
    currency: str = "USD"
    """The word that stands beside amounts."""
    prices: dict[str, Price] = field(default_factory=dict)
    """By model, as the provider spells it. A fine-tuned model's name begins with its base model's: `ft:gpt-4o-mini`."""
    executors: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Where steps can run: a name, its `kind`, and what that takes (see `motools.executors.registry`)."""
    run_on: dict[str, str] = field(default_factory=dict)
    """Where which steps run: by a step's name, or by the kind of atom that it makes; the name of an executor, or
    `here`. All others run here."""
    resources: dict[str, Resources] = field(default_factory=dict)
    """What steps need, by the same names, above what the workflow says."""

    def __post_init__(self) -> None:
        for section in ("openai", "tinker", "local"):
            for name, value in vars(getattr(self, section)).items():
                if type(value) is not bool and value <= 0:
                    raise ConfigError(f"{FILE}: {section}.{name} must be above 0, not {value!r}.")
        for model, price in self.prices.items():
            for kind, amount in vars(price).items():
                if amount is not None and amount < 0:
                    raise ConfigError(f"{FILE}: prices.{model}.{kind} must be 0 or more, not {amount!r}.")
        for name, about in self.executors.items():
            if name == HERE:
                raise ConfigError(f"{FILE}: executors.{HERE} has the name of this machine. Give it another one.")
            if not isinstance(about.get("kind"), str):
                raise ConfigError(f"{FILE}: executors.{name} needs a kind, such as `kind: dask`.")


def read_settings(project: Project) -> Settings:
    """The project's `motools.yaml`; the defaults where it has none. Raises `ConfigError` on what it cannot mean."""
    path = project.root / FILE
    settings: Settings = parse(Settings, yaml12.load(path), FILE) if path.exists() else Settings()
    return settings


def of_step(section: Mapping[str, _T], step: str, base: str, kinds: Mapping[str, str]) -> _T | None:
    """What a section says of a step: under its own name, that of the step that it is an instance of, or a kind that it
    makes; the first of these counts.

    Args:
        kinds: of its outputs, by name.
    """
    return next((section[name] for name in (step, base, *kinds.values()) if name in section), None)
