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
from motools.repo.cache import Cache, Hashed, hash_file
from motools.repo.file_hashes import FileHashes

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


def test_after_a_run_its_outputs_are_known_by_their_stats_at_once(project: Path) -> None:
    chain = Chain.lay(project)
    time.sleep(0.2)  # younger configuration is not taken for what the process has read
    run = chain.start()  # in a process of its own: this one's modules may lie where others are at work
    run.communicate(timeout=120)
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

    def late(store: Cache, out: object, source: Path, target: Path) -> None:
        if target.name == "model":
            with (source / "data" / "part.txt").open("r+b") as file:  # as what the step has left running would
                file.write(b"X")
        place(store, out, source, target)  # type: ignore[arg-type]

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
