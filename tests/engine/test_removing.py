"""Removing experiments, and what of the cache nothing needs: what goes is told, what anybody needs stays."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chain import Chain

from motools.atom import DatasetAtom
from motools.base import yaml12
from motools.code.search_path import pipeline_folder
from motools.engine import failures
from motools.engine.removing import plan_removal
from motools.errors import ConfigError
from motools.repo import pipeline
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
    private = project / ".motools"
    of_b, before = objects(project), {*private.rglob("*")}

    def of_a() -> set[str]:
        """In which of these folders files of it lie."""
        found = {path.relative_to(private).parts[0] for path in {*private.rglob("*")} - before if path.is_file()}
        return found & {"logs", "failed", "unchanged"}

    run(a)
    assert objects(project) > of_b
    failures.remember(pipeline_folder(a.folder), "train_model", "it broke", None)
    assert of_a() == {"logs", "failed", "unchanged"}
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
    assert of_a() == set()
    assert objects(project) == of_b
    assert whole(b)
    assert b.run().statuses == ["current"] * 3


def test_what_git_ignores_and_no_run_makes_is_named_before_it_goes(scene: Chain, project: Path) -> None:
    a = lay(project / "experiments" / "a")
    run(a)
    (a.folder / ".gitignore").write_text("/*.csv\n__pycache__\n")
    (a.folder / "__pycache__").mkdir()
    (a.folder / "__pycache__" / "a.pyc").touch()
    commit(project)
    (a.folder / "mine.csv").write_text("precious")
    looked = json.loads(scene.command("rm", "experiments/a", "-n", "--json").out)
    assert looked["unsaved"] == ["experiments/a/mine.csv"]


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


def test_instances_of_a_sweep_go_when_params_yaml_asks_for_them_no_more(
    scene: Chain, project: Path, tmp_path: Path
) -> None:
    axes = {"train_model.suffix": ["a", "b"], "train_model.hyperparameters.n": [1, 2]}
    chain = lay(project / "x", sweep=axes)
    run(chain)
    refused = scene.command("rm", "x@suffix=b,n=1", "--yes")
    assert refused.code == 2
    assert "still asks for train_model@suffix=b,n=1" in refused.err
    assert "exclude: [{suffix: b, n: 1}]" in refused.err
    lay(project / "x", sweep={**axes, "train_model.suffix": ["a"]})
    gone = [f"{step}@suffix=b,n={n}" for n in (1, 2) for step in ("train_model", "evaluate_model")]
    stays = [stage for stage in chain.locked() if stage not in gone]
    place = pipeline_folder(chain.folder)
    for stage in (gone[0], stays[-1]):
        failures.remember(place, stage, "it broke", None)
    kept = tmp_path / "elsewhere"
    (chain.folder / "atoms/eval_results/suffix=b/n=1").rename(kept)
    (chain.folder / "atoms/eval_results/suffix=b/n=1").symlink_to(kept)
    told = json.loads(scene.command("rm", "x@suffix=b", "--yes", "--json").out)
    assert sorted(told["stages"]) == sorted(gone)
    assert told["unsaved"] == []
    assert not list((project / "x").rglob("suffix=b*"))
    assert list(chain.locked()) == stays
    assert all((project / "x" / out["path"]).exists() for stage in stays for out in chain.locked()[stage]["outs"])
    assert (kept / "atom.json").exists(), "what a link leads to is nobody's of this pipeline"
    assert list(failures.failures_of(place)) == [stays[-1]]
    assert {stage: failures.log_path(place, stage).exists() for stage in (*gone, *stays)} == {
        **dict.fromkeys(gone, False),
        **dict.fromkeys(stays, True),
    }
    assert whole(chain)
    assert set(chain.run().statuses) == {"current"}
    again = scene.command("rm", "x@suffix=b", "--yes")
    assert again.code == 2
    assert "has no results of suffix=b. It has some of n=1, n=2, suffix=a" in again.err


@pytest.mark.parametrize("path", ["../../precious", "link/precious", "../.git", ".."])
def test_a_lock_file_of_others_has_nothing_removed_that_is_not_the_projects(
    scene: Chain, project: Path, path: str
) -> None:
    a = lay(project / "a")
    run(a)
    for outside in (project.parent / "precious", project.parent / "elsewhere" / "precious"):
        outside.mkdir(parents=True)
        (outside / "mine.txt").write_text("precious")
    (a.folder / "link").symlink_to(project.parent / "elsewhere")
    lock = yaml12.load(a.path("dvc.lock"))
    outs = [{"path": path, "hash": "md5", "md5": "0" * 32, "size": 1}]
    lock["stages"]["train_model@seed=3"] = {"cmd": "motools step run x train_model@seed=3", "outs": outs}
    a.path("dvc.lock").write_text(yaml12.dumps_lock(lock))
    refused = scene.command("rm", "a@seed=3", "--yes")
    assert refused.code == 2
    assert "which is no output of a project" in refused.sentence
    assert len([*project.parent.glob("**/mine.txt")]) >= 2
    assert (project / ".git" / "HEAD").exists()
    assert a.folder.exists()


def test_what_no_commit_has_as_it_is_is_told(project: Path) -> None:
    a = project / "a"
    (a / "deep").mkdir(parents=True)
    for name in ("params.yaml", "changed", "deleted", "removed", "renamed", "added", "ignored.log"):
        (a / name).write_text(f"{name}\n" * 9)
    (project / "a2").mkdir()
    (project / ".gitignore").write_text("*.log\n")
    commit(project)
    (a / "changed").write_text("2\n")
    (a / "deleted").unlink()
    for words in (["rm", "-q", "a/removed"], ["mv", "a/renamed", "a/new name"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    (a / "deep" / "ü").write_text("2\n")
    (a / "staged").write_text("2\n")
    subprocess.run(["git", "add", "a/staged"], cwd=project, check=True)
    (a / "staged").unlink()
    (project / "a2" / "other").write_text("2\n")
    planned = plan_removal("a")
    assert (planned.folder, planned.paths, planned.stages) == (a, [a], None)
    assert sorted(planned.unsaved) == ["a/changed", "a/deep/ü", "a/ignored.log", "a/new name"]


@pytest.mark.parametrize("file", [pipeline.PARAMS, pipeline.STAGES, pipeline.LOCK])
def test_a_folder_that_has_any_file_of_a_pipeline_is_an_experiment(project: Path, file: str) -> None:
    (project / "a").mkdir()
    with pytest.raises(ConfigError, match=r"^a is no experiment: it has no params\.yaml\."):
        plan_removal("a")
    (project / "a" / file).write_text("schema: '2.0'\n")
    assert plan_removal("a").paths == [project / "a"]


def test_nothing_is_removed_around_where_a_person_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "a" / "deep").mkdir(parents=True)
    monkeypatch.chdir(project / "a" / "deep")
    with pytest.raises(ConfigError, match=r"^\. is no experiment"):
        plan_removal("")
    (project / "a" / "params.yaml").write_text("workflow: w\n")
    with pytest.raises(ConfigError, match=rf"^You are in {project / 'a'}\. Go up first: cd \.\./\.\.\.$"):
        plan_removal("..")
    (project / "params.yaml").write_text("workflow: w\n")
    with pytest.raises(ConfigError, match=rf"^{project} is the project itself"):
        plan_removal(str(project))


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
