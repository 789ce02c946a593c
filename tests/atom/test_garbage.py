"""What of a cache nothing needs, of results that these tests have put there by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from motools.atom import garbage
from motools.atom.garbage import Garbage
from motools.atom.records import Record
from motools.base import yaml12
from motools.errors import ProjectError
from motools.repo import step_cache
from motools.repo.hashing import Out
from motools.repo.project import Project
from motools.repo.settings import read_settings
from motools.repo.step_cache import CachedResult


class Scene:
    """A project with results, of which `pipe/dvc.lock` names those that are told to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = Project.find(folder)
        self.store = self.project.store
        self.locked: dict[str, list[dict[str, str]]] = {}

    def made(self, name: str, made_from: Any = None, by: str = "step", **record: Any) -> CachedResult:
        """A result in the cache: an atom of two files, its record and its logs."""
        atom, logs, told = (self.folder / "making" / part / name for part in ("atom", "logs", "record"))
        for folder in (atom, logs):
            folder.mkdir(parents=True)
        (atom / "data.txt").write_text(f"data of {name}")
        (logs / "log.txt").write_text(f"logs of {name}")
        about = {"made_from": made_from or {}} if not isinstance(made_from, str) else made_from
        (atom / "atom.json").write_text(about if isinstance(about, str) else json.dumps(about))
        fields = {"user": "ada", "started": f"2026-01-0{len(name)}", "seconds": 1.0, "commit": None, "dirty": False}
        Record(**{**fields, "step": name, **record}).write(told)
        kind = "atom" if by == "hand" else "thing"
        entry = CachedResult({kind: self.store.add(atom)}, self.store.add(told), self.store.add(logs))
        step_cache.store(self.store, step_cache.step_command(name), entry)
        shutil.rmtree(self.folder / "making")
        return entry

    def lock(self, **results: CachedResult) -> None:
        """Have the pipeline's lock file name these, and no others."""
        stages = {
            name: {"cmd": name, "outs": [{"path": f"atoms/{name}", "md5": out.md5} for out in entry.outputs.values()]}
            for name, entry in results.items()
        }
        (self.folder / "pipe").mkdir(exist_ok=True)
        (self.folder / "pipe" / "dvc.lock").write_text(yaml12.dumps({"schema": "2.0", "stages": stages}))

    def of(self, *entries: CachedResult) -> set[str]:
        """All objects of results."""
        oids = {oid for entry in entries for oid in entry.oids()}
        return oids | {md5 for oid in oids if oid.endswith(".dir") for md5 in self.store.tree(oid).values()}

    def found(self, commits: bool = True) -> Garbage:
        return garbage.of_project(self.project, commits)

    def commit(self) -> None:
        subprocess.run(["git", "add", "-A"], cwd=self.folder, check=True)
        subprocess.run(["git", "commit", "-qm", "results"], cwd=self.folder, check=True)


def atom_of(entry: CachedResult) -> Out:
    (out,) = entry.outputs.values()
    return out


def id_of(entry: CachedResult) -> str:
    return f"thing-{atom_of(entry).md5.removesuffix('.dir')}"


@pytest.fixture
def scene(project: Path) -> Scene:
    return Scene(project)


def test_what_nothing_names_is_garbage_and_what_a_lock_file_names_is_none(scene: Scene) -> None:
    needed, a, bb = scene.made("needed"), scene.made("a"), scene.made("bb")
    scene.lock(needed=needed)
    found = scene.found()
    atom = {atom_of(needed).md5, *scene.store.tree(atom_of(needed).md5).values()}
    rest = scene.of(needed) - atom  # its record and its logs, which no lock file names here
    assert found.objects == sorted(scene.of(a, bb) - atom | rest)
    assert [record.step for record in found.results] == ["needed", "bb", "a"], "newest first"
    assert found.size == sum(scene.store.path(oid).stat().st_size for oid in found.objects)
    assert found.entries == sorted(path for path, _ in step_cache.every_file(scene.store))
    assert found.committed == 0


def test_what_a_dvc_file_names_and_what_is_lost_of_it_are_no_garbage(scene: Scene) -> None:
    entry = scene.made("a")
    (scene.folder / "data.dvc").write_text(f"outs:\n- md5: {entry.record.md5}\n  path: data\n")
    scene.store.path(atom_of(entry).md5).unlink()
    found = scene.found()
    assert entry.record.md5 not in found.objects
    assert atom_of(entry).md5 not in found.objects, "it is not there"
    assert scene.of(CachedResult({}, entry.record, entry.logs)) - {entry.record.md5} <= {*found.objects}


def test_what_was_made_by_hand_stays_and_so_do_all_ancestors(scene: Scene) -> None:
    first = scene.made("a")
    second = scene.made("bb", {"x": id_of(first), "y": "not an id", "z": 1})
    third = scene.made("ccc", {"x": id_of(second)})
    mine = scene.made("mine", by="hand")
    lost = scene.made("eeeee")
    scene.lock(third=third)
    objects = {*scene.found().objects}
    for entry in (first, second, third):
        md5 = atom_of(entry).md5
        assert objects.isdisjoint({md5, *scene.store.tree(md5).values()})
    assert objects.isdisjoint(scene.of(mine))
    assert objects >= scene.of(lost) - scene.of(first, second, third, mine)


@pytest.mark.parametrize("about", ["{", "[]", "{}", '{"made_from": 3}', '{"made_from": {"a": null}}'])
def test_an_atom_that_says_nothing_of_what_it_was_made_from_has_no_ancestors(scene: Scene, about: str) -> None:
    scene.lock(a=scene.made("a", about))
    assert atom_of(scene.made("bb")).md5 in scene.found().objects


def test_an_ancestor_that_is_gone_or_damaged_keeps_nothing(scene: Scene) -> None:
    gone, damaged = scene.made("a"), scene.made("bb")
    for entry in (gone, damaged):
        scene.store.path(atom_of(entry).md5).unlink()
    scene.store.path(atom_of(damaged).md5).write_text("[]")
    scene.lock(child=scene.made("ccc", {"x": id_of(gone), "y": id_of(damaged)}))
    found = scene.found()
    assert found.objects
    assert {atom_of(gone).md5, atom_of(damaged).md5}.isdisjoint(found.objects)


def test_what_commits_name_stays_with_its_ancestors_and_is_counted(scene: Scene) -> None:
    first = scene.made("a")
    second = scene.made("bb", {"x": id_of(first)})
    now = scene.made("ccc")
    scene.lock(second=second)
    scene.commit()
    scene.lock(now=now)
    atoms = {oid for e in (first, second) for oid in (atom_of(e).md5, *scene.store.tree(atom_of(e).md5).values())}
    atoms -= scene.of(now)
    found = scene.found()
    assert atoms.isdisjoint(found.objects)
    assert found.committed == len(atoms)
    anyway = scene.found(commits=False)
    assert {*anyway.objects} == {*found.objects} | atoms
    assert anyway.committed == 0
    assert atom_of(now).md5 not in anyway.objects


def test_what_was_put_away_for_later_stays(scene: Scene) -> None:
    entries = [scene.made(name) for name in ("first", "second", "third", "staged", "gone")]
    scene.lock()
    scene.commit()
    for entry in entries[:3]:
        scene.lock(step=entry)
        subprocess.run(["git", "stash", "-q"], cwd=scene.folder, check=True)
    scene.lock(step=entries[3])
    subprocess.run(["git", "add", "-A"], cwd=scene.folder, check=True)
    scene.lock()
    going = {*scene.found().objects}
    assert [atom_of(entry).md5 in going for entry in entries] == [False, False, False, False, True]


def test_what_another_work_tree_of_the_repository_names_stays(scene: Scene, tmp_path: Path) -> None:
    here, there = scene.made("here"), scene.made("there")
    beside = tmp_path / "be side"
    subprocess.run(["git", "worktree", "add", "-q", "--detach", str(beside)], cwd=scene.folder, check=True)
    scene.lock(there=there)
    (scene.folder / "pipe").rename(beside / "pipe")  # which no commit has
    scene.lock(here=here)
    going = {*Scene(scene.folder).found().objects}
    assert not {atom_of(here).md5, atom_of(there).md5} & going
    shutil.rmtree(beside)  # `git worktree prune` comes later
    assert atom_of(there).md5 in Scene(scene.folder).found().objects


def test_nothing_is_garbage_while_a_lock_file_cannot_be_read(scene: Scene) -> None:
    scene.made("a")
    (scene.folder / "dvc.lock").write_text("<<<<<<< HEAD\n")
    with pytest.raises(ProjectError, match=r"^Nothing is removed while a lock file cannot be read: .*dvc\.lock"):
        scene.found()


def test_a_cache_that_others_may_use_is_left_alone(project: Path, tmp_path: Path) -> None:
    (project / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {tmp_path / 'shared'}\n")
    with pytest.raises(ProjectError, match="lies outside of the project"):
        garbage.of_project(Project.find())


def test_only_what_is_named_as_an_object_is_looked_at(scene: Scene) -> None:
    objects = scene.project.cache / "files" / "md5"
    objects.mkdir(parents=True)
    (objects / "notes").mkdir()
    (objects / "notes" / "a").write_text("")
    (objects / "00").write_text("")
    assert scene.found() == Garbage([], [], [], 0)


# -- of outputs that go --------------------------------------------------------------------


def test_what_goes_with_an_output_is_what_nothing_else_needs(scene: Scene) -> None:
    a, bb, other = scene.made("a"), scene.made("bb"), scene.made("ccc")
    scene.lock(a=a, bb=bb)
    going = [out for out in scene.project.outs() if out.stage == "a"]
    found = garbage.of_outs(scene.project, going)
    assert {*found.objects} == scene.of(a) - scene.of(bb, other)
    assert [record.step for record in found.results] == ["a"]
    everything = garbage.of_outs(scene.project, scene.project.outs())
    assert {*everything.objects} == scene.of(a, bb) - scene.of(other)
    assert garbage.of_outs(scene.project, []) == Garbage([], [], [], 0)


def test_what_another_place_names_too_stays(scene: Scene) -> None:
    a = scene.made("a")
    scene.lock(a=a, again=a)
    one, _ = scene.project.outs()
    found = garbage.of_outs(scene.project, [one])
    md5 = atom_of(a).md5
    assert {*found.objects} == scene.of(a) - {md5, *scene.store.tree(md5).values()}


def test_what_a_commit_names_goes_with_an_output_only_where_it_is_asked_for(scene: Scene) -> None:
    a = scene.made("a")
    scene.lock(a=a)
    scene.commit()
    md5 = atom_of(a).md5
    assert md5 not in garbage.of_outs(scene.project, scene.project.outs()).objects
    assert md5 in garbage.of_outs(scene.project, scene.project.outs(), commits=False).objects


# -- removing ------------------------------------------------------------------------------


def test_what_is_swept_is_gone_with_its_entries_and_packs_and_nothing_else_is(scene: Scene) -> None:
    needed, a = scene.made("needed", by="hand"), scene.made("a")
    step_cache.pack(scene.store, step_cache.step_command("a"), a)
    found = scene.found()
    (path,) = found.entries
    assert path.with_suffix(".zip").exists()
    scene.store.path(found.objects[0]).unlink()  # another command was quicker
    gone = scene.of(a) if atom_of(a).md5 != found.objects[0] else {*a.oids()}
    garbage.sweep(scene.project, found)
    assert not path.parent.exists()
    assert not any(scene.store.path(oid).exists() for oid in gone - scene.of(needed))
    assert all(scene.store.has(oid) for oid in needed.oids())
    assert list(step_cache.every(scene.store)) == [needed]
    garbage.sweep(scene.project, found)


def test_an_entry_beside_another_one_goes_alone(scene: Scene) -> None:
    a = scene.made("a")
    other = CachedResult(a.outputs, scene.made("bb").record, a.logs)
    step_cache.store(scene.store, step_cache.step_command("a"), other)
    path = step_cache.file_of(scene.store, step_cache.step_command("a"), a)
    garbage.sweep(scene.project, Garbage([], [path], [], 0))
    assert not path.exists()
    assert list(step_cache.candidates(scene.store, step_cache.step_command("a"), ["thing"], logs=True)) == [other]


def test_what_is_swept_tells_what_its_results_took(scene: Scene) -> None:
    scene.made("a", usage={"m": {"input_tokens": 3}})
    scene.made("bb", usage={"m": {"input_tokens": 4}})
    assert scene.found().spent(read_settings(scene.project)).tokens == 7
