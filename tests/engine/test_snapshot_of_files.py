"""The snapshot within this process: what it remembers of files, folders and variables, and what it believes."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from motools.engine import snapshot

STAGES = [{"stage": "x"}]
SECOND = 10**9


class Scene:
    """A project with a file, a folder and a cache with an object; all of it old unless a test says otherwise."""

    def __init__(self, root: Path) -> None:
        self.root, self.file, self.folder, self.cache = root, root / "file", root / "folder", root / "cache"
        (root / ".dvc").mkdir(parents=True)
        self.file.write_text("one")
        self.folder.mkdir()
        (self.folder / "a").write_text("")
        for bucket in snapshot._buckets(str(self.cache)):
            Path(bucket).mkdir(parents=True)
        self.object = self.cache / "files" / "md5" / "ab" / "cd"
        self.object.write_text("")
        self.object.chmod(0o444)

    @property
    def proof(self) -> Path:
        return snapshot._file(self.root, self.root)

    @property
    def saved(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.proof.read_text())
        return found

    def save(self, files: dict[str, str | None] | None = None, folders: Any = None, **more: Any) -> None:
        files = {str(self.file): md5_of("one")} if files is None else files
        folders = {str(self.folder): ["a"]} if folders is None else folders
        given = {"objects": ["abcd"], "stages": STAGES, **more}
        snapshot.save(self.root, self.root, self.cache, files, folders, **given)

    def holds(self) -> bool:
        found = snapshot.unchanged(self.root)
        assert found in (None, STAGES)
        return found is not None


def md5_of(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(snapshot, "STARTED", time.time_ns() + 60 * SECOND)
    return Scene(tmp_path / "p")


@pytest.fixture
def young(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """One in which all was written after this process has started, and a moment ago."""
    monkeypatch.setattr(snapshot, "STARTED", time.time_ns() - 60 * SECOND)
    monkeypatch.setattr(snapshot, "_GRAIN", 600 * SECOND)
    return Scene(tmp_path / "p")


def later(path: Path, change: Callable[[], Any]) -> None:
    """Change something once the clock of the file system has moved on."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        change()


def in_place(path: Path) -> None:
    """Other bytes, as many, with the same time of modification."""
    before = path.stat()

    def write() -> None:
        with path.open("r+b") as file:
            file.write(b"two")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    later(path, write)


def add_to(folder: Path) -> None:
    later(folder, lambda: (folder / f"new-{len(os.listdir(folder))}").touch())


CHANGES: dict[str, Callable[[Scene], Any]] = {
    "a file, its time put back": lambda s: in_place(s.file),
    "a file that is gone": lambda s: s.file.unlink(),
    "who may read a file": lambda s: s.file.chmod(0o600),
    "a file that is another": lambda s: (s.file.with_name("b").write_text("one"), s.file.with_name("b").rename(s.file)),
    "a folder": lambda s: add_to(s.folder),
    "a file that was not there": lambda s: (s.root / "absent").write_text(""),
    "a variable that the code has read": lambda s: os.environ.update(MINE="2"),
    "a variable that the code has read, gone": lambda s: os.environ.pop("MINE"),
    "a variable that was not there": lambda s: os.environ.update(THEIRS=""),
    **{
        f"the variable {name}": lambda s, name=name: os.environ.update({name: "/elsewhere"})  # type: ignore[misc]
        for name in ("PYTHONPATH", "HOME", "MOTOOLS_OTHER", "DVC_OTHER", "XDG_OTHER")
    },
    "the interpreter": lambda s: setattr(sys, "prefix", "/elsewhere"),
    "the version of Python": lambda s: setattr(sys, "version", "4"),
    "an object that is gone": lambda s: s.object.unlink(),
    "an object that can be written to": lambda s: (s.object.chmod(0o644), add_to(s.object.parent)),
    "a proof of another version of MOTools": lambda s: s.proof.write_text(json.dumps({**s.saved, "version": 2})),
    "a proof with more in it": lambda s: s.proof.write_text(json.dumps({**s.saved, "more": 2})),
    "a proof that was cut off": lambda s: s.proof.write_text(s.proof.read_text()[:-1]),
    "a proof that is taken back": lambda s: snapshot.forget(s.root, s.root),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen(scene: Scene, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    for name in ("prefix", "version"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ["MINE"] = "1"
    files = {str(scene.file): None, str(scene.root / "absent"): None}
    scene.save(files, {str(scene.folder): None}, env=["MINE", "THEIRS"])
    assert scene.holds()
    assert (scene.saved["young_files"], scene.saved["young_folders"]) == ({}, {})
    assert scene.saved["buckets"]
    CHANGES[what](scene)
    assert not scene.holds()


def test_what_decides_nothing_is_no_change(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.save()
    monkeypatch.setenv("MOTOOLS_USER", "ada")
    monkeypatch.setenv("OTHER", "1")
    (scene.root / "other").write_text("")
    (scene.cache / "files" / "md5" / "00" / "new").write_text("")
    assert scene.holds()
    assert snapshot.unchanged(scene.root / "folder") is None, "a proof is of one folder"


def test_a_project_is_found_from_below_and_by_another_name(scene: Scene) -> None:
    inside = scene.folder / "inside"
    inside.mkdir()
    assert snapshot.find_root(inside) == scene.root
    assert snapshot.find_root(scene.root.parent) is None
    scene.save({}, {})
    link = scene.root.parent / "link"
    link.symlink_to(scene.root)
    assert snapshot.unchanged(link) == STAGES
    assert snapshot.unchanged(scene.root.parent) is None


def test_what_was_looked_at_just_before_is_not_looked_at_again(scene: Scene) -> None:
    scene.save()
    seen: dict[str, bytes] = {}
    assert snapshot.unchanged(scene.root, seen) == STAGES
    assert {str(scene.file), str(scene.folder)} <= seen.keys()
    in_place(scene.file)
    assert snapshot.unchanged(scene.root, seen) == STAGES
    assert not scene.holds()


def test_once_an_object_was_added_to_the_cache_all_that_are_needed_are_looked_for(scene: Scene) -> None:
    scene.save()
    before = scene.saved
    assert scene.holds()
    assert scene.saved == before, "there is nothing to remember"
    scene.object.chmod(0o644)
    assert scene.holds(), "the folder of the cache is as it was"
    add_to(scene.object.parent)
    assert not scene.holds()
    scene.object.chmod(0o444)
    assert scene.holds()


# -- what is young ---------------------------------------------------------------------------


def test_what_is_young_is_known_by_what_was_verified_of_it(young: Scene) -> None:
    young.save()
    saved = young.saved
    assert saved["young_files"] == {str(young.file): md5_of("one")}
    assert saved["young_folders"] == {str(young.folder): ["a"]}
    assert (saved["paths"], saved["buckets"]) == ([], "")
    assert young.holds()
    young.file.write_text("two")
    assert not young.holds()
    young.file.write_text("one")
    assert young.holds()
    (young.folder / "b").write_text("")
    assert not young.holds()
    (young.folder / "b").unlink()
    assert young.holds()
    (young.folder / "a").unlink()
    young.folder.rmdir()
    assert not young.holds()
    young.save(folders={})
    assert young.holds()
    young.file.unlink()
    assert not young.holds()


def test_while_the_cache_is_young_its_objects_are_looked_for(young: Scene) -> None:
    young.save()
    assert young.holds()
    young.object.chmod(0o644)
    assert not young.holds()
    young.object.unlink()
    assert not young.holds()


@pytest.mark.parametrize("which", ["file", "folder"])
def test_of_what_is_young_and_was_not_verified_there_is_no_proof(young: Scene, which: str) -> None:
    young.save()
    path: dict[str, Any] = {str(getattr(young, which)): None}
    young.save(path if which == "file" else {}, path if which == "folder" else {})
    assert not young.proof.exists(), "nor that of before"


@pytest.mark.parametrize(
    ("age", "modified", "changed", "known"),
    [(1, 1, 1, True), (0, 1, 1, False), (1, 0, 1, False), (1, 1, 0, False), (1, 10, 10, True)],
)
def test_what_was_written_before_this_process_has_started_is_what_it_has_read_where_times_are_fine(
    young: Scene, monkeypatch: pytest.MonkeyPatch, age: int, modified: int, changed: int, known: bool
) -> None:
    """A time in whole seconds may be that of a file system which knows no finer ones."""
    times = SimpleNamespace(st_mtime_ns=SECOND + modified, st_ctime_ns=SECOND + changed, st_mode=0o100644, st_size=3)
    path, real = str(young.file), os.stat
    monkeypatch.setattr(os, "stat", lambda p, **how: times if os.fspath(p) == path else real(p, **how))
    monkeypatch.setattr(snapshot, "STARTED", SECOND + max(modified, changed) + snapshot._TICK + age)
    young.save({path: None}, {})
    assert young.proof.exists() is known
    if known:
        assert young.saved["young_files"] == {path: md5_of("one")}


def test_what_is_known_by_its_stat_however_young_needs_no_content(young: Scene) -> None:
    young.save({str(young.file): md5_of("one")}, {}, knows=lambda path, md5: md5 == md5_of("one"))
    assert (young.saved["paths"], young.saved["young_files"]) == ([str(young.file)], {})
    assert young.holds()
    in_place(young.file)
    assert not young.holds()


def test_only_of_a_file_whose_content_was_verified_is_it_asked_whether_its_stat_tells(young: Scene) -> None:
    young.save(knows=lambda path, md5: True)
    assert young.saved["young_folders"] == {str(young.folder): ["a"]}
    young.save({str(young.file): None}, {}, knows=lambda path, md5: True)
    assert not young.proof.exists()


@pytest.mark.parametrize("later", [0, 1])
def test_what_is_as_old_as_the_grain_of_the_clock_is_young_yet(
    young: Scene, monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    times = SimpleNamespace(st_mtime_ns=SECOND, st_ctime_ns=SECOND, st_mode=0o100644, st_size=3, st_ino=1, st_dev=1)
    path, real = str(young.file), os.stat
    monkeypatch.setattr(os, "stat", lambda p, **how: times if os.fspath(p) == path else real(p, **how))
    monkeypatch.setattr(snapshot, "STARTED", SECOND + snapshot._GRAIN + later)
    young.save({path: md5_of("one")}, {})
    assert list(young.saved["young_files"]) == ([] if later else [path])


def test_what_is_written_while_the_proof_is_made_is_proven_by_none(young: Scene) -> None:
    answers = iter([True, False])
    young.save({str(young.file): md5_of("one")}, {}, knows=lambda path, md5: next(answers))
    assert not young.proof.exists()


def test_what_has_grown_old_is_known_by_its_stat_from_then_on(young: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    young.save()
    monkeypatch.setattr(snapshot, "_GRAIN", -60 * SECOND)
    assert young.holds()
    saved = young.saved
    assert (saved["young_files"], saved["young_folders"]) == ({}, {})
    assert saved["paths"] == [str(young.file), str(young.folder)]
    assert saved["buckets"] == snapshot._digest(snapshot._buckets(str(young.cache)))
    assert young.holds()
    later(young.file, lambda: young.file.write_text("one"))
    assert not young.holds()


def test_some_of_it_may_be_old_before_the_rest(young: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    young.save()
    age = snapshot._age
    monkeypatch.setattr(snapshot, "_age", lambda path: 1 if path == str(young.file) else age(path))
    assert young.holds()
    saved = young.saved
    assert (saved["paths"], saved["young_files"], saved["buckets"]) == ([str(young.file)], {}, "")
    assert saved["young_folders"] == {str(young.folder): ["a"]}


def test_what_is_written_while_it_grows_up_stays_young(young: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    young.save()
    before = young.saved
    ages = iter([1, 1, time.time_ns()])  # of the file, the folder and then of the file again
    age = snapshot._age
    mine = (str(young.file), str(young.folder))
    monkeypatch.setattr(snapshot, "_age", lambda path: next(ages) if path in mine else age(path))
    assert young.holds()
    assert young.saved == before


# -- what else is asked ------------------------------------------------------------------------


def test_a_small_young_file_is_known_by_content_and_nothing_else_is(
    young: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert snapshot.is_young(str(young.file))
    assert snapshot.content_if_young(str(young.file)) == md5_of("one")
    assert snapshot.content_if_young(str(young.folder)) is None
    assert snapshot.content_if_young(str(young.root / "absent")) is None
    monkeypatch.setattr(snapshot, "_SMALL", 3)
    assert snapshot.content_if_young(str(young.file)) is not None
    monkeypatch.setattr(snapshot, "_SMALL", 2)
    assert snapshot.content_if_young(str(young.file)) is None
    monkeypatch.setattr(snapshot, "_SMALL", 3)
    monkeypatch.setattr(snapshot, "STARTED", snapshot._age(str(young.file)) + snapshot._GRAIN)
    assert snapshot.is_young(str(young.file))
    monkeypatch.setattr(snapshot, "STARTED", snapshot.STARTED + 1)
    assert not snapshot.is_young(str(young.file))
    assert snapshot.content_if_young(str(young.file)) is None


def test_a_file_of_sixteen_mebibytes_is_small(young: Scene) -> None:
    os.truncate(young.file, 1 << 24)
    assert snapshot.content_if_young(str(young.file)) is not None
    os.truncate(young.file, (1 << 24) + 1)
    assert snapshot.content_if_young(str(young.file)) is None


def test_an_object_is_looked_for_wherever_the_cache_keeps_it(scene: Scene) -> None:
    for bucket in ("00", "ff"):
        added = scene.cache / "files" / "md5" / bucket / "cd"
        added.write_text("")
        added.chmod(0o444)
        scene.save(objects=[f"{bucket}cd"])
        assert scene.holds()
        added.unlink()
        assert not scene.holds()


def test_the_files_of_loaded_modules_and_where_they_are_looked_for_count_but_the_standard_librarys(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(scene.folder), str(scene.root / "absent"), "", str(scene.file)])
    found = snapshot.loaded_files()
    assert {pytest.__file__, snapshot.__file__, str(scene.folder)} <= {*found}
    assert {json.__file__, str(scene.root / "absent"), "", str(scene.file)}.isdisjoint(found)
    assert found == sorted(found)
