"""Large files of a result lie on the disk once: the cache and the folder have the same bytes under two names."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from chain import Chain, commit, dvc, git, remove, spoil

from motools.errors import DamagedError
from motools.repo import large_objects, sharing
from motools.repo.cache import Cache
from motools.repo.file_hashes import FileHashes
from motools.repo.hashing import hash_file, hash_folder
from motools.repo.large_objects import LargeObjects
from motools.repo.project import Project

LARGE = large_objects.LARGE + 12345
WORKFLOW = '''"""A model of one large file."""
import time
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
    time.sleep(0.05)  # so that the clock of the files ticks
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


def test_a_pull_lays_nothing_where_a_file_of_others_leads_out_of_the_project(project: Path) -> None:
    (project / "data.bin").write_bytes(b"a" * LARGE)
    dvc(project, "add", "-q", "data.bin")
    (project / "data.bin").unlink()
    told = (project / "data.bin.dvc").read_text()
    (project / "link").symlink_to(project.parent)
    for path in ("../outside.bin", "link/outside.bin", ".git/hooks/post-checkout"):
        (project / "data.bin.dvc").write_text(told.replace("path: data.bin", f"path: {path}"))
        sharing._lay_large(Project(project))
        assert not (project / path).exists()
    (project / "data.bin.dvc").write_text(told)
    sharing._lay_large(Project(project))
    assert (project / "data.bin").stat().st_size == LARGE


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


def old(path: Path) -> os.stat_result:
    """A large protected file's stat, last written a while ago."""
    os.utime(path, ns=(10**18, 10**18))
    path.chmod(0o444)
    return path.stat()


def test_a_large_object_is_known_until_it_is_written_to_and_whatever_it_is_called(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a" * LARGE)
    known = LargeObjects(tmp_path / "known")
    assert known.md5(old(file)) is None
    known.learn("0" * 32, file.stat())
    for each in (known, LargeObjects(tmp_path / "known")):
        assert each.md5(file.stat()) == "0" * 32
    os.link(file, tmp_path / "other")  # which changes the ctime
    file.unlink()
    assert known.md5((tmp_path / "other").stat()) == "0" * 32
    (tmp_path / "other").chmod(0o644)
    assert known.md5((tmp_path / "other").stat()) is None
    with (tmp_path / "other").open("r+b") as handle:
        handle.write(b"b")
    (tmp_path / "other").chmod(0o444)
    assert known.md5((tmp_path / "other").stat()) is None


def test_small_files_are_not_among_the_known_objects(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a" * 1000)
    known = LargeObjects(tmp_path / "known")
    known.learn("0" * 32, old(file))
    assert known.md5(file.stat()) is None
    assert not (tmp_path / "known").exists()


def test_a_line_that_was_cut_short_is_no_knowledge(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a" * LARGE)
    known = LargeObjects(tmp_path / "known")
    known.learn("0" * 32, old(file))
    whole = (tmp_path / "known").read_bytes()
    (tmp_path / "known").write_bytes(whole[:-20])
    cut = LargeObjects(tmp_path / "known")
    assert cut.md5(file.stat()) is None
    cut.learn("1" * 32, file.stat())  # on the same line as what is left of the other one
    assert cut.md5(file.stat()) is None
    cut.learn("2" * 32, file.stat())
    assert LargeObjects(tmp_path / "known").md5(file.stat()) == "2" * 32


def test_what_is_known_of_a_large_object_is_not_read_again(tmp_path: Path) -> None:
    """Taught a hash that it does not have, an object is taken for what it is known as, and its folder too."""
    large = LargeObjects(tmp_path / "known")
    cache = Cache(tmp_path / "cache", large=large)
    (source := tmp_path / "source").mkdir()
    (source / "file").write_bytes(b"a" * LARGE)
    out = cache.add(source, ours=True)
    md5 = hash_file(source / "file")
    large.learn("0" * 32, old(source / "file"))
    assert hash_folder(source)[0].md5 == out.md5
    assert hash_folder(source, large)[1]["file"].md5 == "0" * 32
    assert FileHashes(tmp_path / "index.json", large).knows(str(source / "file"), "0" * 32)
    found = FileHashes(tmp_path / "index.json", large).file(str(source / "file"))
    assert found is not None
    assert found.md5 == "0" * 32
    large.learn(md5, (source / "file").stat())
    assert large.md5((source / "file").stat()) == md5
    cache.check_out(out.md5, tmp_path / "out")
    spoil(cache.path(md5))
    with pytest.raises(DamagedError):
        cache.check_out(out.md5, tmp_path / "out")


def test_after_a_run_and_after_a_restore_nothing_has_to_read_a_large_output(project: Path) -> None:
    chain = lay(project)
    for statuses in (["finished"], ["restored"]):
        assert chain.run().statuses == statuses
        found = FileHashes(tmp := project / ".motools" / "none.json", Project(project).store.large)
        assert not tmp.exists()
        assert found.knows(str(project / FILE), hash_file(project / FILE))
        assert not found.knows(str(project / FILE), "0" * 32)
        assert chain.run().statuses == ["current"]
        remove(project / "atoms")


def test_several_large_files_have_the_hashes_that_each_has_by_itself(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"shard-{number}").write_bytes(bytes([number]) * (LARGE + number))
    (tmp_path / "small").write_text("small")
    out, files, _ = hash_folder(tmp_path)
    assert {name: each.md5 for name, each in files.items()} == {p.name: hash_file(p) for p in tmp_path.iterdir()}
    assert out.nfiles == 4


def test_a_project_that_asks_dvc_for_copies_has_copies(project: Path) -> None:
    dvc(project, "config", "cache.type", "copy")
    chain = lay(project)
    assert chain.run().statuses == ["finished"]
    remove(project / "atoms")
    assert chain.run().statuses == ["restored"]
    assert not os.path.samefile(project / FILE, chain.object("atoms/model", "data/adapter.safetensors"))
    with (project / FILE).open("r+b") as file:
        file.write(b"X")
    assert hash_file(chain.object("atoms/model", "data/adapter.safetensors")) != hash_file(project / FILE)
    assert chain.run().statuses == ["restored"]
    assert (project / FILE).read_bytes() == b"a" * LARGE
