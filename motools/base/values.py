"""Values: equality that tells types apart, and nested mappings as dotted names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def same_values(one: Any, other: Any) -> bool:
    """Equality that tells 1, 1.0 and true apart, and does not look at the order of keys."""
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted name."""
    mapping: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            mapping.update(flat(value, f"{prefix}{name}."))
        else:
            mapping[f"{prefix}{name}"] = value
    return mapping


def short_id(id: str) -> str:
    """An atom's id, or a hash, with the 12 digits that find it as well."""
    return id[: id.find("-") + 13] if "-" in id else id[:12]


def is_key(name: str) -> bool:
    """Whether a metric may stand for its stage: a score, no count of samples and no error of one."""
    return (
        "stderr" not in name and ".samples." not in name and not name.endswith((".unscored", ".blocked", ".too_long"))
    )
