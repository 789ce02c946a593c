"""The plots of a dvc.yaml: what steps say can be drawn of their results, and what a person has written beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from motools.base.configs import parse
from motools.compiler.compiled import Compiled
from motools.repo import pipeline

__all__ = ["loses_plots", "with_plots"]

OURS = "motools_"
"""How the names of generated plots begin, where they are not those of folders `data/plots/...` of atoms."""


def with_plots(compiled: Compiled, before: Any) -> list[Any]:
    """What dvc.yaml says under `plots`: the generated ones, and after them a person's own as they are."""
    generated = [{name: props} for name, props in _generated(compiled).items()]
    return [*generated, *(plot for plot in _listed(before) if not _ours(plot))]


def loses_plots(compiled: Compiled, before: Any) -> bool:
    """Whether a person has changed a generated plot that is there still."""
    now = _generated(compiled)
    props_before = {
        name: props for plot in _listed(before) if _ours(plot) for name, props in plot.items() if name in now
    }
    return any(_but_files(props) != _but_files(now[name]) for name, props in props_before.items())


def _generated(compiled: Compiled) -> dict[str, dict[str, Any]]:
    """Files of one name, such as the losses of several trainings, are lines of one plot; a folder has a plot a file."""
    plots: dict[str, dict[str, Any]] = {}
    for path, props in _of_steps(compiled):
        if not path.endswith(".json"):
            plots[path] = props
            continue
        name = OURS + path.rpartition("/")[2].removesuffix(".json")
        if plots.get(name, props)["x"] != props["x"]:  # another trainer counts in another unit
            name = f"{name}_{props['x']}"
        lines = plots.setdefault(name, {**props, "y": {}})["y"]
        lines[path] = props["y"]
    return plots


def _of_steps(compiled: Compiled) -> Iterator[tuple[str, dict[str, Any]]]:
    for step in compiled.workflow.steps:
        if step.plots is not None:
            made = pipeline.atom_path(next(iter(step.outputs)))
            for path, props in step.plots(parse(step.config_class, compiled.config[step.name], step.name)).items():
                yield f"{made}/data/{path}", dict(props)


def _listed(plots: Any) -> list[Any]:
    """DVC takes a list of names and of mappings, or one mapping."""
    if isinstance(plots, Mapping):
        return [{name: props} for name, props in plots.items()]
    return plots if isinstance(plots, list) else []


def _ours(plot: Any) -> bool:
    names = list(plot) if isinstance(plot, Mapping) else [plot]
    return all(str(name).startswith(OURS) or "/data/plots/" in str(name) for name in names)


def _but_files(props: Any) -> Any:
    return {name: each for name, each in props.items() if name != "y"} if isinstance(props, Mapping) else props
