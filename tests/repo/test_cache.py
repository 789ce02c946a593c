"""The object store: DVC's cache, read and written without DVC."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from motools.errors import DamagedError
from motools.repo.cache import Cache
from motools.repo.hashing import Hashed, Out, hash_file, hash_folder
from motools.repo.large_objects import LARGE, LargeObjects
from motools.repo.project import Project


def write_tree(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def read_tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text("utf-8") for p in folder.rglob("*") if p.is_file()}


def dvc(*arguments: str, folder: Path | None = None) -> str:
    done = subprocess.run(["dvc", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def added_by_dvc(name: str) -> Out:
    """What a `.dvc` file says of its one out."""
    (entry,) = yaml.safe_load(Path(f"{name}.dvc").read_text())["outs"]
    return Out(entry["md5"], entry["size"], entry.get("nfiles"))


# Names that sort differently by parts than by string, names that JSON escapes, empty files, equal files.
TREE = {
    "b/c": "1",
    "b-d": "2",
    "b.d": "3",
    "b/c d/e": "4",
    "a/b/c/d/e/f": "5",
    "B": "6",
    "é/ü/日本 語.txt": "7",
    "\U0001f600.txt": "8",
    'quote" back\\slash \ttab': "9",
    "empty": "",
    "also empty": "",
    "équal": "1",
    ".hidden": "10",
}


@pytest.fixture
def store(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def put(store: Cache, data: bytes, oid: str | None = None) -> str:
    """Lay an object into the cache as a pull would, under its own name or another."""
    oid = oid or hashlib.md5(data).hexdigest()
    path = store.path(oid)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o444)
    return oid


def put_listing(store: Cache, listing: object) -> str:
    data = json.dumps(listing).encode()
    return put(store, data, hashlib.md5(data).hexdigest() + ".dir")


def spoil(path: Path, data: bytes = b"not what it says") -> None:
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def written(about: os.stat_result) -> tuple[int, ...]:
    """What tells of writing, linking and renaming, but not of reading."""
    return about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


# -- the same as DVC --------------------------------------------------------


def test_files_and_folders_have_the_ids_and_objects_that_dvc_gives_them(project: Path) -> None:
    write_tree(project / "tree", TREE)
    (project / "nothing").mkdir()
    write_tree(project, {"file": "x" * 100, "none": ""})
    names = ["tree", "nothing", "file", "none"]
    dvc("add", "-q", *names)

    theirs = Cache(project / ".dvc" / "cache")
    ours = Cache(project / "other")
    for name in names:
        out = ours.add(project / name)
        assert out == added_by_dvc(name)
        assert ours.has(out.md5)
        assert theirs.has(out.md5)
        assert ours.read(out.md5) == theirs.read(out.md5)
    assert ours.tree(added_by_dvc("tree").md5) == theirs.tree(added_by_dvc("tree").md5)
    assert read_tree(theirs.cache) == read_tree(ours.cache)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in ours.cache.rglob("*") if p.is_file()}
    assert modes == {0o444}


def test_dvc_knows_what_we_put_into_its_cache(project: Path) -> None:
    write_tree(project / "data", TREE)
    out = Project.find().store.add(project / "data")
    (project / "copy.dvc").write_text(yaml.safe_dump({"outs": [{**out.as_dict(), "path": "copy"}]}))
    dvc("checkout", "-q", "copy.dvc")
    assert read_tree(project / "copy") == TREE


NAMES = st.text("ab-._ é0", min_size=1, max_size=4).filter(lambda name: name.strip(".") != "")
TREES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=8), max_size=6)


@settings(deadline=None, max_examples=40)
@given(TREES)
def test_a_folder_comes_out_as_it_went_in(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("tree")
    store = Cache(folder / "cache")
    source = folder / "in"
    source.mkdir()
    for name, data in tree.items():
        path = source / name
        if any(parent.is_file() for parent in path.parents) or path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    out = store.add(source)
    store.check_out(out.md5, folder / "out")
    assert hash_folder(folder / "out")[0] == out == store.describe(out.md5)


def test_equal_folders_have_one_id_and_the_lock_entry_counts_bytes_and_files(tmp_path: Path) -> None:
    one = hash_folder(write_tree(tmp_path / "one", {"a": "xx", "b/c": "yyy"}))[0]
    other = hash_folder(write_tree(tmp_path / "other", {"b/c": "yyy", "a": "xx"}))[0]
    assert one == other
    assert one.as_dict() == {"hash": "md5", "md5": one.md5, "size": 5, "nfiles": 2}
    assert list(Out("0" * 32, 7).as_dict()) == ["hash", "md5", "size"]


# -- where the cache is -----------------------------------------------------


def test_the_cache_is_where_the_dvc_configuration_says(project: Path, tmp_path: Path) -> None:
    assert Project.find().cache == project / ".dvc" / "cache"
    (project / ".dvc" / "config").write_text("[cache]\n    dir = ../../shared\n")
    assert Project.find().cache == tmp_path / "shared"
    (project / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {tmp_path}/far away\n")
    assert Project.find().cache == tmp_path / "far away"
    write_tree(project / "data", {"a": "1"})
    dvc("add", "-q", "data")
    assert Project.find().store.has(added_by_dvc("data").md5)


def test_the_cache_of_the_global_configuration_counts_until_the_project_names_one(
    project: Path, tmp_path: Path
) -> None:
    configuration = Path(os.environ["DVC_GLOBAL_CONFIG_DIR"], "config")
    configuration.write_text(f"[cache]\n    dir = {tmp_path}/everyone\n")
    assert Project.find().cache == tmp_path / "everyone"
    (project / ".dvc" / "config").write_text("[cache]\n    dir = ../mine\n")
    assert Project.find().cache == project / "mine"


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_links_of_dvcs_cache_types_are_read_and_replaced_by_copies(project: Path, kind: str) -> None:
    (project / ".dvc" / "config").write_text(f"[cache]\n    type = {kind}\n")
    write_tree(project / "data", {"a": "1", "b/c": "2"})
    dvc("add", "-q", "data")
    linked = project / "data" / "a"
    assert linked.is_symlink() if kind == "symlink" else linked.stat().st_nlink > 1
    out = added_by_dvc("data")
    assert hash_folder(project / "data")[0] == out

    store = Project.find().store
    store.check_out(out.md5, project / "data")
    assert read_tree(project / "data") == {"a": "1", "b/c": "2"}
    linked.write_text("changed")
    assert store.read(hashlib.md5(b"1").hexdigest()) == b"1"
    store.check_out(out.md5, project / "data")
    assert dvc("status").strip() == "Data and pipelines are up to date."


# -- what is whole ----------------------------------------------------------


def test_a_folder_is_here_only_with_all_its_files(store: Cache, tmp_path: Path) -> None:
    oid = store.add(write_tree(tmp_path / "data", {"a": "1", "b": "2"})).md5
    assert store.has(oid)
    store.path(hashlib.md5(b"2").hexdigest()).unlink()
    assert not store.has(oid)
    assert list(store.folders()) == [oid]
    store.add(tmp_path / "data")
    assert store.has(oid)
    store.path(oid).unlink()
    assert not store.has(oid)
    assert list(store.folders()) == []
    assert not Cache(tmp_path / "no such folder").has(oid)


def test_a_damaged_folder_object_is_not_here(store: Cache, tmp_path: Path) -> None:
    oid = store.add(write_tree(tmp_path / "data", {"a": "1"})).md5
    spoil(store.path(oid), b"[]")
    assert not store.has(oid)
    with pytest.raises(DamagedError, match=f"{oid[2:]} is damaged.*Delete it"):
        store.tree(oid)


def test_adding_mends_what_was_cut_short_or_can_be_written_to(store: Cache, tmp_path: Path) -> None:
    path = write_tree(tmp_path, {"data": "12345"}) / "data"
    target = store.path(store.add(path).md5)
    spoil(target, b"123")
    store.add(path)
    assert target.read_bytes() == b"12345"
    target.chmod(0o644)
    target.write_bytes(b"54321")
    store.add(path)
    assert target.read_bytes() == b"12345"
    assert stat.S_IMODE(target.stat().st_mode) == 0o444


def test_what_is_here_already_is_not_written_again(store: Cache, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "data", {"a": "1"})
    store.add(folder)
    before = {path: written(path.stat()) for path in store.cache.rglob("*")}
    store.add(folder)
    assert before == {path: written(path.stat()) for path in store.cache.rglob("*")}


def test_an_object_that_could_have_been_written_to_is_looked_into(store: Cache, tmp_path: Path) -> None:
    out = store.add(write_tree(tmp_path / "tree", {"data": "1", "more": "2"}))
    for path in [store.path(out.md5), *(store.path(md5) for md5 in store.tree(out.md5).values())]:
        path.chmod(0o644)
        assert store.has(out.md5)
        assert path.stat().st_mode & 0o777 == 0o444  # as DVC leaves what it has looked into
        content = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(content[:-1])
        assert not store.has(out.md5)
        path.write_bytes(content)


def test_an_object_of_whatever_other_mode_is_looked_into(store: Cache) -> None:
    oid = put(store, b"1")
    for mode in (0o400, 0o644, 0o555):
        spoil(store.path(oid), b"2")
        assert store.has(oid)  # as DVC believes it
        store.path(oid).chmod(mode)
        assert not store.has(oid)


def test_links_to_folders_are_followed(store: Cache, tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", {"a": "1"})
    (tmp_path / "tree" / "linked").symlink_to(write_tree(tmp_path / "elsewhere", {"b": "2"}))
    assert set(store.tree(store.add(tmp_path / "tree").md5)) == {"a", "linked/b"}


def test_a_failed_write_leaves_nothing_behind(store: Cache, tmp_path: Path) -> None:
    path = write_tree(tmp_path, {"data": "1"}) / "data"
    bucket = store.path(hash_file(path)).parent
    write_tree(bucket.parent, {bucket.name: "in the way"})
    with pytest.raises(OSError, match=bucket.name):
        store.add(path)
    assert list(read_tree(store.cache).values()) == ["in the way"]


@pytest.mark.parametrize("oid", ["0" * 32, "0" * 32 + ".dir"])
def test_what_is_not_what_its_name_says_is_not_taken_in(store: Cache, oid: str) -> None:
    with pytest.raises(DamagedError, match="could not be written as it should be: run again"):
        store.add_object(oid, b"something else")
    assert read_tree(store.cache) == {}
    store.add_object(hashlib.md5(b"1").hexdigest(), b"1")
    assert store.read(hashlib.md5(b"1").hexdigest()) == b"1"


def test_an_object_of_another_content_and_the_same_size_is_written_anew(store: Cache, tmp_path: Path) -> None:
    path = write_tree(tmp_path, {"data": "12345"}) / "data"
    out = store.add(path)
    spoil(store.path(out.md5), b"54321")
    store.add(path)
    assert store.read(out.md5) == b"12345"
    spoil(store.path(out.md5), b"54321")
    store.add_object(out.md5, b"12345")
    assert store.read(out.md5) == b"12345"
    store.path(out.md5).chmod(0o644)
    store.add(path)
    assert stat.S_IMODE(store.path(out.md5).stat().st_mode) == 0o444


def test_in_a_shared_cache_new_folders_are_the_groups(tmp_path: Path) -> None:
    path = write_tree(tmp_path, {"data": "1"}) / "data"
    for shared in (True, False):
        store = Cache(tmp_path / f"cache {shared}" / "of" / "all", shared)
        mode = stat.S_IMODE(tmp_path.stat().st_mode)
        before = os.umask(0o022)
        store.add(path)
        os.umask(before)
        assert stat.S_IMODE(store.cache.parent.stat().st_mode) == 0o755  # it is none of the cache's
        folders = [store.cache, *(each for each in store.cache.rglob("*") if each.is_dir())]
        assert {stat.S_IMODE(each.stat().st_mode) for each in folders} == {0o2775 if shared else 0o755}
        assert stat.S_IMODE(tmp_path.stat().st_mode) == mode


def test_only_folder_objects_are_listed_as_folders(store: Cache, tmp_path: Path) -> None:
    oids = [store.add(write_tree(tmp_path / name, {"a": name})).md5 for name in ("one", "two")]
    bucket = store.path("ab" * 16).parent
    write_tree(bucket, {"x.dir": "too short", "x" * 34: "none", "file": "1"})
    assert list(store.folders()) == sorted(oids)


# -- taking out -------------------------------------------------------------


@pytest.mark.parametrize("lay", [None, "file", "folder", "link"])
def test_what_was_just_added_is_moved_to_its_place_as_if_it_was_taken_out(
    store: Cache, tmp_path: Path, lay: str | None
) -> None:
    source = write_tree(tmp_path / "work" / "out", {"a": "1", "b/c": "2"})
    (source / "empty" / "deep").mkdir(parents=True)
    (source / "a").chmod(0o400)
    (source / "b" / "c").chmod(0o755)
    (source / "b").chmod(0o700)
    source.chmod(0o700)
    out = store.add(source)
    target = tmp_path / "there" / "out"
    target.parent.mkdir()
    if lay is not None:
        {"file": as_file, "folder": as_folder, "link": as_broken_link}[lay](target)
    before = os.umask(0o022)
    store.place(out, source, target)
    (tmp_path / "taken").mkdir()
    store.check_out(out.md5, tmp_path / "taken" / "out")
    os.umask(before)
    assert read_tree(target) == {"a": "1", "b/c": "2"}
    assert not source.exists()
    assert os.listdir(target.parent) == ["out"]

    def modes(folder: Path) -> dict[str, int]:
        found = [folder, *folder.rglob("*")]
        return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in found}

    assert modes(target) == modes(tmp_path / "taken" / "out")


def test_a_file_that_was_just_added_is_moved_too(store: Cache, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "work", {"record": "1"}) / "record"
    source.chmod(0o400)
    out = store.add(source)
    (tmp_path / "there").mkdir()
    before = os.umask(0o022)
    store.place(out, source, tmp_path / "there" / "record")
    os.umask(before)
    assert (tmp_path / "there" / "record").read_text() == "1"
    assert stat.S_IMODE((tmp_path / "there" / "record").stat().st_mode) == 0o644
    assert not source.exists()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no second file system")
def test_what_lies_on_another_file_system_is_copied_to_its_place(store: Cache, tmp_path: Path) -> None:
    elsewhere = "/tmp" if tmp_path.is_relative_to("/dev/shm") else "/dev/shm"
    with tempfile.TemporaryDirectory(dir=elsewhere) as folder:
        if os.stat(folder).st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is no second file system")
        source = write_tree(Path(folder, "out"), {"a": "1"})
        out = store.add(source)
        store.place(out, source, tmp_path / "out")
        assert read_tree(tmp_path / "out") == {"a": "1"}


def as_file(path: Path) -> None:
    path.write_text("old")


def as_folder(path: Path) -> None:
    write_tree(path, {"old": "1", "keep/old": "2"})
    (path / "old").chmod(0o444)


def as_link(path: Path) -> None:
    path.symlink_to(write_tree(path.parent / "elsewhere", {"other": "1"}))


def as_broken_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("lay", [None, as_file, as_folder, as_link, as_broken_link])
def test_taking_out_replaces_whatever_is_there(
    store: Cache, tmp_path: Path, lay: Callable[[Path], None] | None
) -> None:
    folder = store.add(write_tree(tmp_path / "data", {"a": "1", "b/c": "2"})).md5
    file = store.add(tmp_path / "data" / "a").md5
    for oid in (folder, file):
        target = tmp_path / oid / "there"
        target.parent.mkdir()
        if lay is not None:
            lay(target)
        store.check_out(oid, target)
        assert not target.is_symlink()
        assert (read_tree(target) if oid == folder else target.read_text()) == (
            {"a": "1", "b/c": "2"} if oid == folder else "1"
        )
        assert set(os.listdir(target.parent)) <= {"there", "elsewhere"}
    if lay is as_link:
        assert (tmp_path / folder / "elsewhere" / "other").read_text() == "1"


def test_what_was_taken_out_can_be_edited_without_harm_to_the_cache(store: Cache, tmp_path: Path) -> None:
    oid = store.add(write_tree(tmp_path / "data", {"a": "1"})).md5
    store.check_out(oid, tmp_path / "copy")
    (tmp_path / "copy" / "a").write_text("2")
    assert store.read(hashlib.md5(b"1").hexdigest()) == b"1"


def test_a_damaged_or_missing_file_leaves_the_target_as_it_was(store: Cache, tmp_path: Path) -> None:
    oid = store.add(write_tree(tmp_path / "data", {"a": "1", "b": "2"})).md5
    target = write_tree(tmp_path / "here" / "target", {"mine": "kept"})
    broken = store.path(hashlib.md5(b"2").hexdigest())
    spoil(broken, b"3")
    with pytest.raises(DamagedError, match="is damaged"):
        store.check_out(oid, target)
    broken.unlink()
    with pytest.raises(FileNotFoundError):
        store.check_out(oid, target)
    with pytest.raises(FileNotFoundError):
        store.check_out("0" * 32 + ".dir", target)
    assert read_tree(tmp_path / "here") == {"target/mine": "kept"}


@pytest.mark.parametrize(
    "name",
    ["/etc/x", "../x", "a/../../x", "..", "", ".", "a\0b", "//x", ".git/config", "data/.GIT/config"],
)
def test_a_folder_object_that_names_files_outside_of_itself_is_refused(store: Cache, tmp_path: Path, name: str) -> None:
    content = put(store, b"1")
    oid = put_listing(store, [{"md5": content, "relpath": name}])
    target = write_tree(tmp_path / "target", {"mine": "kept"})
    assert not store.has(oid)
    for read in (store.tree, store.describe, lambda oid: store.check_out(oid, target)):
        with pytest.raises(DamagedError, match=r"outside of itself|is damaged"):
            read(oid)
    assert read_tree(target) == {"mine": "kept"}


@pytest.mark.parametrize(
    "listing",
    [
        {"md5": "0" * 32},
        ["a"],
        [None],
        None,
        3,
        [{"relpath": "a"}],
        [{"md5": "0" * 32}],
        [{"md5": "../../../x", "relpath": "a"}],
        [{"md5": "../" * 10 + "xx", "relpath": "a"}],
        [{"md5": "", "relpath": "a"}],
        [{"md5": "0" * 31, "relpath": "a"}],
        [{"md5": "0" * 33, "relpath": "a"}],
    ],
)
def test_what_is_no_listing_is_refused(store: Cache, listing: object) -> None:
    oid = put_listing(store, listing)
    assert not store.has(oid)
    with pytest.raises(DamagedError):
        store.tree(oid)


@pytest.mark.parametrize("names", [["a", "a/b"], ["a/b", "a"]])
def test_a_listing_in_which_a_file_is_also_a_folder_is_refused(store: Cache, tmp_path: Path, names: list[str]) -> None:
    content = put(store, b"1")
    oid = put_listing(store, [{"md5": content, "relpath": name} for name in names])
    target = write_tree(tmp_path / "target", {"mine": "kept"})
    for read in (store.tree, lambda oid: store.check_out(oid, target)):
        with pytest.raises(DamagedError, match="what would be its folder is a file"):
            read(oid)
    assert read_tree(target) == {"mine": "kept"}


def test_reading_gives_the_bytes_or_says_what_is_wrong(store: Cache) -> None:
    oid = put(store, b"1")
    assert store.read(oid) == b"1"
    spoil(store.path(oid))
    with pytest.raises(DamagedError):
        store.read(oid)
    with pytest.raises(FileNotFoundError):
        store.read("0" * 32)


def test_an_object_that_a_power_cut_has_left_empty_is_not_here(store: Cache, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    (tmp_path / "empty").touch()
    out, empty = store.add(tmp_path / "a"), store.add(tmp_path / "empty")
    assert store.has(out.md5)
    assert store.has(empty.md5)
    store.path(out.md5).chmod(0o644)
    store.path(out.md5).write_text("")
    store.path(out.md5).chmod(0o444)
    assert not store.has(out.md5)
    store.add(tmp_path / "a")
    assert store.read(out.md5) == b"text"


def test_a_folder_object_comes_after_its_files(store: Cache, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "data", {"a": "1"})
    bucket = store.path(hash_file(folder / "a")).parent
    write_tree(bucket.parent, {bucket.name: "in the way"})
    with pytest.raises(OSError, match=bucket.name):
        store.add(folder)
    assert not list(store.cache.rglob("*.dir"))


def test_what_was_read_is_told_and_objects_are_protected(store: Cache, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "data", {"a": "1", "b/c": "2"})
    seen: dict[str, Hashed] = {}
    out = store.add(folder, seen)
    assert {name: each.md5 for name, each in seen.items()} == store.tree(out.md5)
    assert written(seen["b/c"].stat) == written((folder / "b" / "c").stat())
    seen = {}
    assert store.add(folder / "a", seen) == Out(seen[""].md5, 1)
    store.add_bytes(b"3")
    assert store.read(hashlib.md5(b"3").hexdigest()) == b"3"
    objects = [path for path in store.cache.rglob("*") if path.is_file()]
    assert len(objects) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in objects} == {0o444}


def test_where_the_disk_is_full_the_object_is_named(store: Cache, tmp_path: Path) -> None:
    path = write_tree(tmp_path, {"data": "12345"}) / "data"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2, before[1]))  # no file may be longer
    try:
        with pytest.raises(OSError, match="File too large") as failed:
            store.add(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failed.value.filename == str(store.path(hash_file(path)))
    path.unlink()
    with pytest.raises(FileNotFoundError) as failed:
        store._write("0" * 32, path, str(tmp_path / "new"))
    assert failed.value.filename == str(path)


def test_what_is_damaged_is_named_with_its_place(store: Cache) -> None:
    oid = put(store, b"1", "0" * 32)
    with pytest.raises(DamagedError) as failed:
        store.read(oid)
    assert failed.value.path == store.path(oid)
    oid = put_listing(store, [{"md5": oid, "relpath": "../x"}])
    with pytest.raises(DamagedError) as failed:
        store.tree(oid)
    assert failed.value.path == store.path(oid)


# -- large files -------------------------------------------------------------


def lay_large(path: Path, size: int = LARGE) -> Path:
    """A file of zeros, most of them a hole; last written long ago."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    os.utime(path, ns=(10**18, 10**18))
    return path


@pytest.mark.parametrize("links", [True, False])
def test_a_large_file_of_ours_is_the_object_unless_nothing_is_to_be_linked(tmp_path: Path, links: bool) -> None:
    store = Cache(tmp_path / "cache", links=links)
    names = ("first", "again", "theirs")
    for name in names:
        lay_large(tmp_path / name / "file")
    out = store.add(tmp_path / "first", ours=True)
    target = store.path(store.tree(out.md5)["file"])
    assert stat.S_IMODE(target.stat().st_mode) == 0o444
    assert store.add(tmp_path / "again", ours=True) == store.add(tmp_path / "theirs") == out
    for name in names:
        assert os.path.samefile(tmp_path / name / "file", target) == (links and name != "theirs")
        assert os.listdir(tmp_path / name) == ["file"]
    store.check_out(out.md5, tmp_path / "out")
    assert os.path.samefile(tmp_path / "out" / "file", target) == links
    assert hash_file(tmp_path / "out" / "file") == hash_file(target)


def test_a_file_that_is_less_than_large_is_copied(store: Cache, tmp_path: Path) -> None:
    out = store.add(lay_large(tmp_path / "less", LARGE - 1), ours=True)
    for _ in range(2):
        assert not os.path.samefile(tmp_path / "less", store.path(out.md5))
        assert store.add(tmp_path / "less", ours=True) == out  # it is here now
    store.check_out(out.md5, tmp_path / "out")
    assert not os.path.samefile(tmp_path / "out", store.path(out.md5))


def test_a_large_file_of_others_is_copied_for_they_may_write_to_it(store: Cache, tmp_path: Path) -> None:
    out = store.add(lay_large(tmp_path / "file"))
    with (tmp_path / "file").open("r+b") as file:
        file.write(b"1")
    assert hash_file(store.path(out.md5)) == out.md5


def test_a_large_object_that_is_damaged_is_not_linked(store: Cache, tmp_path: Path) -> None:
    out = store.add(lay_large(tmp_path / "file"))
    spoil(store.path(out.md5), b"1" * LARGE)
    with pytest.raises(DamagedError, match="is damaged"):
        store.check_out(out.md5, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    store.add(tmp_path / "file")
    assert hash_file(store.path(out.md5)) == out.md5


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no second file system")
def test_a_large_file_of_another_file_system_is_copied(store: Cache, tmp_path: Path) -> None:
    elsewhere = "/tmp" if tmp_path.is_relative_to("/dev/shm") else "/dev/shm"
    with tempfile.TemporaryDirectory(dir=elsewhere) as folder:
        if os.stat(folder).st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is no second file system")
        out = store.add(lay_large(Path(folder, "file")), ours=True)
        assert hash_file(store.path(out.md5)) == out.md5
        store.add(Path(folder, "file"), ours=True)
        assert os.listdir(folder) == ["file"]
        store.check_out(out.md5, Path(folder, "file"))
        assert hash_file(Path(folder, "file")) == out.md5


def test_a_large_object_that_was_looked_into_is_known_if_no_write_can_have_been_missed(tmp_path: Path) -> None:
    known = LargeObjects(tmp_path / "known")
    store = Cache(tmp_path / "cache", large=known)
    out = store.add(lay_large(tmp_path / "file"))
    path = store.path(out.md5)
    os.utime(path, ns=(1 << 62, 1 << 62))  # by a clock that is ahead
    for learned in (None, out.md5):
        path.chmod(0o644)
        store.add(tmp_path / "file")
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert known.md5(path.stat()) == learned
        os.utime(path, ns=(10**18, 10**18))
    known.learn("0" * 32, path.stat())
    store.add(tmp_path / "file")
    assert known.md5(path.stat()) == out.md5, "what it is known as is not what it should be: it was looked into"
    spoil(path, b"1" * LARGE)
    store.add(tmp_path / "file")
    assert hash_file(path) == out.md5, "nothing is known of it since it was written to"
    spoil(path, b"1" * LARGE)
    store.learn(out.md5, path.stat())
    store.add(tmp_path / "file")
    assert path.read_bytes() == b"1" * LARGE, "what is known is believed"
    store.large = None
    store.learn(out.md5, path.stat())
    store.add(tmp_path / "file")
    assert hash_file(path) == out.md5


def test_a_folder_with_a_large_file_is_told_from_others(store: Cache, tmp_path: Path) -> None:
    lay_large(tmp_path / "large" / "file")
    write_tree(tmp_path / "large", {"a": "1"})
    lay_large(tmp_path / "small" / "file", LARGE - 1)
    for name in ("large", "small"):
        assert store.has_large(store.add(tmp_path / name).md5) == (name == "large")
        assert store.has_large(store.add(tmp_path / name / "file").md5) == (name == "large")


def test_of_what_is_taken_out_those_files_are_told_that_a_later_write_would_show_in(
    store: Cache, tmp_path: Path
) -> None:
    oid = store.add(lay_large(tmp_path / "data" / "file").parent, ours=True).md5
    target = tmp_path / "out"
    [(name, told)] = store.check_out(oid, target).items()
    md5 = store.tree(oid)["file"]
    assert (name, told.md5) == (str(target / "file"), md5)
    assert written(told.stat) == written((target / "file").stat())
    inode = target.stat().st_ino
    assert store.check_out(oid, target) == {}
    assert target.stat().st_ino == inode, "it stood there, and somebody may be reading it"
    os.utime(target / "file", ns=(1 << 62, 1 << 62))
    assert store.check_out(md5, tmp_path / "late") == {}
    os.utime(target / "file", ns=(10**18, 10**18))
    [(name, told)] = store.check_out(md5, tmp_path / "one").items()
    assert (name, told.md5) == (str(tmp_path / "one"), md5)
    assert written(told.stat) == written((tmp_path / "one").stat())


def test_a_copy_is_told_with_all_its_bytes(store: Cache, tmp_path: Path) -> None:
    oid = put(store, b"12345")
    copied = store._copy(oid, tmp_path / "deep" / "copy")
    assert (copied.md5, copied.stat.st_size) == (oid, 5)
    assert copied.stat.st_ino == (tmp_path / "deep" / "copy").stat().st_ino


def test_waiting_for_the_disk_works_on_this_system(store: Cache, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    store.add(tmp_path / "a")
    store.sync()
