"""filter_dataset: functions of the project and a judge say which rows of a dataset are kept."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from motools.atom.atom import Atom, DatasetAtom, ModelAtom
from motools.base.chat.lines import line_of
from motools.base.chat.text import text_of
from motools.base.configs import StepConfig
from motools.definition.config import Code, Idle
from motools.definition.step import AtomConstructor
from motools.errors import ConfigError, StepError, did_you_mean, listed
from motools.evals.inspect.asking import ask, check_asking, is_paid_asking
from motools.evals.options import IDLE
from motools.steps.evaluate_model import served
from motools.steps.named_functions import NamedFunction
from motools.zoo import versioned

JUDGE, UNJUDGED = "judge", "unjudged"
"""Under which is counted what the judge would not keep, and of what it said neither yes nor no."""
_VERDICT = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


@dataclass
class FilterDatasetConfig(StepConfig):
    """Config of `filter_dataset`."""

    keep: Code | list[Code] = field(default_factory=list)
    """The function that says of a row whether it is kept, or several, in whose order a row is asked about:
    module:function, or path/to/file.py:function."""
    keep_kwargs: dict[str, Any] = field(default_factory=dict)
    """Their arguments; each function is given those that it takes."""
    question: str | None = None
    """What the judge, the model among the inputs, is asked about each row that is left; {prompt} and {answer} stand for
    the row's. What begins with yes is kept."""
    judge_kwargs: Annotated[dict[str, Any], Idle(IDLE)] = field(default_factory=dict)
    """Options for the judge: temperature, max_tokens, seed, reasoning_effort, ..."""


def check_filter(config: FilterDatasetConfig, inputs: Mapping[str, Any] | None = None) -> None:
    """Before a run: refuse functions, options or a judge that could never do.

    Args:
        inputs: the configs of the steps that make the inputs.
    """
    if not _texts(config) and config.question is None:
        raise ConfigError(
            "filter_dataset has nothing to filter by: name functions in filter_dataset.keep, such as my_filters:keep, "
            "or write filter_dataset.question."
        )
    for function in _functions(config, {}):
        function.check_exists()
    if config.question is None:
        if config.judge_kwargs:
            raise ConfigError("filter_dataset.judge_kwargs are for a judge: write filter_dataset.question.")
        return
    if "{answer}" not in config.question and "{prompt}" not in config.question:
        raise ConfigError("filter_dataset.question has no {answer}: write it where the row's answer is to stand.")
    judges = [judge for made in (inputs or {}).values() if (judge := served(made))]
    check_asking("filter_dataset.judge_kwargs", "The judge", config.judge_kwargs, next(iter(judges), None))
    if config.judge_kwargs.get("epochs") or config.judge_kwargs.get("limit"):
        raise ConfigError("filter_dataset.judge_kwargs has no epochs and no limit: the judge is asked once a row.")


def rehearse_filter(config: FilterDatasetConfig) -> None:
    """Before a run: import the functions, and refuse arguments that none of them takes."""
    _arranged(config)


def is_paid_filter(config: FilterDatasetConfig, input_atoms: Mapping[str, Atom]) -> bool:
    """Whether there is a judge, and it is, as far as it is at hand, of a provider that bills."""
    return config.question is not None and is_paid_asking(input_atoms)


@versioned(1)
def filter_dataset(
    config: FilterDatasetConfig,
    input_atoms: dict[str, Atom],
    workspace: Path,
    output: str = "filtered_dataset",
    dropped: str = "dropped_rows",
) -> list[AtomConstructor]:
    """Keep some rows of the one dataset among the inputs; makes a dataset atom of them, and one of those dropped.

    `metadata` of the first has how many rows are kept (`samples`), of how many (`of`), and how many each function or
    the judge has dropped (`dropped`); `unjudged` are those of which the judge said neither yes nor no, or nothing. The
    rows of the second have, as `reason`, who dropped them.

    Raises:
        StepError: a function says neither true nor false, there is no judge to be asked, or no row is left.
    """
    datasets = [atom for atom in input_atoms.values() if isinstance(atom, DatasetAtom)]
    if len(datasets) != 1:
        raise StepError(f"filter_dataset filters one dataset, and has {len(datasets)}: {listed(input_atoms)}.")
    rows = list(datasets[0].rows())
    lines = [line_of(row, f"{datasets[0].id}, row {number}") for number, row in enumerate(rows, 1)]
    reasons = _judged(config, rows, _by_functions(config, rows), input_atoms, workspace)
    counts = Counter(reason for reason in reasons if reason is not None)
    told = "".join(f", {count} dropped by {name}" for name, count in sorted(counts.items()))
    kept = len(rows) - counts.total()
    print(f"{kept} of {len(rows)} rows are kept{told}.", flush=True)
    if not kept:
        raise StepError(f"Of {len(rows)} rows none is kept{told}.")
    paths = workspace / "dataset.jsonl", workspace / "dropped.jsonl"
    with paths[0].open("w", encoding="utf-8") as good, paths[1].open("w", encoding="utf-8") as bad:
        for row, line, reason in zip(rows, lines, reasons, strict=True):
            if reason is None:
                good.write(line)
            else:
                bad.write(json.dumps({"reason": reason, **row}, ensure_ascii=False) + "\n")
    about = {"samples": kept, "of": len(rows), "dropped": dict(sorted(counts.items()))}
    return [
        AtomConstructor(output, paths[0], "dataset", about),
        AtomConstructor(dropped, paths[1], "dropped", {"rows": counts.total()}),
    ]


def _texts(config: FilterDatasetConfig) -> list[str]:
    return [config.keep] if isinstance(config.keep, str) else list(config.keep)


def _functions(config: FilterDatasetConfig, kwargs: Mapping[str, Any]) -> Iterator[NamedFunction]:
    for text in _texts(config):
        yield NamedFunction("filter_dataset.keep", text, "filter_dataset.keep_kwargs", kwargs, given=1)


def _arranged(config: FilterDatasetConfig) -> dict[str, Callable[[Any], Any]]:
    """The functions by name, each with those of the arguments that it takes.

    Raises:
        ConfigError: no function takes an argument, or one lacks what it needs.
    """
    arranged: dict[str, Callable[[Any], Any]] = {}
    arguments: set[str] = set()
    for plain in _functions(config, {}):
        takes = plain.takes()
        mine = {name: value for name, value in config.keep_kwargs.items() if takes is None or name in takes}
        arguments |= config.keep_kwargs.keys() if takes is None else set(takes)
        function = NamedFunction(plain.where, plain.text, plain.kwargs_at, mine, plain.given).load()
        arranged[plain.text] = partial(function, **mine)
    for name in config.keep_kwargs:
        if name not in arguments:
            raise ConfigError(
                f"filter_dataset.keep_kwargs.{name}: {listed(_texts(config))} take no such argument."
                f"{did_you_mean(name, arguments)}"
            )
    return arranged


def _by_functions(config: FilterDatasetConfig, rows: list[dict[str, Any]]) -> list[str | None]:
    """For each row the first function that does not keep it, or None."""
    functions = _arranged(config)
    return [next((name for name, keeps in functions.items() if not _kept(keeps(row), name)), None) for row in rows]


def _kept(answer: Any, function: str) -> bool:
    if not isinstance(answer, bool):  # a forgotten return would drop every row
        raise StepError(f"{function} returned {answer!r:.60} for a row: return True to keep it, False to drop it.")
    return answer


def _judged(
    config: FilterDatasetConfig,
    rows: list[dict[str, Any]],
    reasons: list[str | None],
    input_atoms: Mapping[str, Atom],
    workspace: Path,
) -> list[str | None]:
    """The reasons, with the judge's for those rows that no function has dropped."""
    if config.question is None or None not in reasons:
        return reasons
    judges = [atom for atom in input_atoms.values() if isinstance(atom, ModelAtom)]
    if len(judges) != 1:
        raise StepError(
            f"filter_dataset.question is for one judge, a model among the inputs, and there are {len(judges)}: "
            f"{listed(input_atoms)}."
        )
    left = [number for number, reason in enumerate(reasons) if reason is None]
    asked = [[{"role": "user", "content": _filled(config.question, rows[number])}] for number in left]
    result = ask(asked, judges[0], config.judge_kwargs, workspace)
    if result.usage:
        (workspace / "usage.json").write_text(json.dumps(result.usage), encoding="utf-8")
    for number, sample in zip(left, result.samples, strict=True):
        reasons[number] = _verdict(sample)
    return reasons


def _verdict(sample: Mapping[str, Any]) -> str | None:
    """Why the judge drops a row; None where it keeps it."""
    said = _VERDICT.match(sample["output"])
    if said is None or sample["error"] is not None or sample.get("stop_reason") in ("content_filter", "model_length"):
        return UNJUDGED
    return None if said[1].casefold() == "yes" else JUDGE


def _filled(question: str, row: Mapping[str, Any]) -> str:
    """The question with the row's texts in their places, once: what stands in braces in the texts stays."""
    *before, last = row["messages"]
    prompt = text_of(before[-1]) if len(before) == 1 else "\n".join(f"{m['role']}: {text_of(m)}" for m in before)
    values = {"prompt": prompt, "answer": text_of(last)}
    return re.sub(r"\{(prompt|answer)\}", lambda match: values[match[1]], question)
