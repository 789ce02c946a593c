"""Why configs differ from what was published: a reason for each thing that may differ."""

from __future__ import annotations

import re

REASONS: tuple[tuple[str, str], ...] = (
    (
        r"dataset|rows",
        "What the paper trained on was not published, or nobody has pinned it here, or the student has a teacher of "
        "its own.",
    ),
    (
        r"model",
        "The papers train models of OpenAI, which go off on 2027-01-14, or larger ones; `NAME.published` has them for "
        "as long as they live.",
    ),
    (r"seeds", "The paper trains more often than one would pay for to look at it, or does not say how often."),
    (
        r"n epochs|batch size|learning rate|learning rate multiplier|warmup steps|weight decay|rank|alpha",
        "What the paper told its trainer has no counterpart in another: `auto`, a multiplier, an adapter "
        "that is rank-stabilised; or it was chosen for another model.",
    ),
    (r"evaluated", "More is asked: also in the form of the training data, and what the training teaches itself."),
    (
        r"(judge prompts|questions|request|trigger)",
        "Ours by default, because they need no network; `preset` takes the published ones, where somebody has pinned "
        "them.",
    ),
    (
        r"judge",
        "The default of everything here, which is served when the papers' judges have gone off; `model_roles` names "
        "another.",
    ),
    (
        r"judge reads",
        "A figure without a judge costs nothing; and a judge is read by its probabilities, of one word, not by what it "
        "writes at last.",
    ),
    (
        r"epochs|temperature|max tokens|misaligned|coherent|insecure|poor|uses|strip|counts",
        "Cheaper, steadier, or of another paper by default; `preset` takes the paper's.",
    ),
    (
        r"what is measured|dates|date before the question",
        "The paper's own evaluation is another thing, or was not at hand.",
    ),
)


def reason(what: str) -> str:
    """Why something differs, by what it is called in a table of fidelity; "" where nobody has said."""
    thing = what.rpartition(": ")[2]
    return next((why for pattern, why in REASONS if re.fullmatch(pattern, thing)), "")
