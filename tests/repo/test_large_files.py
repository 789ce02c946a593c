"""Large files of a result lie on the disk once: the cache and the folder have the same bytes under two names."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from chain import Chain, commit, dvc, git, remove, spoil

from motools.errors import DamagedError
from motools.repo import large_objects
from motools.repo.cache import Cache, hash_file
from motools.repo.project import Project

LARGE = large_objects.LARGE + 12345
WORKFLOW = '''"""A model of one large file."""
from dataclasses import dataclass
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    size: int = 0
    byte: str = "a"


def train(config, input_atoms, workspace):
    folder = workspace / "model"
    folder.mkdir()
    (folder / "adapter.safetensors").write_bytes(config.byte.encode() * config.size)
    (folder / "small.json").write_text("{}")
    return [AtomConstructor("model", folder, "model")]


workflow = Workflow("large", [Step("train", {}, {"model": "model"}, Config, train)])
'''


def lay(project: Path, size: int = LARGE) -> Chain:
    (project / "chain.py").write_text(WORKFLOW)
    (project / "params.yaml").write_text(f"workflow: chain.py:workflow\ntrain: {{size: {size}}}\n")
    return Chain(project)


def on_disk(folder: Path) -> int:
    """Bytes on the disk below a folder, each file once however many names it has."""
    found = {(s.st_dev, s.st_ino): s.st_blocks * 512 for p in folder.rglob("*") if (s := p.lstat()) and p.is_file()}
    return sum(found.values())


FILE = "atoms/model/data/adapter.safetensors"


def test_a_large_file_goes_through_run_push_clone_and_pull_and_lies_on_the_disk_once(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = lay(project)
    dvc(project, "remote", "add", "-d", "store", str(tmp_path / "remote"))
    assert chain.run().code == 0
    commit(project)
    assert on_disk(project) < 1.1 * LARGE
    assert chain.command("push").code == 0
    git(tmp_path, "clone", "-q", str(project), "clone")
    clone = Chain(tmp_path / "clone")
    monkeypatch.chdir(clone.folder)
    assert clone.command("pull").code == 0
    assert on_disk(clone.folder) < 1.1 * LARGE
    done = clone.run()
    assert (done.code, done.statuses) == (0, ["current"])
    remove(clone.folder / "atoms")
    assert clone.run().statuses == ["restored"]
    assert (clone.folder / FILE).read_bytes() == b"a" * LARGE
    assert on_disk(clone.folder) < 1.1 * LARGE
    for each in (chain, clone):
        assert each.dvc_status() == {}
        assert os.path.samefile(each.folder / FILE, each.object("atoms/model", "data/adapter.safetensors"))
        assert stat.S_IMODE((each.folder / FILE).stat().st_mode) == 0o444
        assert stat.S_IMODE((each.folder / "atoms/model/data/small.json").stat().st_mode) & 0o200
        assert not os.path.samefile(
            each.folder / "atoms/model/data/small.json", each.object("atoms/model", "data/small.json")
        )


def test_who_writes_into_a_linked_file_all_the_same_spoils_no_later_result(project: Path) -> None:
    chain = lay(project)
    assert chain.run().code == 0
    (project / FILE).chmod(0o644)
    with (project / FILE).open("r+b") as file:
        file.write(b"X")
    done = chain.run()
    assert done.code == 0, done.err
    assert done.statuses == ["finished"]
    assert (project / FILE).read_bytes() == b"a" * LARGE


def test_a_damaged_object_is_never_linked_into_place(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"a" * LARGE)
    cache = Cache(tmp_path / "cache")
    out = cache.add(source)
    assert not os.path.samefile(source / "file", cache.path(hash_file(source / "file")))  # it was not ours
    spoil(cache.path(hash_file(source / "file")))
    (target := tmp_path / "target").mkdir()
    with pytest.raises(DamagedError):
        cache.check_out(out.md5, target / "out")
    assert list(target.iterdir()) == []


def test_an_atom_that_was_made_by_hand_takes_nothing_from_its_maker(project: Path, tmp_path: Path) -> None:
    from motools.atom import ModelAtom

    own = tmp_path / "own.bin"
    own.write_bytes(b"b" * LARGE)
    atom = ModelAtom.create(user="ada", artifact_path=own, metadata={"model_id": "x"})
    own.write_bytes(b"c")
    assert (atom.get_data_path() / "own.bin").stat().st_size == LARGE
    assert on_disk(project) < 1.1 * LARGE
    remove(project / ".motools")
    assert Project(project).store.has(f"{atom.md5}.dir")
