"""motools init: what it makes of an empty folder, a git repository, a DVC project, a folder with an odd name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from chain import Chain, commit, dvc, git

from motools.base import yaml12
from motools.engine.new_project import make_project
from motools.errors import ConfigError, ProjectError
from motools.repo.dotenv import load_env

STAGE = "stages:\n  plot:\n    cmd: cp data.csv plot.csv\n    deps: [data.csv]\n    outs: [plot.csv]\n"
QUICK = "train_model: {backend_name: dummy}\nevaluate_model: {backend_name: dummy}\n"


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_an_existing_dvc_project_gets_a_pipeline_and_its_own_stages_go_on_working(project: Path) -> None:
    (project / "data.csv").write_text("1\n")
    (project / "dvc.yaml").write_text(STAGE)
    dvc(project, "repro", "-q")
    commit(project)
    assert "own stages in it are kept" in " ".join(make_project(project, "train_and_evaluate"))
    assert yaml12.load(project / "dvc.yaml")["stages"]["plot"] == yaml12.loads(STAGE)["stages"]["plot"]
    (project / "quick.yaml").write_text(QUICK)
    done = Chain(project).command("workflow", "run", "train_and_evaluate", "--config", "quick.yaml", "--json")
    assert (done.code, done.statuses) == (0, ["finished"] * 3 + ["current"])
    assert dvc(project, "status").stdout == "Data and pipelines are up to date.\n"


def test_an_ignore_file_is_added_to_and_else_stays_as_it_is(project: Path) -> None:
    (project / ".gitignore").write_bytes(b"/caf\xe9\r\n.env\r\n/last")
    make_project(project, "train_and_evaluate")
    assert (project / ".gitignore").read_bytes() == b"/caf\xe9\r\n.env\r\n/last\n.motools/\n__pycache__/\ndvc_plots/\n"


def test_params_of_something_else_stay_and_a_folder_is_advised(project: Path) -> None:
    (project / "params.yaml").write_text("lr: 0.1\n")
    (project / "dvc.yaml").write_text(STAGE)
    *_, said, after = make_project(project, "train_and_evaluate")
    assert said == f"{project / 'params.yaml'} has no section of a workflow's, and stays as it is"
    assert (project / "params.yaml").read_text() == "lr: 0.1\n"
    assert (project / "dvc.yaml").read_text() == STAGE
    make_project(Path(after.rpartition(" ")[2]), "train_and_evaluate")
    assert Chain(project).command("status", str(project / "first")).code == 0


def test_params_that_only_lack_the_workflows_name_keep_their_values(project: Path) -> None:
    (project / "params.yaml").write_text("# mine\ntrain_model:\n  hyperparameters: {n_epochs: 7}  # few\n")
    make_project(project, "train_and_evaluate")
    text = (project / "params.yaml").read_text()
    assert "# mine" in text
    assert "{n_epochs: 7}  # few" in text
    assert yaml12.loads(text)["workflow"] == "train_and_evaluate"


def test_an_own_stage_of_a_steps_name_is_refused_by_name(project: Path) -> None:
    (project / "dvc.yaml").write_text(STAGE.replace("plot:", "train_model:", 1))
    with pytest.raises(ConfigError, match="stage 'train_model' of your own"):
        make_project(project, "train_and_evaluate")
    assert files(project) == {".dvc", ".dvcignore", ".git", ".gitignore", "dvc.yaml"}


@pytest.mark.parametrize("name", ["team/ml", "${HOME}", "$HOME", "~", "two words", "žluť", "{a,b}", "a'b", "%s", "#x"])
def test_nothing_outside_of_the_folder_is_touched_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    monkeypatch.chdir(tmp_path)
    said = make_project(Path(name), "train_and_evaluate")
    assert files(tmp_path) == {".git", name.partition("/")[0]}
    assert "a part of the git repository" in said[0]
    into = said[-1].rpartition("type: ")[2].replace("motools run", "pwd")
    there = subprocess.run(into, shell=True, capture_output=True, text=True, check=True).stdout.strip()
    assert there == str(tmp_path / name)
    (tmp_path / name / "quick.yaml").write_text(QUICK)
    chain = Chain(tmp_path / name)
    monkeypatch.chdir(tmp_path / name)
    done = chain.command("workflow", "run", "train_and_evaluate", "--config", "quick.yaml", "--json")
    assert (done.code, done.statuses) == (0, ["finished"] * 3)
    assert chain.dvc_status() == {}
    git(tmp_path, "add", "-A")
    assert "atoms/trained_model/atom.json" not in git(tmp_path, "status", "--porcelain", "-uall")


def test_the_root_of_a_repository_is_the_project_and_folders_in_it_are_pipelines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    make_project(tmp_path, "train_and_evaluate")
    make_project(tmp_path / "experiments" / "a", "train_and_evaluate")
    assert files(tmp_path / "experiments" / "a") == {"params.yaml", "dvc.yaml"}


def test_the_place_of_plots_is_ignored(new_project: Callable[[str], Path]) -> None:
    folder = new_project("p")
    make_project(folder, "train_and_evaluate")
    (folder / "dvc_plots").mkdir()
    (folder / "dvc_plots" / "index.html").touch()
    assert "dvc_plots" not in git(folder, "status", "--porcelain", "-uall")


def test_an_ignore_file_that_is_not_utf8_keeps_its_bytes(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"caf\xe9/\r\n__pycache__/")
    make_project(tmp_path, "train_and_evaluate")
    text = (tmp_path / ".gitignore").read_bytes()
    assert text == b"caf\xe9/\r\n__pycache__/\n.motools/\n.env\ndvc_plots/\n"


def test_a_folder_whose_path_is_not_utf8_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "n\udcff"
    with pytest.raises(ProjectError, match="this path is not UTF-8, and DVC cannot work there"):
        make_project(folder, "train_and_evaluate")
    assert files(folder) == set()


def test_without_git_nothing_is_made_and_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ProjectError, match=r"^There is no git on PATH\. Install it"):
        make_project(tmp_path / "new", "train_and_evaluate")
    assert not (tmp_path / "new").exists()


def test_an_env_file_is_read_without_git_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text("A_WORD_OF_OURS=hello\n")
    monkeypatch.setenv("PATH", str(project / "bin"))
    monkeypatch.delenv("A_WORD_OF_OURS", raising=False)
    load_env(project)
    assert os.environ.pop("A_WORD_OF_OURS") == "hello"
