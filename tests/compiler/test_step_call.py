"""A step's call, as it is read from its pipeline's folder: what it is given, and the key that a run plans with too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from motools.atom.folder import write_atom
from motools.base.configs import StepConfig
from motools.code.search_path import PipelineFolder
from motools.compiler.step_call import StepCall, make_call, read_call
from motools.compiler.step_code import of_step
from motools.errors import AtomError, ConfigError, WorkflowError
from motools.repo.hashing import hash_folder
from motools.repo.project import Project
from motools.workflow import Step, Workflow


@dataclass
class Config(StepConfig):
    """Of the first step."""

    seed: int = 0


@dataclass
class Needs(StepConfig):
    """Of the second one; it has no default."""

    seed: int


def work(config: Any, input_atoms: Any, workspace: Any) -> list[Any]:
    """Never called."""
    return []


def judge(config: Any, input_atoms: Any, workspace: Any) -> list[Any]:
    """Never called."""
    return []


TRAIN = Step("train", {"rows": "dataset"}, {"model": "model"}, Config, work, keeps_logs=True)
COMPARE = Step("compare", {"model": "model", "other": "model"}, {"table": "eval"}, Needs, judge, gathers=["model"])
WORKFLOW = Workflow("study", [TRAIN, COMPARE])


@pytest.fixture
def place(bare_project: Path) -> PipelineFolder:
    """A pipeline whose two inputs are there, and whose params.yaml has a section for one step."""
    (bare_project / "params.yaml").write_text("workflow: study\ntrain:\n  seed: 1\n")
    for name, kind in {"rows": "dataset", "other": "model"}.items():
        write_atom(bare_project / "atoms" / name, kind, {}, {"name": name}, None)
    return PipelineFolder(Project(bare_project), bare_project)


def atom_in(place: PipelineFolder, name: str, kind: str) -> str:
    return f"{kind}-{hash_folder(place.folder / 'atoms' / name)[0].md5.removesuffix('.dir')}"


def planned(step: Step, values: Mapping[str, Any], inputs: Mapping[str, str], place: PipelineFolder) -> StepCall:
    """The call as a plan makes it."""
    return make_call("study", step, values, of_step(step, values, place), inputs, place)


def test_what_is_read_from_the_folder_is_what_is_planned(place: PipelineFolder) -> None:
    found = read_call("study", WORKFLOW, "train", place)
    assert found == planned(TRAIN, {"seed": 1}, {"rows": atom_in(place, "rows", "dataset")}, place)
    assert (found.workflow, found.name, found.folder) == ("study", "train", place.folder)
    assert found.cache_slot == (f"motools-step {found.key}", ["model"], True)
    assert found.roles == {"rows": "dataset"}
    assert found.step_in(WORKFLOW) == TRAIN


def test_what_is_missing_in_the_section_of_another_step_keeps_none_from_running(place: PipelineFolder) -> None:
    with (place.folder / "params.yaml").open("a") as file:
        file.write("compare: {}\n")
    assert read_call("study", WORKFLOW, "train", place).values == {"seed": 1}
    with pytest.raises(ConfigError, match=r"^compare\.seed: "):
        read_call("study", WORKFLOW, "compare", place)


def test_an_instance_of_a_sweep_is_given_what_holds_for_it(place: PipelineFolder) -> None:
    (place.folder / "params.yaml").write_text(
        "workflow: study\ntrain: {seed: 1}\ncompare: {seed: 7}\nsweep:\n  train.seed: [3, 4]\n"
    )
    rows = atom_in(place, "rows", "dataset")
    models = {}
    for seed in (3, 4):
        found = read_call("study", WORKFLOW, f"train@seed={seed}", place)
        assert (found.values, found.inputs) == ({"seed": seed}, {"rows": rows})
        assert found.outputs == {f"model@seed={seed}": "model"}
        assert found.key == planned(TRAIN, {"seed": seed}, {"rows": rows}, place).key, "its name is in no key"
        assert found.step_in(WORKFLOW) == replace(TRAIN, name=found.name, outputs=found.outputs)
        write_atom(place.folder / "atoms" / "model" / f"seed={seed}", "model", {}, {"seed": seed}, None)
        models[f"model@seed={seed}"] = atom_in(place, f"model/seed={seed}", "model")
    found = read_call("study", WORKFLOW, "compare", place)
    assert (found.values, found.gathers) == ({"seed": 7}, ("model",))
    assert found.inputs == {**models, "other": atom_in(place, "other", "model")}
    assert found.roles == {"model@seed=3": "model", "model@seed=4": "model-2", "other": "model-3"}
    assert found.step_in(WORKFLOW) == replace(
        COMPARE, inputs=dict.fromkeys(["model@seed=3", "model@seed=4", "other"], "model")
    )


def test_a_folder_without_the_steps_section_is_told_what_writes_it(place: PipelineFolder) -> None:
    said = r"params\.yaml has no section 'compare'\. `motools run` writes it\."
    with pytest.raises(ConfigError, match=said):
        read_call("study", WORKFLOW, "compare", place)
    (place.folder / "params.yaml").unlink()
    with pytest.raises(ConfigError, match=said):
        read_call("study", WORKFLOW, "compare", place)
    with pytest.raises(WorkflowError, match=r"The workflow 'study' has no step 'tarin'\. Did you mean 'train'"):
        read_call("study", WORKFLOW, "tarin", place)


@pytest.mark.parametrize("kind", ["config", "model"])  # before `dataset` by the alphabet, and after
def test_an_input_of_another_kind_is_refused(place: PipelineFolder, kind: str) -> None:
    rows = place.folder / "atoms" / "rows"
    (rows / "atom.json").unlink()
    rows.rmdir()
    with pytest.raises(AtomError, match=r"atoms/rows holds no atom"):
        read_call("study", WORKFLOW, "train", place)
    write_atom(rows, kind, {}, {}, None)
    said = f"^The step 'train' takes 'rows' as a dataset, but {atom_in(place, 'rows', kind)} is a {kind}\\.$"
    with pytest.raises(AtomError, match=said):
        read_call("study", WORKFLOW, "train", place)
