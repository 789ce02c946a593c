"""Objects that go through a remote one by one: what is sent is whole, and what is brought is what it is called."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from chain import dvc, remove, spoil

from motools.errors import RemoteError
from motools.repo import cache, exchange, step_cache
from motools.repo.exchange import Exchange
from motools.repo.hashing import hash_file
from motools.repo.project import Project
from motools.repo.step_cache import CachedResult


class Scene:
    """A project with a remote that is a folder, and a folder of files in its cache."""

    def __init__(self, root: Path) -> None:
        self.project = Project(root)
        self.remote = root.parent / "store" / "files" / "md5"
        dvc(root, "remote", "add", "-q", "-d", "store", str(root.parent / "store"))
        (root / "made" / "sub").mkdir(parents=True)
        (root / "made" / "small.txt").write_text("small")
        (root / "made" / "sub" / "large.txt").write_text("large" * (1 << 14))
        self.oid = self.project.store.add(root / "made").md5
        self.files = self.project.store.tree(self.oid)
        self.exchange = Exchange(self.project)

    def there(self, oid: str) -> Path:
        return self.remote / oid[:2] / oid[2:]

    def lose(self) -> None:
        remove(self.project.root / ".dvc" / "cache")


@pytest.fixture
def scene(project: Path) -> Iterator[Scene]:
    scene = Scene(project)
    with closing(scene.exchange):
        yield scene


def test_a_folder_is_sent_with_its_files_and_what_is_there_is_not_sent_again(scene: Scene) -> None:
    every = [scene.oid, *scene.files.values()]
    assert len(every) == 3
    scene.exchange.send([scene.oid, scene.oid])
    for oid in every:
        assert scene.there(oid).read_bytes() == scene.project.store.path(oid).read_bytes()
    shutil.rmtree(scene.remote)
    scene.exchange.send([scene.oid])
    assert not scene.remote.exists(), "it is known to be there"
    scene.exchange.send([])
    with closing(Exchange(scene.project)) as again:
        again.has([scene.oid])
        again.send([scene.oid])
        assert not scene.remote.exists()
    with closing(Exchange(scene.project)) as again:
        again.send([scene.oid])
    assert all(scene.there(oid).exists() for oid in every)


@pytest.mark.parametrize("few", [0, 32])
def test_what_is_brought_is_what_was_sent(scene: Scene, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(exchange, "_FEW", few)
    scene.exchange.send([scene.oid])
    scene.lose()
    assert scene.exchange.fetch([scene.oid])
    scene.project.store.check_out(scene.oid, scene.project.root / "again")
    for name in ("small.txt", "sub/large.txt"):
        again, before = (scene.project.root / folder / name for folder in ("again", "made"))
        assert again.read_bytes() == before.read_bytes()
    assert scene.exchange.problem is None


@pytest.mark.parametrize("which", ["small.txt", "sub/large.txt", "the folder"])
def test_what_the_remote_has_under_a_false_name_is_not_taken(scene: Scene, which: str) -> None:
    oid = scene.files.get(which, scene.oid)
    scene.exchange.send([scene.oid])
    scene.lose()
    spoil(scene.there(oid))
    assert not scene.exchange.fetch([scene.oid])
    assert not scene.project.store.has(oid)
    assert isinstance(scene.exchange.problem, RemoteError)


@pytest.mark.parametrize(("few", "what"), [(0, "the folder"), (32, "the folder"), (32, "small.txt")])
def test_what_the_remote_lacks_is_no_problem_and_may_come_yet(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, few: int, what: str
) -> None:
    monkeypatch.setattr(exchange, "_FEW", few)
    scene.exchange.send([scene.oid])
    scene.lose()
    lacking = scene.there(scene.files.get(what, scene.oid))
    away = lacking.rename(scene.remote.parent / "away")
    assert not scene.exchange.fetch([scene.oid])
    assert scene.exchange.problem is None
    away.rename(lacking)
    assert scene.exchange.fetch([scene.oid])


def test_a_remote_that_cannot_be_reached_is_told_each_time(scene: Scene) -> None:
    scene.remote.parents[1].write_text("no folder")
    for _ in range(2):
        with pytest.raises(RemoteError, match="store"):
            scene.exchange.send([scene.oid])
        with pytest.raises(RemoteError, match="store"), scene.exchange.claimed("key"):
            raise AssertionError
    scene.remote.parents[1].unlink()
    scene.exchange.send([scene.oid])
    assert scene.there(scene.oid).exists()
    with scene.exchange.claimed("key"):
        assert len(list(scene.remote.parents[1].rglob("claims/key/*"))) == 1
    assert not list(scene.remote.parents[1].rglob("claims/key/*"))


def test_nothing_that_the_remote_has_of_a_folder_of_many_files_is_sent_again(project: Path, tmp_path: Path) -> None:
    dvc(project, "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    (tmp_path / "many").mkdir()
    for number in range(40):
        (tmp_path / "many" / f"{number}.txt").write_text(f"file {number}")
    (tmp_path / "few").mkdir()
    for number in range(2):
        (tmp_path / "few" / f"{number}.txt").write_text(f"file {number}")
    store = Project(project).store
    many, few = store.add(tmp_path / "many").md5, store.add(tmp_path / "few").md5

    def sent(*oids: str) -> dict[str, int]:
        exchange = Exchange(Project(project))
        exchange.send(oids)
        exchange.close()
        paths = (tmp_path / "store" / "files" / "md5").glob("??/*")
        return {path.parent.name + path.name: path.stat().st_ctime_ns for path in paths}

    first = sent(many)
    assert first.keys() == {many, *store.tree(many).values()}
    assert sent(many) == first
    second = sent(many, few)
    assert second == {**first, few: second[few]}


def databases() -> set[str]:
    """Those that this process has open."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(os.readlink(each))
    return {path for path in found if path.endswith(".db")}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="nothing tells here what a process has open")
def test_once_it_is_closed_it_keeps_nothing_of_dvc_open(scene: Scene) -> None:
    before = databases()
    scene.exchange.send([scene.oid])
    assert databases() - before
    scene.exchange.close()
    assert not databases() - before


def test_what_others_have_set_for_it_is_looked_at_before_it_is_opened(scene: Scene) -> None:
    with (scene.project.root / ".dvc" / "config").open("a") as file:
        file.write("    ssl_verify = false\n")
    with closing(Exchange(Project(scene.project.root))) as again, pytest.raises(RemoteError, match="sets ssl_verify"):
        again.send([scene.oid])
    assert not scene.remote.exists()


def test_a_large_file_that_is_brought_is_not_written_to_by_the_next_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.exchange.send([scene.oid])
    scene.lose()
    monkeypatch.setattr(cache, "LARGE", 1)
    assert scene.exchange.fetch([scene.oid])
    for md5 in scene.files.values():
        assert hash_file(scene.project.store.path(md5)) == md5


@pytest.mark.parametrize("packed", [True, False])
def test_a_small_result_comes_as_its_pack_and_any_other_file_by_file(scene: Scene, packed: bool) -> None:
    store, command = scene.project.store, step_cache.step_command("0" * 64)
    entry = CachedResult(
        {"model": store.add(scene.project.root / "made")}, store.add(scene.project.root / "made/small.txt")
    )
    if packed:
        step_cache.pack(store, command, entry)
    scene.exchange.send_result(command, entry)
    if packed:
        shutil.rmtree(scene.remote)
        scene.remote.mkdir()
    scene.lose()
    scene.exchange.receive(command, entry)
    assert step_cache.lookup(store, command, ["model"]) == entry
    scene.lose()
    shutil.rmtree(scene.remote.parents[1])
    scene.remote.mkdir(parents=True)
    with pytest.raises(RemoteError, match="it lacks files of a result"):
        scene.exchange.receive(command, entry)
    assert step_cache.lookup(store, command, ["model"]) is None
