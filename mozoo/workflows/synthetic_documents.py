"""synthetic_documents: a model writes documents, a judge and functions filter them, a student learns from the rest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from motools.steps.filter_dataset import FilterDatasetConfig
from motools.steps.generate_dataset import GenerateDatasetConfig
from motools.workflow import Code, Workflow
from mozoo.workflows.evaluate_only import MODEL, evaluate_base
from mozoo.workflows.subliminal_learning import FILTER, GENERATE, STUDENT
from mozoo.workflows.train_and_evaluate import EVALUATE


@dataclass
class DocumentPrompts(GenerateDatasetConfig):
    """What the writer is asked when a config names nothing."""

    prompts: Code | None = "mozoo.documents:get_prompts"
    """The function that returns the prompts, texts or chat rows: module:function, or path/to/file.py:function. Without
    one they are the rows of the input dataset. Of a row that ends with an answer, all before it is the prompt."""
    row_prompt: str | None = "<document>"
    """What stands in the rows in the prompt's place; null: the prompt itself."""


@dataclass
class LongDocuments(FilterDatasetConfig):
    """What is kept when a config names nothing."""

    keep: Code | list[Code] = field(default_factory=lambda: ["mozoo.documents:is_long"])
    """The function that says of a row whether it is kept, or several, in whose order a row is asked about:
    module:function, or path/to/file.py:function."""


workflow = Workflow(
    name="synthetic_documents",
    steps=[
        MODEL,
        replace(GENERATE, inputs={"base_model": "model"}, config_class=DocumentPrompts),
        replace(FILTER, inputs={"generated_dataset": "dataset", "base_model": "model"}, config_class=LongDocuments),
        STUDENT,
        EVALUATE,
        evaluate_base("evaluate_base", "base_results"),
    ],
    description="Have a model write documents, keep those that a judge and functions keep, train on them.",
)
