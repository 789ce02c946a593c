"""Who judges, asked one question before a training is paid: so one that cannot judge is not found out after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from motools.base.too_many_requests import is_hopeless
from motools.errors import BackendError, MotoolsError
from motools.zoo.checks import OFFLINE, says_yes

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.model import Model

__all__ = ["try_graders"]

QUESTION = "This tries out whether you can be asked. Reply with one word and nothing else: yes."
"""What a model in a role is asked, with the role's own options; a judge of `mozoo.judges` is asked for a number."""
PATIENCE = 20.0
"""Seconds for an answer. A server that is silent or stumbles says nothing of the config, and is let pass."""
_PASSING = (408, 409, 425, 429)


def try_graders(tasks: Sequence[Task], roles: Mapping[str, Model], judged: bool = True) -> None:
    """Ask what the tasks' scorers have to ask beforehand, and each model that has a role; with MOTOOLS_OFFLINE nothing.

    Args:
        judged: whether the role `grader` can be asked by scorers: the function `rehearse` that a scorer may have.

    Raises:
        BackendError: the provider refuses, in its own words, or the scorer cannot read the model.
    """
    if says_yes(OFFLINE):
        return
    trials: dict[str, Callable[[], Awaitable[Any]]] = {}
    for task in tasks if judged else ():
        for number, scorer in enumerate(task.scorer or ()):
            if (rehearse := getattr(scorer, "rehearse", None)) is not None:
                trials[f"The grader of {task.name}{'' if number == 0 else f', scorer {number + 1}'}"] = rehearse
    for role, model in roles.items():
        model.config.max_retries = 0  # beside those of the provider's own client: a rehearsal waits for nobody
        if role != "grader" or not trials:
            trials[f"The model {model}, which is to be {role},"] = partial(_answer, model)
    asyncio.run(_tried(trials))


async def _answer(model: Model) -> None:
    from inspect_ai.model import GenerateConfig

    # Inspect would first ask a reasoning model of OpenAI's whether it sums up its thoughts.
    await model.generate(QUESTION, config=GenerateConfig(reasoning_summary=model.config.reasoning_summary or "none"))


async def _tried(trials: Mapping[str, Callable[[], Awaitable[Any]]]) -> None:
    for who, trial in trials.items():
        try:
            await asyncio.wait_for(trial(), PATIENCE)
        except MotoolsError as error:
            raise BackendError(f"{who} cannot judge. {error}") from error
        except Exception as error:  # of any provider's client
            if _is_refusal(error):
                from motools.evals.inspect.logs import cause_of

                raise BackendError(f"{who} cannot be asked: {cause_of(error)}.") from error


def _is_refusal(error: BaseException | None) -> bool:
    """Whether a provider says that it will not answer, now or later; a busy or broken one may answer by then."""
    while error is not None:
        codes = (getattr(error, name, None) for name in ("status_code", "code"))
        if (code := next((code for code in codes if isinstance(code, int)), None)) is not None:
            return is_hopeless(error) or (400 <= code < 500 and code not in _PASSING)
        error = error.__cause__ or error.__context__
    return False
