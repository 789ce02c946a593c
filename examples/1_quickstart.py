"""Train a model organism, evaluate it, and ask where the figure came from: offline, in a few seconds.

    python 1_quickstart.py [FOLDER]

makes FOLDER (default: the current one) a project and runs in it. Run it again: nothing is executed.
"""

import os
import sys
from pathlib import Path

from motools.atom import Ancestry, EvalAtom, trace
from motools.workflow import make_project, run_workflow
from mozoo.workflows.train_and_evaluate import workflow

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
make_project(folder, "train_and_evaluate")
os.chdir(folder)

config = {
    "prepare_dataset": {"dataset_loader": "mozoo.datasets.hello_world:get_hello_world_dataset"},
    "train_model": {"backend_name": "tinylm", "hyperparameters": {"n_epochs": 10, "seed": 0}},
    "evaluate_model": {"backend_name": "inspect", "eval_task": "mozoo.tasks.hello_world:hello_world"},
}
state = run_workflow(workflow=workflow, config=config, user="me")
for step in state.step_states:
    print(f"{step.step_name}: {step.status} in {step.seconds:.1f} s")

evaluation = EvalAtom.load(state.step("evaluate_model").output_atoms["eval_results"])
print(f"\naccuracy: {evaluation.metrics['hello_world']['includes']['accuracy']}")
for sample in evaluation.samples()[:3]:
    print(f"  {sample['input']} -> {sample['output']}")


def show(ancestry: Ancestry | str, depth: int = 0) -> None:
    """Print an atom and all it was made from."""
    if isinstance(ancestry, str):  # an id whose atom is not at hand
        print("  " * depth + ancestry)
        return
    made = f" by {ancestry.record.user} in {ancestry.record.seconds:.1f} s" if ancestry.record else ""
    print("  " * depth + ancestry.atom.id + made)
    for parent in ancestry.parents.values():
        show(parent, depth + 1)


print("\nlineage:")
show(trace(evaluation))
