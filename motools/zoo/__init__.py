"""The zoo: what packages publish by name, and how it is declared, found and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from motools.zoo.published_configs import Variant, about_config, config_text, configs, fidelity_of_config
from motools.zoo.registry import (
    Description,
    Fidelity,
    Grade,
    Kind,
    about,
    dataset,
    declared_version,
    lookup,
    named,
    published,
    task,
    titles,
    versioned,
)

if TYPE_CHECKING:
    from motools.base.chat.lines import refuse_wrong_row
    from motools.base.locks import file_lock
    from motools.zoo.checks import OFFLINE, says_yes
    from motools.zoo.loaders import refuse_other

__all__ = [
    "OFFLINE",
    "Description",
    "Fidelity",
    "Grade",
    "Kind",
    "Variant",
    "about",
    "about_config",
    "config_text",
    "configs",
    "dataset",
    "declared_version",
    "fidelity_of_config",
    "file_lock",
    "lookup",
    "named",
    "published",
    "refuse_other",
    "refuse_wrong_row",
    "says_yes",
    "task",
    "titles",
    "versioned",
]

_LATER = {
    "OFFLINE": "motools.zoo.checks",
    "file_lock": "motools.base.locks",
    "refuse_other": "motools.zoo.loaders",
    "refuse_wrong_row": "motools.base.chat.lines",
    "says_yes": "motools.zoo.checks",
}
"""Imported when they are asked for."""


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name in _LATER:
            from importlib import import_module

            return getattr(import_module(_LATER[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
