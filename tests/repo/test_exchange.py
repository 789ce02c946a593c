"""Objects that go through a remote one by one: what is sent is whole, and what is brought is what it is called."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from hashlib import md5
from pathlib import Path

import pytest
from chain import dvc, open_databases, remove, spoil

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
    with closing(Exchange(scene.project)) as again:
        again.has([scene.oid])
        again.send([scene.oid])
        assert not scene.remote.exists()
    with closing(Exchange(scene.project)) as again:
        again.send([scene.oid])
    assert all(scene.there(oid).exists() for oid in every)


@pytest.mark.parametrize("name", ["small.txt", "sub/large.txt"])
def test_a_folder_is_not_there_before_its_files_are(scene: Scene, name: str) -> None:
    in_the_way = scene.there(scene.files[name]).parent
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("no folder")
    with pytest.raises(RemoteError, match="store"):
        scene.exchange.send([scene.oid])
    assert not scene.there(scene.oid).exists()
    in_the_way.unlink()
    scene.exchange.send([scene.oid])
    assert all(scene.there(oid).exists() for oid in (scene.oid, *scene.files.values()))


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


@pytest.mark.parametrize("which", [0, -1])
def test_a_false_name_is_one_that_comes_before_the_true_one_or_after_it(scene: Scene, which: int) -> None:
    oid = scene.files["small.txt"]
    scene.exchange.send([oid])
    scene.lose()
    contents = sorted((f"small {number}".encode() for number in range(64)), key=lambda data: md5(data).digest())
    assert md5(contents[0]).hexdigest() < oid < md5(contents[-1]).hexdigest()
    remove(scene.there(oid))
    scene.there(oid).write_bytes(contents[which])
    assert not scene.exchange.fetch([oid])
    assert "is something else" in str(scene.exchange.problem)


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


def test_what_the_remote_lacks_keeps_nothing_else_from_being_brought(scene: Scene) -> None:
    scene.exchange.send([scene.oid])
    scene.lose()
    oids = ["0" * 32, *scene.files.values(), "1" * 32]
    assert not scene.exchange.look(oids)
    assert [scene.project.store.has(oid) for oid in oids] == [False, True, True, False]
    assert scene.exchange.problem is None


def test_a_remote_that_is_gone_since_it_was_opened_is_not_taken_for_one_that_lacks_files(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_FEW", 0)
    scene.exchange.send([scene.oid])
    scene.lose()
    scene.remote.parents[1].rename(scene.remote.parents[2] / "away")
    assert not scene.exchange.fetch([scene.oid])
    assert "there is no such folder" in str(scene.exchange.problem)


def test_a_remote_that_cannot_be_reached_is_told_each_time(scene: Scene) -> None:
    scene.remote.parents[1].write_text("no folder")
    for _ in range(2):
        with pytest.raises(RemoteError, match="store"):
            scene.exchange.send([scene.oid])
        with pytest.raises(RemoteError, match="store"), scene.exchange.claimed("key"):
            raise AssertionError
    scene.exchange.send([])
    assert scene.exchange.look([])
    assert scene.exchange.problem is None, "nothing was to be asked"
    assert not scene.exchange.fetch(["0" * 32])
    assert scene.exchange.problem is not None
    scene.remote.parents[1].unlink()
    scene.exchange.send([scene.oid])
    assert scene.there(scene.oid).exists()


def test_one_machine_at_a_time_has_a_key(scene: Scene) -> None:
    store = scene.remote.parents[1]
    store.mkdir()
    with scene.exchange.claimed("key"):
        assert len(list(store.rglob("claims/key/*"))) == 1
    assert not list(store.rglob("claims/key/*"))
    shutil.rmtree(store)
    scene.remote.mkdir(parents=True)
    for folder in (store, scene.remote):
        (folder / "motools").write_text("no folder")
    with pytest.raises(RemoteError, match="store"), scene.exchange.claimed("key"):
        raise AssertionError


def test_a_plain_web_server_lists_nothing_and_keeps_no_key_for_anyone(scene: Scene) -> None:
    dvc(scene.project.root, "remote", "modify", "-q", "store", "url", "http://127.0.0.1:9/nobody")
    with closing(Exchange(Project(scene.project.root))) as again, again.claimed("key"):
        pass  # it was not even asked


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


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="nothing tells here what a process has open")
def test_dvc_is_opened_once_and_once_it_is_closed_nothing_of_it_is_open(scene: Scene) -> None:
    before = open_databases()
    scene.exchange.send([scene.files["small.txt"]])
    opened = open_databases()
    assert len(opened) > len(before)
    scene.exchange.send([scene.oid])
    assert open_databases() == opened
    scene.exchange.close()
    assert open_databases() == before


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
    for oid in scene.files.values():
        assert hash_file(scene.project.store.path(oid)) == oid


COMMAND = step_cache.step_command("0" * 64)


def result(scene: Scene) -> CachedResult:
    store, made = scene.project.store, scene.project.root / "made"
    return CachedResult({"model": store.add(made)}, store.add(made / "small.txt"))


@pytest.mark.parametrize("packed", [True, False])
def test_a_small_result_comes_as_its_pack_and_any_other_file_by_file(scene: Scene, packed: bool) -> None:
    store, entry = scene.project.store, result(scene)
    if packed:
        step_cache.pack(store, COMMAND, entry)
    scene.exchange.send_result(COMMAND, entry)
    if packed:
        shutil.rmtree(scene.remote)
        scene.remote.mkdir()
    scene.lose()
    with closing(Exchange(scene.project)) as again:
        again.receive(COMMAND, entry)
        assert step_cache.lookup(store, COMMAND, ["model"]) == entry
        shutil.rmtree(scene.remote.parents[1])
        again.send(entry.oids())
        assert not scene.remote.exists(), "what was received is known to be there"
    remove(store.cache / "runs")
    scene.remote.parents[1].write_text("no folder")
    with closing(Exchange(scene.project)) as again:
        again.receive(COMMAND, entry)
        assert step_cache.lookup(store, COMMAND, ["model"]) == entry, "all of it was here"


def test_a_result_that_the_remote_lacks_or_has_damaged_is_none_and_is_told(scene: Scene) -> None:
    entry = result(scene)
    scene.exchange.send_result(COMMAND, entry)
    scene.lose()
    spoil(scene.there(entry.record.md5))
    with pytest.raises(RemoteError, match="is something else"):
        scene.exchange.receive(COMMAND, entry)
    scene.there(entry.record.md5).unlink()
    with pytest.raises(RemoteError, match="it lacks files of a result"):
        scene.exchange.receive(COMMAND, entry)
    assert step_cache.lookup(scene.project.store, COMMAND, ["model"]) is None


def test_what_is_brought_into_the_cache_of_a_group_all_of_it_may_write_to(scene: Scene) -> None:
    entry = result(scene)
    scene.exchange.send_result(COMMAND, entry)
    scene.lose()
    dvc(scene.project.root, "config", "-q", "cache.shared", "group")
    project = Project(scene.project.root)
    for bring in (lambda again: again.fetch([scene.oid]), lambda again: again.receive(COMMAND, entry)):
        with closing(Exchange(project)) as again:
            bring(again)
        folders = [path for path in project.cache.rglob("*") if path.is_dir()]
        assert folders
        assert [path for path in folders if not path.stat().st_mode & stat.S_IWGRP] == []
        scene.lose()
