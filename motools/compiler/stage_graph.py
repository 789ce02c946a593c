"""Which stages of a dvc.yaml take what others make: a workflow's graph, told without importing the workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from motools.compiler.dvc_yaml import body_of, is_written_here
from motools.definition.instances import base_of, label_of
from motools.repo import pipeline

__all__ = ["StageGraph", "StageNode", "graph_of"]


@dataclass(frozen=True)
class StageNode:
    """A step as dvc.yaml tells of it: the names of its inputs and outputs; it does not tell of which kind they are.

    Attributes:
        spread: what its outputs vary by, where one execution makes several of each: axis -> texts.
    """

    name: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    gathers: Sequence[str] = ()
    spread: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class StageGraph:
    """The generated stages of a dvc.yaml, each after those that it takes from."""

    steps: Sequence[StageNode] = ()
    above: Mapping[str, set[str]] = field(default_factory=dict)

    @property
    def ends(self) -> list[StageNode]:
        """Those that nothing is made of."""
        taken = {given for step in self.steps for given in step.inputs}
        return [step for step in self.steps if taken.isdisjoint(step.outputs)]


def graph_of(stages: Mapping[str, Any]) -> StageGraph:
    """The graph of the stages that `pipeline.read_stages` gives; those written by hand have no part in it."""
    nodes = [_node(name, stage) for name, stage in stages.items() if is_written_here(stage)]
    makers = {output: node.name for node in nodes for output in node.outputs}
    above: dict[str, set[str]] = {}
    for node in nodes:
        first = {makers[given] for given in node.inputs if given in makers} - {node.name}
        above[node.name] = first.union(*(above.get(name, set()) for name in first))
    return StageGraph(nodes, above)


def _node(name: str, stage: Mapping[str, Any]) -> StageNode:
    body = body_of(stage)
    paths = [path for path in body.get("deps") or [] if isinstance(path, str) and path.startswith("atoms/")]
    outs = [next(iter(out)) if isinstance(out, dict) else out for out in body.get("outs") or []]
    inputs = [pipeline.name_at(path) for path in paths]
    # An instance by its name is one of those that are gathered; that of a group's input stands for any, as ${item.at}.
    gathers = {base_of(given) for given in inputs if "@" in given and "$" not in given}
    made = [pipeline.name_at(str(path)) for path in outs if str(path).startswith("atoms/")]
    spread: dict[str, dict[str, None]] = {}
    for output in made:
        for axis, _, text in (part.partition("=") for part in label_of(output).split(",") if "=" in part):
            spread.setdefault(axis, {})[text] = None
    return StageNode(
        name,
        dict.fromkeys(map(base_of, inputs), ""),
        dict.fromkeys(map(base_of, made), ""),
        sorted(gathers),
        {axis: list(texts) for axis, texts in spread.items()},
    )
