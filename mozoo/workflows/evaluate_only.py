"""evaluate_only: evaluate a model that a provider serves already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from motools.steps import evaluate_model, existing_model
from motools.steps.existing_model import ExistingModelConfig, check_existing
from motools.workflow import Step, Workflow
from mozoo.workflows.train_and_evaluate import EVALUATE


@dataclass
class BaseModel(ExistingModelConfig):
    """The model that is evaluated when a config names none."""

    model: str = "tinylm/base"
    """The model's id with Inspect's provider before it, such as openai/gpt-4o-mini or tinylm/base."""


MODEL = Step("existing_model", {}, {"base_model": "model"}, BaseModel, existing_model, check=check_existing)


def evaluate_base(name: str, output: str) -> Step:
    """A step that evaluates `base_model`."""
    return replace(
        EVALUATE,
        name=name,
        inputs={"base_model": "model"},
        outputs={output: "eval"},
        fn=partial(evaluate_model, output=output),
    )


workflow = Workflow(
    name="evaluate_only",
    steps=[MODEL, evaluate_base("evaluate_model", "eval_results")],
    description="Evaluate a model that a provider serves already.",
)
