"""Removing experiments, and what of the cache nothing needs: what goes is told, what anybody needs stays."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chain import Chain

from motools.atom import DatasetAtom
from motools.repo.history import History
from motools.repo.project import Project


def lay(folder: Path, **sections: Any) -> Chain:
    """An experiment of dummies, which take no time."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "workflow": "train_and_evaluate",
        "prepare_dataset": {"dataset_loader": "mozoo.datasets.hello_world:get_hello_world_dataset"},
        "train_model": {"backend_name": "dummy", "hyperparameters": {}},
        "evaluate_model": {"backend_name": "dummy", "eval_task": "mozoo.tasks.hello_world:hello_world"},
        **sections,
    }
    (folder / "params.yaml").write_text(json.dumps(config))
    return Chain(folder)


def run(*chains: Chain) -> None:
    for chain in chains:
        done = chain.run()
        assert done.code == 0, done.err


def commit(project: Path) -> None:
    subprocess.run(["git", "add", "-A"], cwd=project, check=True)
    subprocess.run(["git", "commit", "-qm", "results"], cwd=project, check=True)


def objects(project: Path) -> set[str]:
    return {path.parent.name + path.name for path in (project / ".dvc/cache/files/md5").glob("??/*")}


def whole(chain: Chain) -> bool:
    """Whether the cache has all that a lock file names, so that nothing is executed to have it back."""
    store = Project.find(chain.folder).store
    return all(store.has(out["md5"]) for stage in chain.locked().values() for out in stage["outs"] if "hash" in out)


@pytest.fixture
def scene(project: Path) -> Chain:
    return Chain(project)


def test_an_experiment_goes_with_what_nothing_else_needs(scene: Chain, project: Path) -> None:
    a = lay(project / "experiments" / "a")
    b = lay(project / "experiments" / "b", train_model={"backend_name": "dummy", "suffix": "b"})
    run(b)
    of_b = objects(project)
    run(a)
    assert objects(project) > of_b
    looked = json.loads(scene.command("rm", "experiments/a", "-n", "--json").out)
    assert (looked["removed"], looked["folder"], looked["stages"]) == (False, "experiments/a", None)
    assert {result["step"] for result in looked["results"]} == {"train_model", "evaluate_model"}
    assert "experiments/a/params.yaml" in looked["unsaved"]
    assert a.folder.exists()
    refused = scene.command("rm", "experiments/a")
    assert (refused.code, a.folder.exists()) == (2, True)
    assert "add --yes, or look with --dry-run" in refused.err
    done = scene.command("rm", "experiments/a", "--yes")
    assert done.code == 0, done.err
    assert "2 results" in done.out
    assert "no commit has: experiments/a/" in done.out
    assert not a.folder.exists()
    assert objects(project) == of_b
    assert whole(b)
    assert b.run().statuses == ["current"] * 3


def test_what_a_commit_names_stays_unless_it_is_asked_for(scene: Chain, project: Path) -> None:
    a = lay(project / "a")
    run(a)
    commit(project)
    before = objects(project)
    done = scene.command("rm", "a", "--yes")
    assert "objects stay, since commits name them" in done.out
    assert objects(project) == before
    subprocess.run(["git", "checkout", "-q", "--", "a"], cwd=project, check=True)
    assert set(a.run().statuses) == {"restored"}
    assert scene.command("rm", "a", "--yes", "--history").code == 0
    assert objects(project) == set()


def test_gc_leaves_what_folders_and_commits_and_people_have_made(scene: Chain, project: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"messages": []}\n')
    mine = DatasetAtom.create(user="ada", artifact_path=tmp_path / "rows.jsonl")
    chain = lay(project / "a")
    run(chain)
    commit(project)
    committed = objects(project)
    for suffix in ("b", "c"):
        lay(project / "a", train_model={"backend_name": "dummy", "suffix": suffix})
        run(chain)
    now = {out["md5"] for stage in chain.locked().values() for out in stage["outs"]}
    told = json.loads(scene.command("gc", "--json", "--yes").out)
    assert sorted(result["step"] for result in told["results"]) == ["evaluate_model", "train_model"]
    left = objects(project)
    assert committed < left
    assert whole(chain)
    assert DatasetAtom.load(mine.id).get_rows_path().read_text()
    assert chain.run().statuses == ["current"] * 3
    assert "Everything in the cache is needed." in scene.command("gc").out
    scene.command("gc", "--yes", "--history")
    assert now & committed <= objects(project) < left
    assert DatasetAtom.load(mine.id).get_rows_path().read_text()
    lay(project / "a", train_model={"backend_name": "dummy", "suffix": "b"})
    assert chain.run().statuses == ["current", "finished", "finished"]


def test_an_ancestor_that_no_lock_file_names_stays(scene: Chain, project: Path) -> None:
    made = lay(project / "a")
    run(made)
    model = json.loads(scene.command("atoms", "show", "a/atoms/trained_model", "--json").out)["id"]
    (project / "b").mkdir()
    (project / "b" / "own.py").write_text(
        "from motools.workflow import Step, Workflow\n"
        "from mozoo.workflows.train_and_evaluate import EVALUATE\n"
        "workflow = Workflow('own', [EVALUATE])\n"
    )
    (project / "go.py").write_text(
        "import sys\nsys.path.insert(0, 'b')\n"
        "from own import workflow\nfrom motools.workflow import run_workflow\n"
        f"run_workflow(workflow=workflow, folder='b', input_atoms={{'trained_model': {model!r}}}, quiet=True, config="
        "{'evaluate_model': {'backend_name': 'dummy', 'eval_task': 'mozoo.tasks.hello_world:hello_world'}})\n"
    )
    done = subprocess.run(["python", "go.py"], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert scene.command("rm", "a", "--yes").code == 0
    told = json.loads(scene.command("lineage", "b/atoms/eval_results", "--json").out)
    assert "dataset-" in json.dumps(told)
    assert scene.command("gc", "--yes").code == 0
    assert json.loads(scene.command("lineage", "b/atoms/eval_results", "--json").out) == told


def test_instances_of_a_sweep_go_when_params_yaml_asks_for_them_no_more(scene: Chain, project: Path) -> None:
    sweep = {"train_model.suffix": ["a", "b", "c"]}
    chain = lay(project / "x", sweep=sweep)
    run(chain)
    refused = scene.command("rm", "x@suffix=b", "--yes")
    assert refused.code == 2
    assert "still asks for train_model@suffix=b" in refused.err
    assert "exclude: [{suffix: b}]" in refused.err
    lay(project / "x", sweep={"train_model.suffix": ["a", "c"]})
    told = json.loads(scene.command("rm", "x@suffix=b", "--yes", "--json").out)
    assert told["stages"] == ["train_model@suffix=b", "evaluate_model@suffix=b"]
    assert not list((project / "x").glob("*/*/suffix=b*"))
    assert "train_model@suffix=b" not in chain.locked()
    assert (project / "x" / "atoms" / "trained_model" / "suffix=a" / "atom.json").exists()
    assert whole(chain)
    assert set(chain.run().statuses) == {"current"}
    again = scene.command("rm", "x@suffix=b", "--yes")
    assert again.code == 2
    assert "has no results of suffix=b. It has some of suffix=a, suffix=c" in again.err


def test_what_cannot_be_removed_is_refused_in_a_sentence(
    scene: Chain, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "empty").mkdir()
    assert "is no experiment" in scene.command("rm", "empty", "--yes").err
    lay(project)
    assert "is the project itself" in scene.command("rm", ".", "--yes").err
    inside = lay(project / "a")
    run(inside)
    monkeypatch.chdir(project / "a")
    assert "You are in" in scene.command("rm", ".", "--yes").err
    monkeypatch.chdir(project)
    (project / "dvc.lock").write_text("<<<<<<< HEAD\n")
    refused = scene.command("gc", "--yes")
    assert refused.code == 2
    assert "Nothing is removed while a lock file cannot be read" in refused.err


def test_what_only_the_mending_of_a_merge_named_is_known(project: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=project, check=True, capture_output=True)

    def lock(digit: str) -> None:
        (project / "x" / "y").mkdir(parents=True, exist_ok=True)
        (project / "x" / "y" / "dvc.lock").write_text(
            f"stages: {{s: {{outs: [{{path: o, md5: {digit * 32}.dir}}]}}}}\n"
        )
        git("add", "-A")
        git("commit", "-qm", digit)

    lock("1")
    git("checkout", "-qb", "other")
    lock("2")
    git("checkout", "-q", "main")
    lock("3")
    git("merge", "-q", "-s", "ours", "--no-commit", "other")
    lock("4")
    lock("5")
    assert History(Project.find().git).named() == {f"{digit * 32}.dir" for digit in "12345"}
