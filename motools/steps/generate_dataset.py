"""generate_dataset: a model, the teacher, answers prompts; what it answers is a dataset."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from motools.atom.atom import Atom, DatasetAtom, ModelAtom
from motools.base.chat.lines import line_of
from motools.base.configs import StepConfig
from motools.definition.config import Code, Idle
from motools.definition.step import AtomConstructor
from motools.errors import ConfigError, StepError, listed
from motools.evals.inspect.asking import ROLES, ask, check_asking, is_paid_asking
from motools.evals.options import IDLE, sample_limit
from motools.steps.evaluate_model import served
from motools.steps.named_functions import NamedFunction, called_rows
from motools.zoo import versioned

Messages = list[dict[str, str]]


@dataclass
class GenerateDatasetConfig(StepConfig):
    """Config of `generate_dataset`."""

    prompts: Code | None = None
    """The function that returns the prompts, texts or chat rows: module:function, or path/to/file.py:function. Without
    one they are the rows of the input dataset. Of a row that ends with an answer, all before it is the prompt."""
    prompts_kwargs: dict[str, Any] = field(default_factory=dict)
    """Its arguments, such as count and seed."""
    generate_kwargs: Annotated[dict[str, Any], Idle(IDLE)] = field(default_factory=dict)
    """Options: system_message (what the teacher alone is told), temperature, max_tokens, seed, epochs (answers to each
    prompt), limit, ..."""
    row_prompt: str | None = None
    """What stands in the rows in the prompt's place; null: the prompt itself."""
    keep_cut_off: bool = False
    """Whether answers that a limit of tokens has cut off are rows too."""


def check_generation(config: GenerateDatasetConfig, inputs: Mapping[str, Any] | None = None) -> None:
    """Before a run: refuse options, prompts or a teacher that could never do.

    Args:
        inputs: the configs of the steps that make the inputs.
    """
    teachers = [teacher for made in (inputs or {}).values() if (teacher := served(made))]
    check_asking("generate_dataset.generate_kwargs", "The teacher", config.generate_kwargs, next(iter(teachers), None))
    if config.prompts is not None:
        _function(config).check()
    elif config.prompts_kwargs:
        raise ConfigError("generate_dataset.prompts_kwargs are of no function: write generate_dataset.prompts.")


def rehearse_generation(config: GenerateDatasetConfig) -> None:
    """Before a run: import a function of prompts that nobody publishes."""
    if config.prompts is not None:
        _function(config).rehearse()


def is_paid_generation(config: GenerateDatasetConfig, input_atoms: Mapping[str, Atom]) -> bool:
    """Whether the teacher, as far as it is at hand, is one of a provider that bills."""
    return is_paid_asking(input_atoms)


@versioned(1)
def generate_dataset(
    config: GenerateDatasetConfig,
    input_atoms: dict[str, Atom],
    workspace: Path,
    output: str = "generated_dataset",
) -> list[AtomConstructor]:
    """Ask the model among the inputs every prompt; makes a dataset atom of its answers, and logs for `inspect view`.

    The teacher's `system_message` is in no row. `metadata` has how many answers there are (`samples`) of how many that
    were asked for (`asked`), and, under `left_out`, why others are none: `blocked` by the provider, `too_long` a
    prompt, `cut_off` by a limit of tokens, `errored` (where `fail_on_error` allows it), or `empty`.

    An execution that ends too early is gone on from at the sample, and no answer is paid for twice: also none that this
    teacher has given to another config, such as one with fewer prompts.

    Raises:
        StepError: there is no teacher, there are several, or no prompt has an answer.
    """
    teacher = _the_one(input_atoms, ModelAtom, "generate_dataset asks one model")
    start, stop = sample_limit(config.generate_kwargs)
    options = {name: value for name, value in config.generate_kwargs.items() if name != "limit"}
    prompts = _prompts(config, input_atoms)
    if not (asked := prompts[start:stop]):
        limit = config.generate_kwargs["limit"]
        raise StepError(f"generate_dataset.generate_kwargs.limit {limit!r} leaves none of the {len(prompts)} prompts.")
    result = ask(asked, teacher, options, workspace)
    if result.usage:
        (workspace / "usage.json").write_text(json.dumps(result.usage), encoding="utf-8")
    path = workspace / "dataset.jsonl"
    left_out: Counter[str] = Counter()
    count = 0
    often = (prompt for prompt in asked for _ in range(options.get("epochs") or 1))
    with path.open("w", encoding="utf-8") as file:
        for prompt, sample in zip(often, result.samples, strict=True):
            if (why := _is_none(sample, config.keep_cut_off)) is not None:
                left_out[why] += 1
                continue
            row = _row(prompt if config.row_prompt is None else _turn(config.row_prompt), sample["output"])
            file.write(line_of(row, f"The answer to prompt {sample['id']}"))
            count += 1
    told = "".join(f", {number} {why}" for why, number in sorted(left_out.items()))
    print(f"{count} of {len(result.samples)} answers are rows{told}.", flush=True)
    if not count:
        raise StepError(f"Of {len(result.samples)} answers none can be a row{told}.")
    metadata: dict[str, Any] = {"samples": count, "asked": len(result.samples)}
    if left_out:
        metadata["left_out"] = dict(sorted(left_out.items()))
    return [AtomConstructor(output, path, "dataset", metadata)]


def _function(config: GenerateDatasetConfig) -> NamedFunction:
    assert config.prompts is not None
    names = "generate_dataset.prompts", config.prompts, "generate_dataset.prompts_kwargs"
    return NamedFunction(*names, config.prompts_kwargs)


def _the_one(input_atoms: Mapping[str, Atom], kind: type[Atom], what: str) -> Any:
    atoms = [atom for atom in input_atoms.values() if isinstance(atom, kind)]
    if len(atoms) != 1:
        raise StepError(f"{what}, and has {len(atoms)} among its inputs: {listed(input_atoms)}.")
    return atoms[0]


def _prompts(config: GenerateDatasetConfig, input_atoms: Mapping[str, Atom]) -> list[Messages]:
    rows: Iterable[Any]
    if config.prompts is None:
        dataset: DatasetAtom = _the_one(input_atoms, DatasetAtom, "Without `prompts` they are the rows of one dataset")
        where, rows = dataset.id, dataset.rows()
    else:
        where, (_, rows) = config.prompts, called_rows(_function(config))
    prompts = [_prompt(row, f"{where}, prompt {number}") for number, row in enumerate(rows, 1)]
    if not prompts:
        raise StepError(f"{where} has no prompts.")
    return prompts


def _prompt(row: Any, where: str) -> Messages:
    """The messages of a prompt, all that a row needs but the answer."""
    messages = _turn(row) if isinstance(row, str) else row.get("messages") if isinstance(row, Mapping) else None
    if not isinstance(messages, Sequence) or isinstance(messages, str):
        raise StepError(f"{where}: {row!r:.80} is neither a text nor a chat row, {{'messages': [...]}}.")
    if messages and isinstance(messages[-1], Mapping) and messages[-1].get("role") == "assistant":
        messages = messages[:-1]
    for message in messages:
        told = message if isinstance(message, Mapping) else {}
        if told.get("role") not in ROLES or not isinstance(told.get("content"), str):
            raise StepError(f"{where}: {message!r:.80} is no turn of {listed(ROLES)} with a text as its content.")
    if not messages or not messages[-1]["content"].strip():
        raise StepError(f"{where}: there is nothing to answer in it.")
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _is_none(sample: Mapping[str, Any], keep_cut_off: bool) -> str | None:
    """Why an answer is no row; None where it is one."""
    if sample["error"] is not None:
        return "errored"
    reasons = {"content_filter": "blocked", "model_length": "too_long"}
    if not keep_cut_off:
        reasons["max_tokens"] = "cut_off"
    if (stop := sample.get("stop_reason")) in reasons:
        return reasons[stop]
    return None if sample["output"].strip() else "empty"


def _turn(text: str) -> Messages:
    return [{"role": "user", "content": text}]


def _row(prompt: Messages, answer: str) -> dict[str, Messages]:
    return {"messages": [*prompt, {"role": "assistant", "content": answer}]}
