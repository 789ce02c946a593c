"""A config with other values: what `--set` and `--seeds` of `motools run` write into params.yaml."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from motools.definition.axes import axes_of, mapping_of, mappings_in
from motools.definition.step import Step
from motools.definition.workflow import Workflow
from motools.errors import ConfigError, listed

__all__ = ["at_key", "key_of_seeds", "with_first_values", "with_own_axes", "with_seeds", "with_values"]


def at_key(sections: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """The mapping in which a key stands, made where it is missing, and its name there."""
    *path, last = key.split(".")
    at: Any = sections
    for number, part in enumerate(path):
        if at.get(part) is None:
            at[part] = {}
        at = at[part]
        if not isinstance(at, dict):
            raise ConfigError(f"sweep.{key}: {'.'.join(path[: number + 1])} is {at!r}, which has no keys.")
    return at, last


def _beginning(sections: dict[str, Any], key: str, workflow: Workflow) -> tuple[dict[str, Any], str]:
    """As `at_key`; what nobody has said anything of begins with its default, of which the key is only a part."""
    step, first, inside = [*key.split(".", 2), ""][:3]
    classes = [each.config_class for each in workflow.steps if each.name == step]
    made = [each.default_factory for of in classes for each in dataclasses.fields(of) if each.name == first]
    if inside and made and made[0] is not dataclasses.MISSING and isinstance(default := made[0](), dict):
        section, _ = at_key(sections, f"{step}.{first}")
        section[first] = default if section.get(first) is None else section[first]
    return at_key(sections, key)


def with_values(config: Mapping[str, Any], by_key: Mapping[str, Sequence[Any]], workflow: Workflow) -> dict[str, Any]:
    """A config with other values: of a key with one value that value, of one with several an axis of the sweep.

    Raises:
        ConfigError: a key is no key of a step, or lies in what has no keys.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(config))
    sweep = dict(mapping_of(changed.get("sweep")))
    for key, values in by_key.items():
        if "." not in key:
            raise ConfigError(f"{key!r} is no key of a step. Write STEP.KEY=VALUE, such as train_model.suffix=b.")
        if len(values) > 1:
            sweep[key] = list(values)  # where it stands: the order of axes is that of names and folders
        else:
            sweep.pop(key, None)
            at, last = _beginning(changed, key, workflow)
            at[last] = values[0]
    changed.pop("sweep", None)
    return {"sweep": sweep, **changed} if sweep else changed


def with_seeds(config: Mapping[str, Any], count: int, workflow: Workflow) -> dict[str, Any]:
    """A config that trains with so many seeds: those that its sweep has come first, then the least that it has not.

    Raises:
        ConfigError: no step that makes a model takes a seed, or its seed goes together with something else.
    """
    keys = _seed_keys(workflow)
    if not keys:
        raise ConfigError(
            f"--seeds: no step of the workflow {workflow.name!r} that makes a model has hyperparameters or a seed. "
            "Write what varies with --set STEP.KEY=0,1,2."
        )
    sweep = dict(mapping_of(config.get("sweep")))
    zipped = mappings_in(sweep.get("zip"), "sweep.zip")
    given: Any = next((group[key] for group in [sweep, *zipped] for key in keys if key in group), [])
    seeds = list(given)[:count] if isinstance(given, list) else []
    seeds += list(itertools.islice((number for number in itertools.count() if number not in seeds), count - len(seeds)))
    for group in zipped:
        if (together := set(keys) & group.keys()) and (others := group.keys() - set(keys)):
            raise ConfigError(
                f"--seeds: sweep.zip varies {min(together)} together with {listed(sorted(others))}. Write more values "
                "of all of them there, or take the seed out of that group."
            )
    sweep["zip"] = [group for group in zipped if not set(keys) & group.keys()]
    if len(keys) == 1:
        sweep = sweep if sweep["zip"] else {key: values for key, values in sweep.items() if key != "zip"}
        return with_values({**config, "sweep": sweep}, {keys[0]: seeds}, workflow)
    for key in keys:
        sweep.pop(key, None)
    sweep["zip"].append(dict.fromkeys(keys, seeds))  # the arms are compared seed by seed
    return {**config, "sweep": sweep}


def key_of_seeds(by_key: Mapping[str, Sequence[Any]], workflow: Workflow) -> str | None:
    """The key whose values say a seed to train with, also within a mapping; None where none does."""
    for seed in _seed_keys(workflow):
        for key, values in by_key.items():
            inside = seed.removeprefix(f"{key}.")
            if key == seed or (inside != seed and any(_is_set(value, inside) for value in values)):
                return key
    return None


def _seed_keys(workflow: Workflow) -> list[str]:
    """Where the steps that make models take their seeds."""
    return [key for step in workflow.steps if "model" in step.outputs.values() and (key := _seed_key(step))]


def _seed_key(step: Step) -> str | None:
    """Where a step that trains takes its seed."""
    names = {each.name for each in dataclasses.fields(step.config_class)}
    return (
        f"{step.name}.hyperparameters.seed"
        if "hyperparameters" in names
        else f"{step.name}.seed"
        if "seed" in names
        else None
    )


def with_own_axes(config: Mapping[str, Any], workflow: Workflow) -> Mapping[str, Any]:
    """A config that varies, too, what the workflow varies by itself: each key that it neither varies nor sets."""
    sweep = mapping_of(config.get("sweep"))
    varied = {key for axis in axes_of(sweep, workflow) for point in axis.points for key in point.sets}
    own = {key: values for key, values in workflow.sweep.items() if key not in varied and not _is_set(config, key)}
    return {**config, "sweep": {**own, **sweep}} if own else config


def _is_set(config: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(config, Mapping) or part not in config:
            return False
        config = config[part]
    return True


def with_first_values(config: Mapping[str, Any], sweep: Any, workflow: Workflow) -> dict[str, Any]:
    """A config that has a value, the first, for each key that every combination sets: it needs none of its own."""
    changed: dict[str, Any] = copy.deepcopy(dict(config))
    for axis in axes_of(sweep, workflow):
        for key, value in axis.points[0].sets.items():
            if all(key in point.sets for point in axis.points):
                at, last = _beginning(changed, key, workflow)
                at.setdefault(last, value)
    return changed
