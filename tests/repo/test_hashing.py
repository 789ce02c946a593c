"""Hashes are those of the bytes, however large a file is; what is known of a large one spares reading it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from motools.observe import path_digest
from motools.repo.hashing import block_of, files_in, hash_folder
from motools.repo.large_objects import LARGE, LargeObjects


def lay(folder: Path, sizes: list[int]) -> Path:
    """A folder of files of these sizes, with holes in them, each of another content."""
    folder.mkdir()
    for number, size in enumerate(sizes):
        with (folder / f"{number}.bin").open("wb") as file:
            file.write(b"%d" % number)
            file.truncate(size)
    return folder


@pytest.mark.parametrize("sizes", [[9], [LARGE], [LARGE - 1, LARGE + 1], [LARGE, 9, LARGE + 1, LARGE]])
def test_large_files_are_hashed_as_small_ones_are(tmp_path: Path, sizes: list[int]) -> None:
    folder = lay(tmp_path / "data", sizes)
    out, files, _ = hash_folder(folder)
    assert (out.size, out.nfiles) == (sum(sizes), len(sizes))
    assert {name: (each.md5, each.stat.st_size) for name, each in files.items()} == {
        path.name: (hashlib.md5(path.read_bytes()).hexdigest(), path.stat().st_size) for path in folder.iterdir()
    }


def test_a_large_file_that_is_known_is_not_read_and_any_other_is(tmp_path: Path) -> None:
    folder = lay(tmp_path / "data", [LARGE, LARGE + 1, LARGE, 9])
    known = LargeObjects(tmp_path / "known")
    for name, digit in (("0.bin", "a"), ("1.bin", "b")):
        (folder / name).chmod(0o444)
        known.learn(digit * 32, os.stat(folder / name))
    files = hash_folder(folder, known)[1]
    assert [files[f"{n}.bin"].md5[:2] for n in (0, 1)] == ["aa", "bb"]
    assert [files[f"{n}.bin"].md5 for n in (2, 3)] == [
        hashlib.md5((folder / f"{n}.bin").read_bytes()).hexdigest() for n in (2, 3)
    ]
    assert files["1.bin"].stat.st_size == LARGE + 1


def test_a_small_file_is_read_at_once_and_a_large_one_in_parts() -> None:
    assert [block_of(size) for size in (0, 4095, 5000, 1 << 18, 1 << 30)] == [4096, 4096, 5001, 262144, 262144]


LOOPS = {
    "to itself": {"a": "a"},
    "to the folder": {"a": ".", "b": "."},
    "to one above": {"a": "..", "b": "..", "c": "../.."},
    "to each other": {"one/a": "../two", "one/b": "../two", "two/a": "../one", "two/b": "../one"},
}


@pytest.mark.parametrize("how", LOOPS)
def test_links_that_lead_back_are_not_followed_again_and_again(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "above" / "data"
    for name in ("x", "one/y", "two/z"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for name, target in LOOPS[how].items():
        (folder / name).symlink_to(target)
    names = [name for _, name in files_in(folder)]
    assert {"x", "one/y", "two/z"} <= set(names)
    assert len(names) < 20
    assert path_digest(str(folder)) is not None


def test_a_link_to_a_folder_elsewhere_is_followed_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("x")
    for name in ("a", "b"):
        (tmp_path / "data" / name).symlink_to("../other")
    assert sorted(name for _, name in files_in(tmp_path / "data")) == ["a/x", "b/x"]
