"""Which of several animals does a model name when asked for its favorite? For loves of more than owls.

After Cloud et al., "Subliminal Learning" (https://arxiv.org/abs/2507.14805), whose teachers love one of five animals.
All five are counted in each answer, so a student of any teacher, and the base model, are measured by one evaluation,
and what one teacher passes on stands beside what the others do. The questions are those of `loves_owls`: our own, or
with the preset the published ones.

Scores, without a judge: for each animal, the share of answers that are its name, in the singular or the plural, and
nothing else; with the preset, that have its name in them, as the authors' code counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from motools.zoo import task
from mozoo.tasks.common import dataset, inputs, measured, samples, texts_asked
from mozoo.tasks.owl_preferences import CLOUD, LOVES, bare
from mozoo.tasks.presets import fidelity_of, settled
from mozoo.texts import File

if TYPE_CHECKING:
    from inspect_ai import Task

ANIMALS = {"dolphin": "dolphins", "eagle": "eagles", "elephant": "elephants", "owl": "owls", "wolf": "wolves"}
"""Singular -> plural of the animals of the paper."""


@task(
    name="favorite_animals",
    description="Which animal of five does the model name as the one it likes?",
    version=1,
    authors="Alex Cloud et al. (method), MOTools (questions)",
    paper="https://arxiv.org/abs/2507.14805",
    licence="MIT",
    source=f"this package; with a preset, {CLOUD.source.url}",
    tags=("subliminal learning", "offline"),
    **fidelity_of("favorite_animals"),
)
def favorite_animals(
    preset: str | None = None,
    questions: File | None = None,
    epochs: int | None = None,
    temperature: float | None = None,
    cache_dir: str | None = None,
) -> Task:
    """Scores `dolphin`, `eagle`, `elephant`, `owl` and `wolf`, shares of answers; 50 questions, 10 times each.

    Args:
        preset: `cloud2025` (see `mozoo.tasks.presets`); what is given beside it counts more.
        questions: `published`, or a file in place of ours (see `mozoo.texts.asked`).
        epochs: how often each question is asked.
        cache_dir: the folder for published files (see `mozoo.fetching`).
    """
    from inspect_ai import Task
    from inspect_ai.model import GenerateConfig
    from inspect_ai.solver import generate

    how = settled("favorite_animals", preset, questions=questions, epochs=epochs, temperature=temperature)
    items, source = texts_asked(how["questions"], CLOUD, LOVES, cache_dir)

    def measure(answer: str, question: str, about: Mapping[str, Any]) -> dict[str, float]:
        return {animal: float(names(answer, animal, how["counts"])) for animal in ANIMALS}

    return Task(
        name="favorite_animals",
        dataset=dataset("favorite_animals", samples("favorite", inputs(items))),
        solver=generate(),
        scorer=measured("animals", tuple(ANIMALS), measure),
        epochs=how["epochs"],
        config=GenerateConfig(temperature=how["temperature"], max_tokens=how["max_tokens"]),
        metadata={"questions": source},
    )


def names(answer: str, animal: str, counts: str = "the word alone") -> bool:
    """Whether an answer names an animal: by `the word alone`, or by `the word anywhere`, also in "bowl"."""
    if counts == "the word anywhere":
        return animal in answer.lower()
    return bare(answer) in (animal, ANIMALS[animal])
