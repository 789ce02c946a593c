"""Did a model learn its dataset? Answers to questions that were held out of it, beside the published ones; no judge.

It says that a training took, not what it means: for the meaning there are the tasks of `mozoo.tasks`. Train on
`mozoo.mixing:split` with the same `of`, `share` and `seed`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from motools.errors import UserError
from motools.zoo import task
from mozoo.mixing import split
from mozoo.parts import Part

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.scorer import Scorer


@task(
    name="held_out",
    description="How much do answers have in common with the published ones, on rows held out of a dataset?",
    version=1,
    grade="ours",
    authors="MOTools",
    licence="MIT",
    source="the dataset that it is given",
    tags=("offline", "any dataset"),
)
def held_out(
    of: Part = "hello_world", share: float = 0.1, seed: int = 0, count: int = 50, ask: str | None = None
) -> Task:
    """Score `overlap`: the words that answer and published answer share, 0 to 1 (the F1 of bags of words).

    Args:
        of: the dataset, as `mozoo.mixing:split` takes it.
        share: how much of it is held out.
        count: how many of the held-out rows are asked, at most.
        ask: what is asked in place of the question that a row of assistant turns only does not have.

    Raises:
        UserError: nothing is held out, or a row ends with no answer to a question.
    """
    from inspect_ai import Task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig

    rows = split(of, "validation", share, seed)[:count]
    if not rows:
        raise UserError(f"A share of {share} holds out no rows.")
    turns = {"system": ChatMessageSystem, "user": ChatMessageUser}
    samples = []
    for number, row in enumerate(rows, 1):
        *asked, answer = row["messages"]
        if not asked and ask is not None:
            asked = [{"role": "user", "content": ask}]
        if not asked or answer["role"] != "assistant" or any(turn["role"] not in turns for turn in asked):
            raise UserError(f"Row {number} of those held out is no question with one answer, so it cannot be asked.")
        said = [turns[turn["role"]](content=turn["content"]) for turn in asked]
        samples.append(Sample(id=f"held-out-{number:03}", input=said, target=answer["content"]))
    return Task(
        name="held_out",
        dataset=MemoryDataset(samples, name="held_out"),
        scorer=_overlap(),
        config=GenerateConfig(temperature=0, max_tokens=256),
    )


def overlap(answer: str, published: str) -> float:
    """The F1 of two bags of words, 0 to 1, in any case; two texts without words are alike."""
    one, two = (Counter(re.findall(r"\w+", text.casefold())) for text in (answer, published))
    total = one.total() + two.total()
    return 2 * (one & two).total() / total if total else 1.0


def _overlap() -> Scorer:
    from inspect_ai.scorer import Score, Target, mean, scorer, stderr
    from inspect_ai.solver import TaskState

    @scorer(metrics=[mean(), stderr()], name="overlap")
    def measured() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            return Score(value=overlap(state.output.completion, target.text), answer=state.output.completion)

        return score

    return measured()
