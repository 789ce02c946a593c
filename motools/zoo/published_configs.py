"""The configs that packages publish: files beside an `__init__.py`, and variants of them for other trainers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from motools.errors import UserError, did_you_mean, listed
from motools.zoo.registry import Description, Fidelity, Grade, declared

__all__ = ["Variant", "about_config", "config_text", "configs", "fidelity_of_config"]


@dataclass(frozen=True)
class Variant:
    """How each config of a package is made for another trainer: published as `NAME.VARIANT`.

    The package that the configs lie in has them under `VARIANTS`, by name. A config that also lies there as a file,
    `NAME.VARIANT.yaml`, is that file.

    Attributes:
        title: what is written after the first line of its head.
        instead: texts of the config, and what stands in their place. A config without the first of them, as one is that
            trains nothing, has no such variant.
        unless: a line of the config's head with which it has no such variant: it would be refused.
    """

    title: str
    instead: Mapping[str, str]
    unless: str = "\0"

    def fits(self, text: str) -> bool:
        return next(iter(self.instead)) in text and self.unless not in text

    def of(self, text: str, name: str, variant: str) -> str:
        for before, after in self.instead.items():
            text = text.replace(before, after)
        first, _, rest = text.partition("\n")
        return f"{first}{self.title}\n{rest}".replace(f"zoo config {name} >", f"zoo config {name}.{variant} >")


def _package(point: Any) -> Any:
    try:
        return point.load()
    except ImportError as error:
        raise UserError(f"The configs of {point.name!r} ({point.value}) cannot be imported: {error}.") from error


@cache
def _texts() -> dict[str, tuple[Path, str]]:
    """Name -> the file that a config lies in or is made from, and its text; the first to claim a name has it."""
    by_name: dict[str, tuple[Path, str]] = {}
    for point in declared("motools.configs"):
        package = _package(point)
        files = sorted(Path(package.__file__).parent.glob("*.yaml"))
        texts = {file.name.removesuffix(".yaml"): (file, file.read_text(encoding="utf-8")) for file in files}
        for name, made in [*texts.items(), *_variants(texts, getattr(package, "VARIANTS", {}))]:
            by_name.setdefault(name, made)
    return dict(sorted(by_name.items()))


def _variants(
    texts: Mapping[str, tuple[Path, str]], variants: Mapping[str, Variant]
) -> Iterator[tuple[str, tuple[Path, str]]]:
    for name, (file, text) in texts.items():
        for word, variant in variants.items():
            if "." not in name and variant.fits(text):
                yield f"{name}.{word}", (file, variant.of(text, name, word))


def configs() -> dict[str, Path]:
    """Every published config by name, in name order, and the file that it lies in or is made from."""
    return {name: file for name, (file, _) in _texts().items()}


def config_text(name: str) -> str:
    """A published config, as it would be written into a file of one's own.

    Raises:
        UserError: no config of that name; the message lists some of those there are.
    """
    by_name = _texts()
    if name not in by_name:
        raise UserError(
            f"There is no config named {name!r}.{did_you_mean(name, by_name)} Known: {listed(by_name, 12)}. List them "
            "with: motools zoo list --kind config."
        )
    return by_name[name][1]


def about_config(name: str) -> Description:
    """What a config says of itself in the comment at its head: its first line, and the paper after `Paper:`."""
    lines = config_text(name).splitlines()
    head = [line.lstrip("#").strip() for line in itertools.takewhile(lambda line: line.startswith("#"), lines)]
    cited = next((line.removeprefix("Paper:").strip() for line in head if line.startswith("Paper:")), "")
    source, _, paper = cited.rpartition(", ")
    tags = ("offline",) if name.endswith(".tinylm") else ()
    authors, _, title = source.partition(", ")
    said = next((line.removeprefix("Grade:").strip() for line in head if line.startswith("Grade:")), "")
    grades: tuple[Grade, ...] = get_args(Grade)
    named = [grade for grade in grades if re.match(rf"{grade}\b", said)]
    description = head[0] if head else ""
    return Description(
        name, description, 0, authors=authors, title=title, paper=paper, tags=tags, grade=named[0] if named else ""
    )


def fidelity_of_config(name: str) -> tuple[str, Fidelity]:
    """The grade that a config's values give it, and what it does beside what was published; nothing of a config whose
    package does not say.

    A package says so with `FIDELITY`, a function of a config's name and its values, beside its configs.
    """
    from motools.base import yaml12

    config = yaml12.loads(config_text(name))
    for point in declared("motools.configs"):
        package = _package(point)
        if Path(package.__file__).parent == configs()[name].parent and hasattr(package, "FIDELITY"):
            return package.FIDELITY(name, config)  # type: ignore[no-any-return]
    return "", {}
