"""What results used: tokens as the providers counted them, and money where the project's motools.yaml has the price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from motools.atom import records
from motools.repo import pipeline
from motools.repo.hashing import hash_file
from motools.repo.project import Project
from motools.repo.settings import Price, Settings

__all__ = ["Estimate", "Spent", "of_pipeline", "spent", "total", "training_price"]

_FREE = ("tinylm", "dummy", "mockllm", "local")  # models of this machine's own
_MILLION = 1_000_000


@dataclass(frozen=True)
class Spent:
    """Tokens, and what they cost.

    Attributes:
        training: tokens trained on, all epochs.
        input: tokens that models were asked with, at the full price.
        cached_input: those that the provider had cached.
        output: tokens that models answered with.
        cost: in the project's currency; None where nothing has a price.
        unpriced: models whose tokens are not in `cost`, for want of a price.
    """

    training: int = 0
    input: int = 0
    cached_input: int = 0
    output: int = 0
    cost: float | None = None
    unpriced: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        return self.training + self.input + self.cached_input + self.output

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "unpriced": list(self.unpriced)}

    def __str__(self) -> str:
        kinds = {"training": self.training, "input": self.input + self.cached_input, "output": self.output}
        return " + ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count) + " tokens"


def spent(usage: Mapping[str, Any], config: Mapping[str, Any], settings: Settings) -> Spent:
    """What one execution used, from its run record's usage and config."""
    parts = []
    if trained := _count(usage, "trained_tokens"):
        model = str(config.get("model", ""))
        free = config.get("backend_name") in _FREE
        parts.append(_priced(model, {"training": trained}, settings, free))
    for model, counts in usage.items():
        if isinstance(counts, Mapping) and model not in ("roles", "kept"):  # told apart by who asked; paid for before
            kinds = {
                "input": _count(counts, "input_tokens") + _count(counts, "input_tokens_cache_write"),
                "cached_input": _count(counts, "input_tokens_cache_read"),
                "output": _count(counts, "output_tokens"),
            }
            parts.append(_priced(model, kinds, settings, model.partition("/")[0] in _FREE))
    return total(parts)


def _count(counts: Mapping[str, Any], name: str) -> int:
    """A number of tokens; what a step says that is none counts nothing."""
    count = counts.get(name)
    return int(count) if isinstance(count, int | float) and 0 <= count < 1e18 else 0


def _priced(model: str, counts: Mapping[str, int], settings: Settings, free: bool) -> Spent:
    training, asked, cached, output = (counts.get(k, 0) for k in ("training", "input", "cached_input", "output"))
    counted = Spent(training, asked, cached, output)
    if free:
        return replace(counted, cost=0.0 if settings.prices else None)
    price = price_of(model, settings)
    prices = {kind: getattr(price, kind) for kind, count in counts.items() if count}
    if prices.get("cached_input", 0) is None:
        prices["cached_input"] = prices.get("input", price.input)  # at most
    if None in prices.values():
        return replace(counted, unpriced=(model,))
    return replace(counted, cost=sum(counts[kind] * price for kind, price in prices.items()) / _MILLION)


def price_of(model: str, settings: Settings) -> Price:
    """The price of the longest name in motools.yaml that a model's name is, or begins with; an empty one if none.

    `openai/ft:gpt-4o-mini-2024-07-18:org::id` is found under `ft:gpt-4o-mini-2024-07-18` and `ft:gpt-4o-mini`.
    """
    names = (model, model.partition("/")[2])
    fits = [p for p in settings.prices if any(n == p or n.startswith((f"{p}:", f"{p}-")) for n in names)]
    return settings.prices[max(fits, key=len)] if fits else Price()


def training_price(model: str, tokens: int, settings: Settings) -> float | None:
    """What training on so many tokens would cost; None where no price is known."""
    return _priced(model, {"training": tokens}, settings, False).cost


def total(parts: Iterable[Spent]) -> Spent:
    """The sum, in which an object that is there twice counts once; its cost is that of the parts that have one."""
    parts = list({id(part): part for part in parts}.values())
    costs = [part.cost for part in parts if part.cost is not None]
    return Spent(
        training=sum(part.training for part in parts),
        input=sum(part.input for part in parts),
        cached_input=sum(part.cached_input for part in parts),
        output=sum(part.output for part in parts),
        cost=sum(costs) if costs else None,
        unpriced=tuple(sorted({model for part in parts for model in part.unpriced})),
    )


@dataclass(frozen=True)
class Estimate:
    """What a training would use.

    Attributes:
        model: the base model, as the provider spells it.
        rows: of the dataset.
        tokens: of one pass over them, estimated from their length (four characters a token).
        epochs: how many passes; None where the provider chooses.
    """

    model: str
    rows: int
    tokens: int
    epochs: int | None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "trained_tokens": self.tokens * self.epochs if self.epochs else None}

    def told(self, settings: Settings) -> str:
        """In words, with what it would cost."""
        times = self.epochs or 1
        how = f"{self.epochs} epochs" if self.epochs else "an epoch, of which the provider chooses the number"
        price = training_price(self.model, self.tokens * times, settings)
        cost = f", {price:.4f} {settings.currency}" if price is not None else ""
        return f"about {self.tokens * times:,} training tokens ({self.rows:,} rows, {how}){cost}"


def of_pipeline(
    project: Project, folder: Path, settings: Settings, by_record: dict[str, Spent] | None = None
) -> dict[str, Spent]:
    """What the results that stand in a pipeline's folder used when they were made, by stage.

    Of stages that have come to one result, which was made once, it is one object: see `total`.

    Args:
        by_record: what is known of other folders, by the hash of a record; that of this one is added.
    """
    by_stage, by_record = {}, {} if by_record is None else by_record
    for stage, entry in pipeline.read_lock(folder).items():
        path = folder / pipeline.record_path(stage)
        md5 = next((str(o["md5"]) for o in entry.get("outs", []) if o.get("path") == pipeline.record_path(stage)), None)
        record = records.read(project, md5 or (hash_file(path) if path.is_file() else ""), path)
        if record is not None:
            now = spent(record.usage, record.config, settings)
            by_stage[stage] = by_record.setdefault(md5, now) if md5 else now
    return by_stage
