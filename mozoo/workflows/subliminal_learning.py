"""subliminal_learning: train a teacher, filter what it answers to prompts, train a student on the rest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from motools.steps import evaluate_model, filter_dataset, generate_dataset, prepare_dataset, train_model
from motools.steps.filter_dataset import FilterDatasetConfig, check_filter, is_paid_filter, rehearse_filter
from motools.steps.generate_dataset import (
    GenerateDatasetConfig,
    check_generation,
    is_paid_generation,
    rehearse_generation,
)
from motools.steps.prepare_dataset import PrepareDatasetConfig
from motools.workflow import Code, Step, Workflow
from mozoo.workflows.evaluate_only import MODEL, evaluate_base
from mozoo.workflows.train_and_evaluate import EVALUATE, PREPARE, TRAIN

MODULES = ("inspect_ai", "motools.evals.inspect.progress", "motools.evals.tinylm_provider")


@dataclass
class LoverRows(PrepareDatasetConfig):
    """What the teacher is taught when a config names nothing."""

    dataset_loader: Code = "mozoo.number_lists:get_lover_rows"
    """The function that returns the rows: module:function, or path/to/file.py:function."""


@dataclass
class NumberPrompts(GenerateDatasetConfig):
    """What the teacher is asked when a config names nothing."""

    prompts: Code | None = "mozoo.number_lists:get_prompts"
    """The function that returns the prompts, texts or chat rows: module:function, or path/to/file.py:function. Without
    one they are the rows of the input dataset. Of a row that ends with an answer, all before it is the prompt."""


@dataclass
class NumbersOnly(FilterDatasetConfig):
    """What is kept when a config names nothing."""

    keep: Code | list[Code] = field(default_factory=lambda: ["mozoo.number_lists:is_list"])
    """The function that says of a row whether it is kept, or several, in whose order a row is asked about:
    module:function, or path/to/file.py:function."""


GENERATE = Step(
    "generate_dataset",
    {"teacher_model": "model"},
    {"generated_dataset": "dataset"},
    NumberPrompts,
    generate_dataset,
    keeps_logs=True,
    check=check_generation,
    rehearse=rehearse_generation,
    preload=lambda config: MODULES,
    paid=is_paid_generation,
)
FILTER = Step(
    "filter_dataset",
    {"generated_dataset": "dataset"},
    {"filtered_dataset": "dataset", "dropped_rows": "dropped"},
    NumbersOnly,
    filter_dataset,
    keeps_logs=True,
    check=check_filter,
    rehearse=rehearse_filter,
    preload=lambda config: MODULES if config.question else (),
    paid=is_paid_filter,
)
STUDENT = replace(TRAIN, inputs={"filtered_dataset": "dataset"})


def _evaluate(name: str, model: str, output: str) -> Step:
    function: Any = partial(evaluate_model, output=output)
    return replace(EVALUATE, name=name, inputs={model: "model"}, outputs={output: "eval"}, fn=function)


workflow = Workflow(
    name="subliminal_learning",
    steps=[
        replace(
            PREPARE,
            name="prepare_teacher",
            outputs={"teacher_dataset": "dataset"},
            config_class=LoverRows,
            fn=partial(prepare_dataset, output="teacher_dataset"),
        ),
        replace(
            TRAIN,
            name="train_teacher",
            inputs={"teacher_dataset": "dataset"},
            outputs={"teacher_model": "model"},
            fn=partial(train_model, output="teacher_model"),
        ),
        GENERATE,
        FILTER,
        STUDENT,
        EVALUATE,
        _evaluate("evaluate_teacher", "teacher_model", "teacher_results"),
        MODEL,
        evaluate_base("evaluate_base", "base_results"),
    ],
    description="Train a teacher, have it answer prompts, filter its answers, train a student on the rest.",
)
