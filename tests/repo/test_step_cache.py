"""The step cache: its entries are files in the format of DVC's run-cache, and what makes a key."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from motools.base import yaml12
from motools.base.configs import StepConfig
from motools.compiler.step_call import step_key
from motools.compiler.step_code import StepCode
from motools.repo import step_cache
from motools.repo.cache import Cache
from motools.repo.step_cache import CachedResult
from motools.workflow import Step

COMMAND = step_cache.step_command("0" * 64)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def kept(
    cache: Cache, tmp_path: Path, text: str, logs: bool = False, names: tuple[str, ...] = ("model",)
) -> CachedResult:
    """An entry whose objects are in the cache, with outputs that hold `text`."""
    folder = tmp_path / f"folder-{text}"
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text(text)
    record = tmp_path / f"record-{text}"
    record.write_text(text)
    out = cache.add(folder)
    return CachedResult(dict.fromkeys(names, out), cache.add(record), out if logs else None)


def files(cache: Cache) -> list[Path]:
    return sorted(path for path in cache.cache.glob("runs/*/*/*") if path.is_file())


def test_an_entry_comes_back_as_it_was_kept(cache: Cache, tmp_path: Path) -> None:
    for entry in (kept(cache, tmp_path, "a"), kept(cache, tmp_path, "b", logs=True, names=("x", "y"))):
        step_cache.store(cache, COMMAND, entry)
        assert step_cache.lookup(cache, COMMAND, entry.outputs, logs=entry.logs is not None) == entry


def test_dvc_accepts_an_entry_as_one_of_its_run_cache(cache: Cache, tmp_path: Path) -> None:
    from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
    from dvc.stage.cache import _get_cache_hash
    from dvc.utils.serialize import load_yaml

    step_cache.store(cache, COMMAND, kept(cache, tmp_path, "a", logs=True))
    (path,) = files(cache)
    content = load_yaml(str(path))
    assert COMPILED_LOCK_FILE_STAGE_SCHEMA(content) == content
    assert path.name == _get_cache_hash(content, key=False)
    assert path.parent.parent.name == path.parent.name[:2]
    assert path.stat().st_mode & 0o777 == 0o644


def test_dvc_counts_the_objects_of_an_entry_as_used(project: Path, tmp_path: Path) -> None:
    from motools.repo.project import Project

    found = Project.find()
    entry = kept(found.store, tmp_path, "a", logs=True)
    step_cache.store(found.store, COMMAND, entry)
    (path,) = files(found.store)
    with found.dvc() as repo:
        used = repo.stage_cache.get_used_objs([(path.parent.name, path.name)])
    assert {info.value for infos in used.values() for info in infos} >= set(entry.oids())


def test_the_newest_entry_whose_objects_are_here_is_taken(cache: Cache, tmp_path: Path) -> None:
    entries = [kept(cache, tmp_path, text) for text in "abc"]
    for age, entry in enumerate(entries):
        before = set(files(cache))
        step_cache.store(cache, COMMAND, entry)
        (new,) = set(files(cache)) - before
        os.utime(new, (1_000_000 + age, 1_000_000 + age))
    assert step_cache.lookup(cache, COMMAND, ["model"]) == entries[2]
    assert list(step_cache.candidates(cache, COMMAND, ["model"])) == entries[::-1]
    cache.path(entries[2].record.md5).unlink()
    assert step_cache.lookup(cache, COMMAND, ["model"]) == entries[1]
    assert list(step_cache.candidates(cache, COMMAND, ["model"])) == entries[::-1]


def test_keeping_an_equal_entry_again_makes_no_second_one(cache: Cache, tmp_path: Path) -> None:
    for _ in range(2):
        step_cache.store(cache, COMMAND, kept(cache, tmp_path, "a"))
    assert len(files(cache)) == 1
    assert not list(cache.cache.glob("runs/.motools-*"))


def test_another_command_other_outputs_or_logs_find_nothing(cache: Cache, tmp_path: Path) -> None:
    step_cache.store(cache, COMMAND, kept(cache, tmp_path, "a"))
    assert step_cache.lookup(cache, step_cache.step_command("1" * 64), ["model"]) is None
    assert step_cache.lookup(cache, COMMAND, ["other"]) is None
    assert step_cache.lookup(cache, COMMAND, ["model", "other"]) is None
    assert step_cache.lookup(cache, COMMAND, []) is None
    assert step_cache.lookup(cache, COMMAND, ["model"], logs=True) is None


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"cmd: [",
        b"\xff\xfe\x00",
        b"- a\n- b\n",
        b"just words",
        b"outs: 3",
        b"outs: [a, b]",
        b"outs:\n- path: record.json\n",
        b"outs:\n- {path: record.json, md5: abc, size: many}\n",
        b"outs:\n- {path: out/model, md5: abc, size: 1}\n",
    ],
)
def test_a_damaged_entry_counts_as_absent(cache: Cache, tmp_path: Path, damage: bytes) -> None:
    sound = kept(cache, tmp_path, "a")
    step_cache.store(cache, COMMAND, sound)
    (path,) = files(cache)
    os.utime(path, (1, 1))
    (path.parent / "damaged").write_bytes(damage)
    (path.parent / ".motools-half").write_bytes(damage)
    assert step_cache.lookup(cache, COMMAND, ["model"]) == sound
    path.unlink()
    assert step_cache.lookup(cache, COMMAND, ["model"]) is None
    assert list(step_cache.naming(cache, sound.outputs["model"].md5)) == []


def test_a_folder_where_an_entry_would_be_counts_as_absent(cache: Cache, tmp_path: Path) -> None:
    sound = kept(cache, tmp_path, "a")
    step_cache.store(cache, COMMAND, sound)
    (files(cache)[0].parent / "folder").mkdir()
    assert step_cache.lookup(cache, COMMAND, ["model"]) == sound


def test_an_entry_of_dvcs_own_harms_nothing(cache: Cache, tmp_path: Path) -> None:
    sound = kept(cache, tmp_path, "a")
    step_cache.store(cache, COMMAND, sound)
    other = cache.cache / "runs" / "ab" / ("ab" + "0" * 62)
    other.mkdir(parents=True)
    content = {
        "cmd": "python x.py",
        "outs": [{"path": "x", "hash": "md5", "md5": sound.outputs["model"].md5, "size": 1}],
    }
    (other / ("1" * 64)).write_text(yaml12.dumps(content))
    assert list(step_cache.naming(cache, sound.outputs["model"].md5)) == [sound]


def test_an_entry_is_found_by_what_it_made_but_not_by_its_record(cache: Cache, tmp_path: Path) -> None:
    entry = kept(cache, tmp_path, "a")
    step_cache.store(cache, COMMAND, entry)
    assert list(step_cache.naming(cache, entry.outputs["model"].md5)) == [entry]
    assert list(step_cache.naming(cache, entry.record.md5)) == []


def test_an_entry_tells_the_ids_of_its_atoms(cache: Cache, tmp_path: Path) -> None:
    entry = kept(cache, tmp_path, "a")
    md5 = entry.outputs["model"].md5.removesuffix(".dir")
    assert entry.atoms({"trained": "model"}) == {"trained": f"model-{md5}"}


def test_roles_are_kinds_counted_in_order() -> None:
    kinds = {"a": "model", "b": "dataset", "c": "model", "d": "model"}
    assert step_cache.roles_of(kinds) == {"a": "model", "b": "dataset", "c": "model-2", "d": "model-3"}


def test_an_entry_is_written_again_only_where_it_is_to_be_the_newest(cache: Cache, tmp_path: Path) -> None:
    entry = kept(cache, tmp_path, "a")
    step_cache.store(cache, COMMAND, entry, again=False)
    (path,) = files(cache)
    os.utime(path, (5, 5))
    step_cache.store(cache, COMMAND, entry, again=False)
    assert path.stat().st_mtime == 5
    step_cache.store(cache, COMMAND, entry)
    assert path.stat().st_mtime > 5


def test_in_a_shared_cache_the_group_may_add_entries(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", shared=True)
    entry = kept(cache, tmp_path, "a")
    step_cache.pack(cache, COMMAND, entry)  # in whichever order
    step_cache.store(cache, step_cache.atom_command("1"), entry)
    folders = [path for path in cache.cache.rglob("*") if path.is_dir()]
    assert {path.stat().st_mode & 0o7777 for path in folders} == {0o2775}


def test_a_packed_result_brings_its_objects_back(cache: Cache, tmp_path: Path) -> None:
    entry = kept(cache, tmp_path, "a", logs=True)
    step_cache.store(cache, COMMAND, entry)
    step_cache.pack(cache, COMMAND, entry)
    packed = next(path for path in files(cache) if path.suffix == ".zip")
    assert packed.with_suffix("") in files(cache)
    assert packed.stat().st_mode & 0o777 == 0o644
    import zipfile

    with zipfile.ZipFile(packed) as content:
        names = content.namelist()
        assert {each.compress_type for each in content.infolist()} == {zipfile.ZIP_DEFLATED}
    assert sorted(names) == sorted({*entry.oids(), *cache.tree(entry.logs.md5).values()})  # type: ignore[union-attr]
    shutil.rmtree(cache.cache / "files")
    assert list(step_cache.every(cache)) == [entry]
    assert step_cache.lookup(cache, COMMAND, ["model"], logs=True) == entry
    assert cache.has(entry.outputs["model"].md5)
    shutil.rmtree(cache.cache / "files")
    packed.write_bytes(b"damaged")
    assert step_cache.lookup(cache, COMMAND, ["model"], logs=True) is None
    packed.unlink()
    assert step_cache.lookup(cache, COMMAND, ["model"], logs=True) is None
    assert list(step_cache.candidates(cache, COMMAND, ["model"], logs=True)) == [entry]


def test_a_pack_that_holds_something_else_is_not_taken_in(cache: Cache, tmp_path: Path) -> None:
    import zipfile

    entry = kept(cache, tmp_path, "a")
    step_cache.store(cache, COMMAND, entry)
    (path,) = files(cache)
    record = cache.read(entry.record.md5)
    cache.path(entry.record.md5).unlink()
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as packed:
        packed.writestr("../escaped", b"x")
        packed.writestr(f"x{entry.record.md5}", b"x")
        packed.writestr(entry.record.md5, record)
        packed.writestr("0" * 32, b"not what its name says")
    assert step_cache.lookup(cache, COMMAND, ["model"]) == entry
    assert not cache.path("0" * 32).exists()
    assert {p.name for p in tmp_path.rglob("*escaped*")} == set()


@pytest.mark.parametrize(("more", "is_packed"), [(0, True), (1, False)])
def test_results_of_up_to_a_mebibyte_are_packed(cache: Cache, tmp_path: Path, more: int, is_packed: bool) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"x" * ((1 << 20) - 7 + more))
    (tmp_path / "record").write_text("7 bytes")
    entry = CachedResult({"model": cache.add(tmp_path / "folder")}, cache.add(tmp_path / "record"))
    step_cache.pack(cache, COMMAND, entry)
    assert bool(files(cache)) == is_packed


def test_an_entry_that_was_changed_is_not_believed(cache: Cache, tmp_path: Path) -> None:
    entry = kept(cache, tmp_path, "a")
    other = kept(cache, tmp_path, "b")
    step_cache.store(cache, COMMAND, entry)
    (path,) = files(cache)
    path.write_text(path.read_text().replace(entry.outputs["model"].md5, other.outputs["model"].md5))
    assert step_cache.lookup(cache, COMMAND, ["model"]) is None
    assert list(step_cache.every(cache)) == []
    assert list(step_cache.naming(cache, other.outputs["model"].md5)) == []


def test_sizes_are_no_part_of_an_entrys_name(cache: Cache, tmp_path: Path) -> None:
    entry = kept(cache, tmp_path, "a")
    bare = replace(
        entry, record=replace(entry.record, size=99), outputs={"model": replace(entry.outputs["model"], nfiles=9)}
    )
    for each in (entry, bare):
        step_cache.store(cache, COMMAND, each)
    assert len(files(cache)) == 1
    assert step_cache.lookup(cache, COMMAND, ["model"]) == bare


def test_entries_are_found_by_each_object_the_newest_first(cache: Cache, tmp_path: Path) -> None:
    one = kept(cache, tmp_path, "a")
    two = CachedResult(one.outputs, kept(cache, tmp_path, "b").record)
    for age, entry in ((1, one), (2, two)):
        before = set(files(cache))
        step_cache.store(cache, COMMAND, entry)
        (new,) = set(files(cache)) - before
        os.utime(new, (age, age))
    md5 = one.outputs["model"].md5
    assert list(step_cache.naming(cache, md5)) == [two, one]
    known = step_cache.by_object(cache)
    assert len(known[md5]) == 2
    assert len(known[one.record.md5]) == 1
    assert list(step_cache.naming(cache, md5, known)) == [two, one]
    assert list(step_cache.naming(cache, md5, {})) == []


# -- keys ---------------------------------------------------------------------


@dataclass
class Config(StepConfig):
    """Whatever."""

    free: dict[str, Any] = field(default_factory=dict)


def work(config: Any, input_atoms: Any, workspace: Any) -> list[Any]:
    """Never called."""
    return []


BASE: dict[str, Any] = {
    "values": {"free": {"n": 1}},
    "inputs": {"i": "model-" + "0" * 32},
    "outputs": {"o": "model"},
    "versions": {"function": "f@1"},
    "logs": False,
}


def key(**changes: Any) -> str:
    about = {**BASE, **changes}
    step = Step("s", {"i": "model"}, about["outputs"], Config, work, keeps_logs=about["logs"])
    return step_key(step, about["values"], StepCode("f", about["versions"], ()), about["inputs"])


def test_everything_that_may_change_a_result_changes_the_key() -> None:
    values: list[Any] = [2, 1.0, True, "1", None, [1], {"n": 1}, -1, 1e-5, "", [], {}, False, 0, 0.0]
    others = [{"values": {"free": {"n": value}}} for value in values]
    for name in ("size", "nfiles"):  # which DVC's own keys leave out
        others += [{"values": {"free": {"n": 1, name: value}}} for value in (1, 2)]
        others += [{"values": {"free": {"n": {name: value}}}} for value in (1, 2)]
    others += [
        {"values": {"free": {"n": [1, 2]}}},
        {"values": {"free": {"n": [2, 1]}}},
        {"outputs": {"o": "lora"}},
        {"outputs": {"o": "model", "p": "model"}},
        {"inputs": {"i": "model-" + "1" * 32}},
        {"versions": {"function": "f@2"}},
        {"versions": {"function": "f@1", "config.free.n": "x"}},
        {"logs": True},
    ]
    keys = [key(), *(key(**other) for other in others)]
    assert len(set(keys)) == len(keys)


def test_names_of_inputs_and_outputs_change_nothing_and_what_they_are_for_does() -> None:
    def of(takes: dict[str, str], given: dict[str, str], makes: dict[str, str]) -> str:
        return step_key(Step("s", takes, makes, Config, work), {}, StepCode("f", {}, ()), given)

    one = of({"a": "model", "b": "model"}, {"a": "model-1", "b": "model-2"}, {"o": "eval"})
    assert of({"x": "model", "y": "model"}, {"x": "model-1", "y": "model-2"}, {"p": "eval"}) == one
    assert of({"a": "model", "b": "model"}, {"a": "model-2", "b": "model-1"}, {"o": "eval"}) != one


def test_the_order_of_keys_and_the_name_of_the_step_change_nothing() -> None:
    assert key(values={"free": {"a": 1, "b": 2}}) == key(values={"free": {"b": 2, "a": 1}})
    one, other = (Step(name, {}, {"o": "model"}, Config, work) for name in ("one", "other"))
    known = StepCode("f", {}, ())
    assert step_key(one, {}, known, {}) == step_key(other, {}, known, {})
