"""What files hash to, remembered by their stat: never where it would not show that they are written again."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chain import Chain

from motools.base.clock import Moment, moment
from motools.code.search_path import pipeline_folder
from motools.engine import snapshot
from motools.engine.options import RunOptions
from motools.engine.pipeline import Pipeline
from motools.engine.prepared import prepare_folder
from motools.engine.run import execute
from motools.repo import file_hashes
from motools.repo.cache import Cache
from motools.repo.file_hashes import FileHashes, stamp_of
from motools.repo.hashing import Hashed, Out, hash_file

MD5S = {"one": "f97c5d29941bfb1b2fdab0874906ab82", "two": "b8a9f715dbb64fd5c56e7783c6820a61"}


def after(path: Path) -> Moment:
    """A moment of the file's own file system, in a later tick of its clock."""
    while not ((now := moment(path.parent)) and now.is_after(path.stat())):
        time.sleep(0.001)
    return now


def test_a_moment_is_after_what_was_written_before_it_and_not_after_what_is_written_later(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    now = after(file)
    assert now.is_after_writing(file.stat())
    for change in (lambda: file.write_text("two"), lambda: os.utime(file)):
        change()
        assert not now.is_after(file.stat())
        now = after(file)
    os.link(file, tmp_path / "other")
    assert now.is_after_writing(file.stat())
    assert not now.is_after(file.stat())
    assert sorted(os.listdir(tmp_path)) == ["file", "other"]
    assert not Moment(now.device + 1, now.time + 10**12).is_after(file.stat()), "another file system, another clock"


def test_where_nothing_can_be_written_there_is_no_moment(tmp_path: Path) -> None:
    assert moment(tmp_path / "nowhere") is None


def test_what_was_hashed_elsewhere_is_known_until_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    known = FileHashes(tmp_path / "index.json")
    assert not known.knows(str(file), MD5S["one"])
    known.learn({str(file): Hashed(MD5S["one"], file.stat()), str(tmp_path / "gone"): Hashed("0" * 32, file.stat())})
    assert known.knows(str(file), MD5S["one"])
    assert not known.knows(str(file), MD5S["two"])
    known.save()
    again = FileHashes(tmp_path / "index.json")
    assert again.knows(str(file), MD5S["one"])
    before = file.stat()
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not again.knows(str(file), MD5S["one"])
    found = again.file(str(file))
    assert found is not None
    assert found.md5 == MD5S["two"]


def test_what_has_changed_since_it_was_hashed_is_not_learnt(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    hashed = Hashed(MD5S["one"], file.stat())
    after(file)
    file.write_text("two")
    known = FileHashes(tmp_path / "index.json")
    known.learn({str(file): hashed})
    assert not known.knows(str(file), MD5S["one"])
    found = known.file(str(file))
    assert found is not None
    assert found.md5 == MD5S["two"]


def test_what_may_be_written_in_the_same_tick_is_not_learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    stat = file.stat()
    coarse = Moment(stat.st_dev, max(stat.st_mtime_ns, stat.st_ctime_ns))  # of a file system whose clock stands still
    monkeypatch.setattr(file_hashes, "moment", lambda folder: coarse)
    known = FileHashes(tmp_path / "index.json")
    known.learn({str(file): Hashed(MD5S["one"], stat)})
    assert not known.knows(str(file), MD5S["one"])


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Where an index is kept, beside a folder of three files."""
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    for name, text in {"a": "one", "sub/b": "two", "sub/c": "one"}.items():
        (tmp_path / "folder" / name).write_text(text)
    return tmp_path / "index.json"


def test_a_file_is_remembered_once_it_is_so_old_that_no_write_can_hide(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = index.parent / "folder" / "a"
    known = FileHashes(index)
    assert known.file(str(file)) == Out(MD5S["one"], 3)
    assert not known.knows(str(file), MD5S["one"]), "it was written a moment ago"
    known.save()
    assert not index.exists(), "there is nothing to write"
    monkeypatch.setattr(file_hashes, "_GRAIN", -(10**12))
    assert known.file(str(file)) == Out(MD5S["one"], 3)
    assert known.knows(str(file), MD5S["one"])
    known.save()
    again = FileHashes(index)
    assert again.knows(str(file), MD5S["one"])
    assert again.file(str(file)) == Out(MD5S["one"], 3)
    index.unlink()
    for each in (known, again):
        each.save()
    assert not index.exists(), "nothing has changed"


def test_what_is_remembered_is_what_is_told_until_the_file_is_written(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = index.parent / "folder" / "a"
    index.write_text(json.dumps({"version": 1, "files": {str(file): [*stamp_of(file.stat()), "f" * 32]}}))
    known = FileHashes(index)
    assert known.file(str(file)) == Out("f" * 32, 3)
    os.utime(file, (1, 1))
    assert known.file(str(file)) == Out(MD5S["one"], 3)
    monkeypatch.setattr(file_hashes, "_GRAIN", -(10**12))
    file.write_text("two")
    assert known.file(str(file)) == Out(MD5S["two"], 3)
    known.save()
    assert FileHashes(index).knows(str(file), MD5S["two"])


def test_a_time_in_the_past_that_was_put_there_just_now_does_not_make_a_file_old(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = index.parent / "folder" / "a"
    os.utime(file, (1, 1))
    monkeypatch.setattr(file_hashes, "_GRAIN", 3600 * 10**9)
    known = FileHashes(index)
    known.file(str(file))
    assert not known.knows(str(file), MD5S["one"])


@pytest.mark.parametrize("later", [0, 1])
def test_a_file_that_is_as_old_as_the_grain_of_the_clock_is_not_remembered_yet(
    index: Path, monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    file = index.parent / "folder" / "a"
    written = max(file.stat().st_mtime_ns, file.stat().st_ctime_ns)
    known = FileHashes(index)
    monkeypatch.setattr(time, "time_ns", lambda: written + file_hashes._GRAIN + later)
    known.file(str(file))
    assert known.knows(str(file), MD5S["one"]) is bool(later)


def test_what_is_no_file_has_no_hash(index: Path) -> None:
    known = FileHashes(index)
    os.mkfifo(index.parent / "pipe")
    for path in ("absent", "folder/a/b", "folder", "pipe", "/dev/null"):
        assert known.file(os.path.join(index.parent, path)) is None
    for path in ("absent", "folder/a"):
        assert known.folder(os.path.join(index.parent, path)) is None
    assert not known.knows(str(index.parent / "absent"), MD5S["one"])


def test_a_folder_hashes_to_what_the_cache_makes_of_it(index: Path) -> None:
    folder = index.parent / "folder"
    out = Cache(index.parent / "cache").add(folder)
    assert FileHashes(index).folder(str(folder)) == out
    assert (out.size, out.nfiles) == (9, 3)
    (folder / "link").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    assert FileHashes(index).folder(str(folder)) == out


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"version": 2, "files": {}}', '{"version": 1}', '{"version": 1, "files": 3}']
)
def test_an_index_that_says_nothing_is_none(index: Path, text: str) -> None:
    file = index.parent / "folder" / "a"
    index.write_text(text.replace('"files": {}', f'"files": {{"{file}": {json.dumps([*stamp_of(file.stat()), "f"])}}}'))
    assert FileHashes(index).file(str(file)) == Out(MD5S["one"], 3)


def test_files_that_are_gone_are_forgotten_when_others_are_written(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_hashes, "_GRAIN", -(10**12))
    known = FileHashes(index)
    folder = index.parent / "folder"
    assert known.folder(str(folder)) is not None
    (folder / "a").unlink()
    known.save()
    assert sorted(json.loads(index.read_text())["files"]) == [str(folder / "sub" / name) for name in "bc"]


def test_what_was_learnt_is_written_and_only_what_still_may_change_unseen_is_waited_for(index: Path) -> None:
    folder = index.parent / "folder"
    old, new = folder / "a", folder / "sub" / "b"
    after(new)
    new.write_text("one")
    known = FileHashes(index)
    known.learn({str(path): Hashed(MD5S["one"], path.stat()) for path in (old, new)})
    assert known.knows(str(old), MD5S["one"])
    assert known.knows(str(new), MD5S["one"])
    known.save()
    assert FileHashes(index).knows(str(new), MD5S["one"])
    known.learn({})


def test_after_a_run_its_outputs_are_known_by_their_stats_at_once(project: Path) -> None:
    chain = Chain.lay(project)
    time.sleep(0.2)  # younger configuration is not taken for what the process has read
    run = chain.start()  # in a process of its own: this one's modules may lie where others are at work
    run.communicate(timeout=300)
    assert run.returncode == 0
    known = FileHashes(chain.path(".motools", "index.json"))
    outs = [path for path in chain.path("atoms").rglob("*") if path.is_file() and path.name != ".gitignore"]
    assert len(outs) == 12
    assert all(known.knows(str(path), hash_file(path)) for path in outs)
    (proof,) = chain.path(".motools", "unchanged").iterdir()
    young = snapshot.Snapshot(**json.loads(proof.read_text())).young_files
    assert not {str(path) for path in outs} & young.keys()
    assert snapshot.unchanged(project) is not None
    path = chain.path("atoms", "model", "data", "part.txt")
    before = path.stat()
    path.write_bytes(bytes(len(path.read_bytes())))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert snapshot.unchanged(project) is None


def test_what_is_written_to_an_output_while_it_is_being_kept_is_not_taken_for_what_was_hashed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain.lay(project)
    place = Cache.place

    def late(store: Cache, out: object, source: Path, target: Path, *more: object) -> None:
        if target.name == "model":
            with (source / "data" / "part.txt").open("r+b") as file:  # as what the step has left running would
                file.write(b"X")
        place(store, out, source, target, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Cache, "place", late)
    with ThreadPoolExecutor(1) as here:
        execute(
            [Pipeline(pipeline_folder(project), lambda: prepare_folder(project))], RunOptions(executor=here, jobs=1)
        )
    path = chain.path("atoms", "model", "data", "part.txt")
    assert path.read_bytes().startswith(b"X")
    known = FileHashes(chain.path(".motools", "index.json"))
    entry = chain.object("atoms/model", "data/part.txt").parts[-2:]
    assert not known.knows(str(path), "".join(entry))
    assert snapshot.unchanged(project) is None
