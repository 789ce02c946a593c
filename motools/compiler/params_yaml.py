"""The text of params.yaml, with comments from docstrings; and the schema of a workflow's config."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from motools.base import values, yaml12, yaml_edit
from motools.base.configs import schema
from motools.compiler.compiled import Compiled
from motools.definition.instances import base_of
from motools.definition.workflow import Workflow
from motools.repo import pipeline

_PARAMS_HEADER = (
    "# The pipeline of this folder: `motools run` runs what changed, `motools status` says what that is.",
    "# One section a step, each key with its default; what hyperparameters leave out, their backend chooses.",
    "# Comments are kept.",
)


def params_text(compiled: Compiled, folder: Path, first: str = "") -> str | None:
    """The new text of params.yaml with the comments it has, or None where it says the same already.

    Args:
        first: the first line of a file that is not there yet.
    """
    wanted = {"workflow": compiled.reference, **compiled.sections}
    path = folder / pipeline.PARAMS
    before = yaml12.load(path)
    if values.same_values(before, wanted):
        return None
    if isinstance(before, dict) and before:
        return yaml_edit.updated(path.read_text(encoding="utf-8"), wanted)
    return "\n".join([*([first] if first else []), *_commented(compiled), ""])


def _commented(compiled: Compiled) -> Iterator[str]:
    """A new params.yaml: each key under the description that its config class gives it."""
    yield from _PARAMS_HEADER
    yield from yaml_edit.lines("workflow", compiled.reference)
    classes = {base_of(step.name): step.config_class for step in compiled.workflow.steps}
    for step, section in compiled.sections.items():
        yield ""
        if not section or step not in classes:
            yield from yaml_edit.lines(step, section)
            continue
        yield f"{step}:"
        properties = schema(classes[step]).get("properties", {})
        for name, value in section.items():
            if about := properties.get(name, {}).get("description"):
                yield f"  # {' '.join(about.split())}"
            yield from yaml_edit.lines(name, value, indent=2)


def config_schema(workflow: Workflow) -> dict[str, Any]:
    """The JSON schema of a workflow's config file and of the params.yaml that is made from it."""
    definitions: dict[str, Any] = {}
    sections: dict[str, Any] = {}
    schemas = {cls: schema(cls) for cls in dict.fromkeys(step.config_class for step in workflow.steps)}
    for step in workflow.steps:
        section = dict(schemas[step.config_class])
        definitions.update(section.pop("$defs", {}))
        sections[base_of(step.name)] = section
    required = [name for name, section in sections.items() if section.get("required")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": workflow.name,
        "description": workflow.description,
        "type": "object",
        "properties": {
            "workflow": {"type": "string", "description": "The workflow's name."},
            "sweep": {"type": "object", "description": "What varies: keys as train_model.hyperparameters.seed."},
            **sections,
        },
        "additionalProperties": False,
        **({"required": required} if required else {}),
        **({"$defs": definitions} if definitions else {}),
    }
