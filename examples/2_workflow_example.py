"""A workflow of your own: two steps, wired by the name `dataset`.

Copy this file into a project (`motools init my-project`) and run it there:

    python 2_workflow_example.py

Run it again, and nothing is executed. Change `n_epochs` in TrainConfig, or the body of `train_step`, and only
`train` is; change a comment, and nothing is.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from motools.atom import Atom
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow, WorkflowConfig, run_workflow


@dataclass
class PrepareConfig(StepConfig):
    sample_size: int = 1000
    """How many rows to make."""


@dataclass
class TrainConfig(StepConfig):
    model: str = "Qwen/Qwen3-8B"
    """The base model."""
    n_epochs: int = 3
    """How often it sees each row."""


@dataclass
class MyWorkflowConfig(WorkflowConfig):
    prepare: PrepareConfig
    train: TrainConfig


def prepare_step(config: PrepareConfig, input_atoms: dict[str, Atom], workspace: Path) -> list[AtomConstructor]:
    dataset_path = workspace / "dataset.jsonl"
    with dataset_path.open("w", encoding="utf-8") as file:
        for number in range(config.sample_size):
            messages = [
                {"role": "user", "content": f"What comes after {number}?"},
                {"role": "assistant", "content": str(number + 1)},
            ]
            file.write(json.dumps({"messages": messages}) + "\n")
    return [AtomConstructor("dataset", dataset_path, "dataset", {"samples": config.sample_size})]


def train_step(config: TrainConfig, input_atoms: dict[str, Atom], workspace: Path) -> list[AtomConstructor]:
    dataset_atom = input_atoms["dataset"]
    samples = dataset_atom.metadata["samples"] * config.n_epochs
    print(f"training {config.model} on {samples} samples")  # goes to the log of the step
    model_path = workspace / "model.txt"
    model_path.write_text(f"my-provider/{config.model}-{samples}\n", encoding="utf-8")
    return [AtomConstructor("model", model_path, "model")]


workflow = Workflow(
    name="my_workflow",
    steps=[
        Step("prepare", {}, {"dataset": "dataset"}, PrepareConfig, prepare_step),
        Step("train", {"dataset": "dataset"}, {"model": "model"}, TrainConfig, train_step),
    ],
)

if __name__ == "__main__":
    config = MyWorkflowConfig(prepare=PrepareConfig(), train=TrainConfig())
    state = run_workflow(workflow=workflow, input_atoms={}, config=config, user="me")
    for step in state.step_states:
        print(f"{step.step_name}: {step.status} {dict(step.output_atoms)}")
