"""What a log says of where it is from: tags to find it by, and the same as data."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from motools.atom.atom import atoms_at_hand
from motools.atom.trainings import dose_above, seed_of
from motools.definition.context import StepContext, current_step
from motools.definition.instances import axes_in, value_of
from motools.errors import StepError
from motools.observe import observer

if TYPE_CHECKING:
    from motools.atom.atom import ModelAtom

__all__ = ["origin_of"]


def origin_of(atom: ModelAtom) -> dict[str, Any]:
    """What a log says of where it is from, so that one log can be told from another: in tags, and as data."""
    try:
        step = current_step()
    except StepError:  # called by hand, outside a step
        return {}
    folder = os.path.relpath(step.folder, step.project.root)
    about: dict[str, Any] = {
        "motools_project": step.project.root.name,
        "motools_folder": folder,
        "motools_stage": step.step,
        "motools_key": step.key,
        "motools_model": atom.id,
    }
    about |= {"motools_commit": head} if (head := step.project.git.head) else {}
    about |= {f"motools_made_from_{name}": id for name, id in sorted(atom.made_from.items())}
    if axes := _axes(step, atom):
        about["motools_axes"] = axes
    varies = [f"{name}={value}" for name, value in axes.items()]
    return {"tags": [step.step, *([folder] if folder != "." else []), step.key[:12], *varies], "metadata": about}


def _axes(step: StepContext, atom: ModelAtom) -> dict[str, Any]:
    """What tells this evaluation from those beside it: the axes of a sweep, else dose and seed of what was trained."""
    with observer().aside():  # what an id names cannot change
        dose = dose_above(atom.made_from.values(), lambda id: atoms_at_hand({id: id}, step.project).get(id))
    trained = {"dose": dose, "seed": seed_of(atom)}
    swept = {name: value_of(text) for name, text in axes_in(step.step).items()}
    return {**{name: value for name, value in trained.items() if value is not None}, **swept}
