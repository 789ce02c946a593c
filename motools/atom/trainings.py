"""Which training an evaluation is of: two of one training say nothing about another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from motools.errors import AtomError

if TYPE_CHECKING:
    from motools.atom.atom import Atom, EvalAtom

__all__ = ["Training", "dose_above", "refuse_repeated", "seed_of", "training_of"]


@dataclass(frozen=True)
class Training:
    """What is known of the model that was evaluated.

    Attributes:
        model: its atom's id; None where the evaluation names no model, or several.
        seed: of its training; None where its atom is not at hand, or says none.
        fixed: whether it was not trained at all, but names a model that there is, such as a provider's.
    """

    model: str | None = None
    seed: Any = None
    fixed: bool = False


def training_of(evaluation: EvalAtom) -> Training:
    """Read from the model's atom, where it is at hand."""
    from motools.atom.atom import at_hand
    from motools.repo.survey import Survey

    models = [id for id in evaluation.made_from.values() if id.startswith("model-")]
    if len(models) != 1:
        return Training()
    atom = at_hand(Survey(evaluation.project), models[0].rpartition("-")[2])
    if atom is None:
        return Training(models[0])
    return Training(models[0], seed_of(atom), not atom.made_from)


def seed_of(model: Atom) -> Any:
    """The seed of a model's training; None where its atom says none."""
    chosen = model.metadata.get("hyperparameters")
    return chosen.get("seed") if isinstance(chosen, dict) else None


def dose_above(ids: Iterable[str], find: Callable[[str], Atom | None]) -> float | None:
    """The fraction, 0 to 1, that the nearest dataset above says it has of what it is mixed with.

    Args:
        ids: of what something was made from.
        find: the atom of an id, None where it is not at hand.
    """
    todo = [*ids]
    for id in todo:  # which grows meanwhile
        above = None if id.startswith("eval-") else find(id)
        if above is None:
            continue
        fraction = above.metadata.get("fraction")
        if above.kind == "dataset" and isinstance(fraction, (int, float)) and not isinstance(fraction, bool):
            return float(fraction)
        todo += [each for each in above.made_from.values() if len(todo) < 20]
    return None


def refuse_repeated(arm: str, evals: Sequence[str], trainings: Sequence[Training]) -> None:
    """Raises `AtomError` where an arm has an evaluation twice, or two of one model, which would be two trainings."""
    models = [training.model for training in trainings if training.model is not None]
    for kind, ids in (("evaluations of one model", models), ("times one evaluation", evals)):
        for id in ids:
            if ids.count(id) > 1:
                raise AtomError(f"The arm {arm!r} has {ids.count(id)} {kind}, {id}: give it one of each training.")
