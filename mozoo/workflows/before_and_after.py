"""before_and_after: train_and_evaluate, and the same evaluation of the base model beside it."""

from motools.workflow import Workflow
from mozoo.workflows.evaluate_only import MODEL, evaluate_base
from mozoo.workflows.train_and_evaluate import EVALUATE, PREPARE, TRAIN

workflow = Workflow(
    name="before_and_after",
    steps=[PREPARE, TRAIN, EVALUATE, MODEL, evaluate_base("evaluate_base", "base_results")],
    description="Train a model and evaluate it, and the base model beside it: what did the training change?",
)
