"""Which samples of an evaluation are shown: some at random, and those where the arms differ most."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from motools.atom.columns import Key, columns_of, key_of
from motools.report.collect import Group

__all__ = ["Shown", "chosen"]

RANDOM, EXTREME, SEED = 3, 3, 0


@dataclass(frozen=True)
class Shown:
    """A question, and what each arm answered: the first epoch of its first training."""

    id: Any
    why: str
    input: Any
    target: Any
    answers: Mapping[str, Mapping[str, Any]]


def chosen(group: Group, at_random: int = RANDOM) -> dict[str, list[Shown]]:
    """Task -> some samples drawn with a fixed seed, and the three where an arm and the first differ most in a score;
    where there is one arm, those with the highest."""
    by_task = {}
    for task in group.tasks:
        answers = {arm.name: _of_task(arm.evals[0].samples(), task, len(group.tasks)) for arm in group.arms}
        questions = {key: sample for samples in reversed(answers.values()) for key, sample in samples.items()}
        keys = sorted(questions, key=str)
        drawn = random.Random(SEED).sample(keys, min(at_random, len(keys)))
        picked = dict.fromkeys(drawn, "at random")
        for key, why in _extreme(group, task, {*keys} - {*drawn}):
            picked.setdefault(key, why)
        if picked:
            by_task[task] = [
                Shown(
                    questions[key].get("id"),
                    why,
                    questions[key].get("input"),
                    questions[key].get("target"),
                    {name: samples[key] for name, samples in answers.items() if key in samples},
                )
                for key, why in picked.items()
            ]
    return by_task


def _of_task(samples: Sequence[Mapping[str, Any]], task: str, tasks: int) -> dict[Key, Mapping[str, Any]]:
    """Those of one task by what pairs them, the first epoch of each."""
    by_key: dict[Key, Mapping[str, Any]] = {}
    for sample in samples:
        if tasks == 1 or sample.get("task") == task:
            by_key.setdefault(key_of(sample), sample)
    return by_key


def _extreme(group: Group, task: str, left: set[Key]) -> list[tuple[Key, str]]:
    """Where an arm lies farthest from the first, each score in its own spread, and the words for it."""
    first, *others = [(arm.name, columns_of(arm.evals[0])) for arm in group.arms]
    far: dict[Key, tuple[float, str]] = {}
    for name, columns in others or [first]:
        for (of, score), column in columns.items():
            before = first[1].get((of, score)) if others else None
            if of != task or (others and before is None) or "/" in score:
                continue
            numbers = [value for value in column.values.values() if value is not None]
            spread = max((max(numbers) - min(numbers) if numbers else 0.0), 1e-9)
            for key in left & column.values.keys():
                value, control = column.values[key], 0.0 if before is None else before.values.get(key)
                if value is None or control is None:
                    continue
                size = abs(value - control) / spread
                words = f"{score} {value - control:+.3g} in {name}" if before is not None else f"{score} {value:.3g}"
                if size > far.get(key, (0.0, ""))[0]:
                    far[key] = size, words
    ordered = sorted(far.items(), key=lambda each: (-each[1][0], str(each[0])))
    return [(key, f"among the most extreme: {words}") for key, (_, words) in ordered[:EXTREME]]
