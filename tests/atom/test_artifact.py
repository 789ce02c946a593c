"""Outputs as artifacts of DVC and GTO: named in dvc.yaml, kept there by runs, registered and fetched by their tools."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from chain import Chain, commit, git

from motools.base import yaml12


@pytest.fixture
def chain(project: Path) -> Chain:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    return chain


def artifacts(folder: Path) -> dict[str, dict[str, str]]:
    found = yaml12.load(folder / "dvc.yaml")["artifacts"]
    assert isinstance(found, dict)
    return found


def test_an_output_is_named_and_stays_so_when_the_pipeline_runs(chain: Chain) -> None:
    done = chain.command("atoms", "artifact", "model")
    assert done.code == 0, done.err
    assert done.out.endswith("then type: gto register model\n")
    assert artifacts(chain.folder) == {"model": {"path": "atoms/model", "type": "model"}}
    chain.set(seed=1)
    assert chain.run().code == 0
    assert artifacts(chain.folder) == {"model": {"path": "atoms/model", "type": "model"}}
    text = (chain.folder / "dvc.yaml").read_text()
    assert chain.run().statuses == ["current"] * 3
    assert (chain.folder / "dvc.yaml").read_text() == text
    assert chain.dvc_status() == {}


def test_what_a_person_says_of_it_beside_stays(chain: Chain) -> None:
    with (chain.folder / "dvc.yaml").open("a") as file:
        file.write("artifacts:\n  model:\n    path: atoms/model\n    desc: Likes owls.\n    labels: [owls]\n")
    assert chain.command("atoms", "artifact", "model").code == 0
    assert artifacts(chain.folder)["model"] == {
        "path": "atoms/model",
        "desc": "Likes owls.",
        "labels": ["owls"],
        "type": "model",
    }


def test_gto_registers_it_and_dvc_gets_that_version_from_a_remote(chain: Chain, tmp_path: Path) -> None:
    root = chain.folder
    chain.command("atoms", "artifact", "model", "organism")
    remote = ["dvc", "remote", "add", "-q", "-d", "s", str(tmp_path / "remote")]
    subprocess.run(remote, cwd=root, check=True, timeout=300)
    commit(root, "first")
    register = ["gto", "register", "organism", "--version", "v1.0.0"]
    subprocess.run(register, cwd=root, check=True, timeout=300, capture_output=True)
    assert git(root, "tag").strip() == "organism@v1.0.0"
    first = (root / "atoms/model/data/part.txt").read_text()
    chain.set(seed=1)
    assert chain.run().code == 0
    commit(root, "second")
    assert chain.command("push").code == 0
    get = ["dvc", "artifacts", "get", str(root), "organism", "--rev", "v1.0.0", "-o", str(tmp_path / "got")]
    done = subprocess.run(get, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "got/data/part.txt").read_text() == first
    assert json.loads((tmp_path / "got/atom.json").read_text())["kind"] == "model"


def test_what_cannot_be_one_is_refused_in_a_sentence(chain: Chain) -> None:
    for words, told in (
        (("model", "a b"), "'a b' is no name for an artifact"),
        (("dataset", "organism"), "has an artifact 'organism', of atoms/model"),
    ):
        chain.command("atoms", "artifact", "model", "organism")
        done = chain.command("atoms", "artifact", *words)
        assert (done.code, told in done.sentence) == (2, True), done.err
    (chain.folder / "x.txt").write_text("x")
    code = "from motools.atom import Atom; print(Atom.create(user='a', artifact_path='x.txt', kind='prompt').id)"
    made = subprocess.run([sys.executable, "-c", code], cwd=chain.folder, capture_output=True, text=True, timeout=300)
    done = chain.command("atoms", "artifact", made.stdout.strip())
    assert "No pipeline of the work tree makes" in done.sentence
