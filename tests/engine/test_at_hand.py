"""What is at hand of each stage, in the folder, the cache and the remote, and what is done with it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import resource
import shutil
import types
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zc.lockfile
from chain import Chain, forget_modules, git, open_databases, remove, spoil

from motools.atom import records
from motools.base import yaml12
from motools.code.trace import Trace
from motools.code.world import World
from motools.compiler.step_call import StepCall
from motools.engine import stage_outputs
from motools.engine.options import RunOptions
from motools.engine.plan import StagePlan
from motools.engine.prepared import Prepared, prepare_folder
from motools.engine.remote_results import bring_tracked, fetch, refuse_to_pay
from motools.engine.reporter import Silent
from motools.engine.stage import Done, in_order, waiting_for
from motools.engine.stages import Stages, as_one_graph, open_stages
from motools.errors import (
    ConfigError,
    DamagedError,
    MotoolsError,
    ProjectError,
    RemoteError,
    StepError,
    UserError,
    WorkflowError,
)
from motools.execution import cached_results, one_step
from motools.execution.cached_results import locked_entry
from motools.execution.run_step import Outcome
from motools.execution.workers import TaskDied
from motools.repo import step_cache
from motools.repo.hashing import hash_file
from motools.repo.project import Project
from motools.repo.remote import Remote
from motools.repo.step_cache import CachedResult

RETURN = '    return make("dataset", "dataset", config, input_atoms, workspace)'
NOTES = """\
    Path(__file__).with_name("words.txt").read_text()
    (workspace / "notes").write_text("n")
    notes = AtomConstructor("notes", workspace / "notes", "text")
    return [*make("dataset", "dataset", config, input_atoms, workspace), notes]"""
LOGS = """\
    (workspace / "logs").mkdir()
    (workspace / "logs" / "log").write_text("l")
"""
TWO = [  # the first step makes two atoms, the second keeps logs
    (RETURN, NOTES),
    ('{"dataset": "dataset"}, Config, prepare)', '{"dataset": "dataset", "notes": "text"}, Config, prepare)'),
    ('    return make("model", ', LOGS + '    return make("model", '),
    ("Config, train)", "Config, train, keeps_logs=True)"),
]


@pytest.fixture(scope="session")
def two(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    chain = Chain.lay(Path(shutil.copytree(template, tmp_path_factory.mktemp("two") / "project", symlinks=True)))
    for before, after in TWO:
        chain.edit("chain.py", before, after)
    chain.path("words.txt").write_text("words")
    done = chain.run()
    assert done.statuses == ["finished"] * 3, done.err
    return chain.folder


@pytest.fixture
def chain(two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = Chain(Path(shutil.copytree(two, tmp_path / "project", symlinks=True)))
    monkeypatch.chdir(chain.folder)
    monkeypatch.setattr(records, "_read", {})  # as in a new process
    monkeypatch.setattr(cached_results, "_traces", {})
    return chain


class Heard(Silent):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@contextlib.contextmanager
def opened(chain: Chain, stages: str | None = None, reporter: Heard | None = None, **how: Any) -> Iterator[Stages]:
    forget_modules(chain.folder)
    made, heard = prepare_folder(chain.folder), reporter or Heard()
    with open_stages(made, RunOptions(stages, **how), heard) as found, found.at_home():
        yield found


def planned(stages: Stages) -> dict[str, StagePlan]:
    return {plan.stage: plan for plan in stages.plan().values()}


def actions(stages: Stages) -> dict[str, str]:
    return {name: plan.action for name, plan in planned(stages).items()}


def plans(stages: Stages, **actions: Any) -> dict[Any, StagePlan]:
    """Plans as they might be; those that are not given are current."""
    return {each: StagePlan(each.name, actions.get(each.name, "current")) for each in stages.taking_part}


def claimed(stages: Stages, name: str) -> contextlib.AbstractContextManager[None]:
    """As the scheduler claims what a stage reads and writes."""
    stage = next(each for each in stages.taking_part if each.name == name)
    return stages.state.outputs.claims.held(name, list(stage.reads), list(stage.writes))


def call_of(chain: Chain, name: str) -> StepCall:
    with opened(chain) as stages:
        found = planned(stages)[name].call
    assert found is not None
    return found


def ids(chain: Chain) -> dict[str, str]:
    kinds = {"dataset": "dataset", "notes": "text", "model": "model", "results": "eval"}
    return {name: f"{kind}-{chain.oid(f'atoms/{name}').removesuffix('.dir')}" for name, kind in kinds.items()}


def with_remote(chain: Chain, push: bool = True) -> Path:
    """A remote on this machine that has all that dvc.lock names."""
    from dvc.repo import Repo

    store = chain.folder.parent / "store"
    chain.path(".dvc/config").write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n")
    if push:
        repo = Repo(str(chain.folder))
        repo.push()
        repo.close()
    return store


def edit_lock(chain: Chain, stages: dict[str, Any]) -> None:
    chain.path("dvc.lock").write_text(yaml12.dumps({"schema": "2.0", "stages": stages}))


# -- what stands in the folder -----------------------------------------------------------


def test_a_stage_that_lacks_one_of_its_outputs_is_restored(chain: Chain) -> None:
    remove(chain.path("atoms/notes"))
    with opened(chain) as stages:
        assert stages.steps["prepare"].atoms_in_folder() == {"dataset": ids(chain)["dataset"]}
        assert stages.steps["prepare"].left_out("train") == {name: ids(chain)[name] for name in ("dataset", "notes")}
    assert chain.path("atoms/notes/data/notes").read_text() == "n"


def test_an_output_is_as_locked_or_it_is_told_how_it_is_not(chain: Chain) -> None:
    stages = chain.locked()
    outs = [out for out in stages["prepare"]["outs"] if out["path"] != "atoms/notes"]
    edit_lock(chain, {**stages, "prepare": {**stages["prepare"], "outs": outs}})
    data = chain.path("atoms/model/data/part.txt")
    with opened(chain) as opened_stages:
        outputs = opened_stages.state.outputs
        assert (outputs.status("prepare"), outputs.status("train")) == ({"atoms/notes": "new"}, {})
        before = data.read_text()
        remove(data)
        data.write_text("mine")
        assert outputs.status("train") == {"atoms/model": "modified"}
        outputs._project.store.add(chain.path("atoms/model"))
        assert outputs.status("train") == {"atoms/model": "replaced"}
        remove(data)
        data.write_text(before)
        remove(chain.path(".dvc/cache"))
        assert outputs.status("train")["atoms/model"] == "not in cache"
        assert outputs.status("evaluate").keys() == {"atoms/results", "runs/evaluate.json"}, "git has a metric"
        outputs._project.store.add_bytes(b"{}")
        chain.path("metrics/evaluate.json").write_text("{}")
        assert outputs.status("evaluate")["metrics/evaluate.json"] == "modified", "whatever else the cache has"
        remove(chain.path("atoms/model"))
        assert outputs.status("train")["atoms/model"] == "deleted"


def test_a_link_in_the_place_of_an_output_is_removed_and_not_what_it_leads_to(chain: Chain, tmp_path: Path) -> None:
    chain.path("atoms/model").rename(tmp_path / "kept")
    chain.path("atoms/model").symlink_to(tmp_path / "kept")
    with opened(chain) as stages:
        stages.state.outputs.remove("train")
    assert not os.path.lexists(chain.path("atoms/model"))
    assert (tmp_path / "kept" / "data" / "part.txt").exists()


def test_what_only_the_folder_has_goes_into_the_cache_before_it_makes_way(chain: Chain) -> None:
    model = chain.object("atoms/model")
    remove(model)
    with opened(chain) as stages:
        stages.state.outputs.remove("train")
        assert stages.state.reporter.notes == []  # type: ignore[attr-defined]
    assert model.exists()
    assert not chain.path("atoms/model").exists()


def test_a_metric_that_no_result_had_is_a_persons_file(chain: Chain) -> None:
    edit_lock(chain, {name: entry for name, entry in chain.locked().items() if name != "evaluate"})
    metric = chain.path("metrics/evaluate.json")
    metric.write_text("mine")
    with opened(chain) as stages:
        stages.state.outputs.remove("evaluate")
        (kept,) = chain.path(".motools/replaced").iterdir()
        said = f"{metric} was not made by evaluate, and is kept as {kept}."
        assert stages.state.reporter.notes == [said]  # type: ignore[attr-defined]
    assert kept.read_text() == "mine"
    assert not metric.exists()


def test_an_empty_folder_in_the_place_of_an_output_is_nobodys_work(chain: Chain) -> None:
    remove(chain.path("atoms/model"))
    chain.path("atoms/model").mkdir()
    with opened(chain) as stages:
        stages.state.outputs.remove("train")
        assert stages.state.reporter.notes == []  # type: ignore[attr-defined]
    assert not chain.path("atoms/model").exists()
    assert not chain.path(".motools/replaced").exists()


def test_dvc_lock_is_written_each_second_or_now(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(stage_outputs, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    with opened(chain) as stages:
        outputs = stages.state.outputs
        entry = dict(outputs.lock_file.entry("train"))

        def flushed(second: float, now: bool = False) -> bool:
            """Whether dvc.lock has another command of the stage then."""
            clock[0] = 100 + second
            outputs.lock_file.put("train", {**entry, "cmd": f"at {second}"})
            left = outputs.flush(now)
            assert left == (f"at {second}" not in chain.path("dvc.lock").read_text())
            return not left

        assert [flushed(second) for second in (0.9, 1.1, 1.9, 2.2)] == [False, True, False, True]
        assert flushed(2.3, now=True)


class NobodyWaits(Heard):
    def note(self, text: str) -> None:
        raise AssertionError(text)


def test_where_there_is_nothing_to_enter_nobody_is_waited_for(chain: Chain) -> None:
    with opened(chain, reporter=NobodyWaits()) as stages:
        outputs = stages.state.outputs
        for _ in range(2):
            with contextlib.closing(zc.lockfile.LockFile(str(chain.path(".dvc/tmp/lock")))):
                assert not outputs.flush(now=True)
            enter(stages, "train", {"words.txt": hash_file(chain.path("words.txt"))})
            assert not outputs.flush(now=True)


@pytest.mark.parametrize("what", ["a stage", "what a stage depends on", "both"])
def test_at_the_end_what_is_left_is_written_unless_another_command_is_at_work(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(stage_outputs, "_FLUSH", math.inf if what == "both" else -1.0)
    chain.path("own.txt").write_text("own")
    with opened(chain) as stages:
        outputs = stages.state.outputs
        if what == "a stage":
            outputs.lock_file.put("train", {**outputs.lock_file.entry("train"), "cmd": "own.txt"})
        else:
            enter(stages, "train", {"own.txt": hash_file(chain.path("own.txt"))})
            outputs.flush()
        with contextlib.closing(zc.lockfile.LockFile(str(chain.path(".dvc/tmp/lock")))):
            before = [chain.path(name).read_text() for name in ("dvc.lock", "dvc.yaml")]
            outputs.close(wait=False)
            assert [chain.path(name).read_text() for name in ("dvc.lock", "dvc.yaml")] == before
        outputs.close(wait=False)
    assert "own.txt" in chain.path("dvc.lock").read_text()
    assert ("own.txt" in chain.path("dvc.yaml").read_text()) == (what != "a stage")
    assert chain.path(".motools/index.json").exists(), "what files hash to is known to the next run"


def test_what_was_entered_is_staged_for_git_where_dvc_is_to(chain: Chain) -> None:
    def staged() -> set[str]:
        return set(git(chain.folder, "diff", "--cached", "--name-only").split())

    with opened(chain) as stages:
        stages.state.outputs.close()
    assert staged() == set()
    with chain.path(".dvc/config").open("a") as file:
        file.write("[core]\n    autostage = true\n")
    chain.path("logs/.gitignore").unlink()
    with opened(chain) as stages:
        stages.state.outputs.close()
    assert staged() == {"atoms/.gitignore", "dvc.lock", "metrics/evaluate.json", "runs/.gitignore"}


def test_what_makes_way_for_instances_is_what_the_cache_has_and_nothing_else(chain: Chain) -> None:
    vary(chain)
    model, aside = chain.path("atoms/model"), chain.folder.parent / "aside"
    with opened(chain) as stages:
        stages.plan()
        model.rename(aside)
        stages.state.outputs.clear_the_way()  # there is nothing
        shutil.copytree(aside, model)
        (model / "mine.txt").write_text("a person's")
        stages.state.outputs.clear_the_way()
        assert (model / "mine.txt").exists()
        remove(model)
        shutil.copytree(aside, model)
        cache = chain.path(".dvc/cache").rename(chain.folder.parent / "cache")
        stages.state.outputs.clear_the_way()
        assert model.exists(), "it is nowhere else"
        cache.rename(chain.path(".dvc/cache"))
    before = chain.locked()
    edit_lock(chain, {"prepare": before["prepare"], "mine": {**before["train"], "cmd": "make model"}})
    with opened(chain) as stages:
        stages.state.outputs.clear_the_way()
        assert model.exists(), "a stage of a person's own has made it"
    train = {**before["train"], "outs": before["train"]["outs"][::-1]}
    edit_lock(chain, {"prepare": before["prepare"], "train": train})
    with opened(chain) as stages:
        stages.state.outputs.clear_the_way()
    assert not model.exists()
    assert not chain.path("logs/train").exists()
    assert chain.path("atoms/dataset").exists()
    assert chain.path("runs/train.json").exists(), "those of instances are no part of it"


def test_what_instances_have_left_makes_way_with_its_folders(chain: Chain) -> None:
    model, train = chain.path("atoms/model"), chain.locked()["train"]
    model.rename(chain.path("atoms/left"))
    for label in ("a=1/b=1", "a=1/b=2", "a=2/b=1/c=3"):
        shutil.copytree(chain.path("atoms/left"), model / label)
    for labels, left in ([["a=1/b=1", "a=2/b=1/c=3"], [model / "a=1/b=2"]], [["a=1/b=2"], []]):
        outs = [{**out, "path": f"atoms/model/{label}"} for label in labels for out in train["outs"][:1]]
        edit_lock(chain, {"train@a=1": {**train, "outs": outs}})
        with opened(chain) as stages:
            stages.state.outputs.clear_the_way()
        assert [path.parent for path in model.rglob("atom.json")] == left
    assert not model.exists(), "nor an empty folder in its place"
    assert chain.path("atoms/left").exists()


def test_an_input_that_no_stage_makes_decides_too_and_a_folder_that_was_read_does_not(chain: Chain) -> None:
    stages, model = chain.locked(), chain.oid("atoms/model")
    for name, digit in (("train", "1"), ("evaluate", "2")):
        md5s = {"atoms/mine": model, "words": f"{'0' * 32}.dir", "same.txt": "3" * 32, "other.txt": digit * 32}
        read = [{"path": path, "hash": "md5", "md5": md5, "size": 1} for path, md5 in md5s.items()]
        stages[name] = {**stages[name], "deps": [*stages[name]["deps"], *read]}
    edit_lock(chain, stages)
    with opened(chain) as opened_stages:
        files, folders, objects = opened_stages.state.outputs.everything()
        tree = opened_stages.state.place.project.store.tree(model)
    for name in ("mine", "model"):
        folder = chain.path("atoms", name)
        assert {path: md5 for path, md5 in files.items() if Path(path).is_relative_to(folder)} == {
            str(folder / path): md5 for path, md5 in tree.items()
        }
        assert folders[str(folder)] == ["atom.json", "data"]
    assert {model, *tree.values()} <= objects
    assert str(chain.path("words")) not in folders
    assert files[str(chain.path("same.txt"))] == "3" * 32
    assert files[str(chain.path("other.txt"))] == "", "no content is both"


def test_what_is_left_out_and_not_needed_stays_as_it_is(chain: Chain) -> None:
    remove(chain.path("atoms/dataset"))
    with opened(chain) as stages:
        assert stages.steps["prepare"].left_out(None) == {"notes": ids(chain)["notes"]}
        assert stages.state.atoms == {"notes": ids(chain)["notes"]}
    assert not chain.path("atoms/dataset").exists()


def test_of_what_takes_no_part_only_what_is_needed_is_put_in_place(chain: Chain) -> None:
    before = ids(chain)
    remove(chain.path("atoms/dataset"))
    remove(chain.path("atoms/results"))
    with opened(chain, "train") as stages:
        states = {stage.name: state for stage, state in stages.leave_out().items()}
    assert {name: state.status for name, state in states.items()} == dict.fromkeys(
        ["prepare", "evaluate"], "not selected"
    )
    assert states["prepare"].output_atoms == {name: before[name] for name in ("dataset", "notes")}
    assert chain.path("atoms/dataset").is_dir()
    assert not chain.path("atoms/results").exists()


def test_of_what_took_no_part_an_old_result_is_told_as_old_and_nothing_else_is(chain: Chain) -> None:
    chain.set("train", seed=1)
    with opened(chain, "prepare") as stages:
        prepare = stages.steps["prepare"]
        prepare.at_hand(prepare.decide())
        told = {stage.name: state.status for stage, state in stages.tell_old(stages.leave_out()).items()}
        assert told == {"train": "out of date", "evaluate": "not selected"}
        remove(chain.path("atoms/model"))
        told = {stage.name: state.status for stage, state in stages.tell_old(stages.leave_out()).items()}
        assert told["train"] == "not selected", "nothing is there"


def test_what_stands_in_the_folder_is_taken_as_it_is(chain: Chain) -> None:
    chain.path("atoms/dataset/data/part.txt").write_text("edited")
    with opened(chain) as stages:
        found = stages.steps["prepare"].left_out("train")
        assert found.keys() == {"dataset", "notes"}
        assert found["dataset"] != ids(chain)["dataset"]
        assert stages.state.atoms == found
        assert not stages.steps["prepare"].is_current()


def test_what_is_needed_and_nowhere_is_named(chain: Chain) -> None:
    for path in (chain.object("atoms/notes"), chain.path("atoms/notes")):
        remove(path)
    with opened(chain) as stages:
        with pytest.raises(WorkflowError, match="train needs what prepare makes, which is not there: add prepare"):
            stages.steps["prepare"].left_out("train")
        remove(chain.path("atoms/model"))
        with pytest.raises(WorkflowError, match="evaluate needs what train makes"):  # its input is not known
            stages.steps["train"].left_out("evaluate")


def test_a_stage_is_current_where_its_inputs_are_known_and_all_is_as_it_was(chain: Chain) -> None:
    with opened(chain) as stages:
        assert stages.steps["prepare"].is_current()
        assert not stages.steps["train"].is_current()
        stages.state.atoms.update(ids(chain))
        assert stages.steps["train"].is_current()
        chain.path("atoms/model/data/part.txt").write_text("edited")
    with opened(chain) as stages:
        stages.state.atoms.update(ids(chain))
        assert not stages.steps["train"].is_current()


# -- entering what stands there ------------------------------------------------------------


def enter(stages: Stages, name: str, read: dict[str, str], **how: Any) -> dict[str, Any]:
    """Enter a stage that is current as one that has read these files with these digests; its new entry."""
    plan = planned(stages)[name]
    assert plan.call is not None
    assert plan.result is not None
    trace = plan.result.trace
    result = replace(plan.result, trace=replace(trace, files={**trace.files, **read}))
    stages.state.outputs.commit(plan.call, result, **how)
    return dict(stages.state.outputs.lock_file.entry(name))


def dep_of(entry: dict[str, Any], path: str) -> dict[str, Any] | None:
    return next((dep for dep in entry["deps"] if dep["path"] == path), None)


def test_what_is_entered_is_the_result_whatever_stands_in_the_folder_by_then(chain: Chain) -> None:
    before = chain.locked()["train"]
    with opened(chain) as stages:
        plan = planned(stages)["train"]
        for path in ("atoms/model/data/part.txt", "logs/train/log", "runs/train.json"):
            remove(chain.path(path))
            chain.path(path).write_text("mine")
        assert plan.call is not None
        assert plan.result is not None
        stages.state.outputs.commit(plan.call, plan.result)
        assert stages.state.outputs.lock_file.entry("train") == before


def test_dvc_is_told_of_a_file_as_it_was_read_or_as_it_is_where_a_result_was_at_hand(chain: Chain) -> None:
    chain.path("listed").mkdir()
    chain.path("listed/a.txt").write_text("a")
    os.mkfifo(chain.path("pipe"))
    folder, md5, read = f"{'0' * 32}.dir", hash_file(chain.path("words.txt")), "1" * 32
    told = {"pipe": read, "runs/train.json": read, "gone.txt": read, "listed": folder, "words.txt": read}
    with opened(chain) as stages:
        outputs = stages.state.outputs
        here = outputs.hash("listed")
        assert here is not None
        for executed, seen in ((True, read), (False, md5)):
            entry = enter(stages, "train", told, executed=executed)
            assert dep_of(entry, "words.txt") == {"path": "words.txt", "hash": "md5", "md5": seen, "size": 5}
            assert dep_of(entry, "listed") == {"path": "listed", **here.as_dict()}, "as it is: it is not read again"
            others = {"atoms/dataset", "chain.py"}
            assert {dep["path"] for dep in entry["deps"]} == {"listed", "words.txt", *others}
        assert not outputs.flush(now=True)
    stages_now = yaml12.load(chain.path("dvc.yaml"))["stages"]
    assert stages_now["train"]["deps"] == ["atoms/dataset", "chain.py", "listed", "words.txt"]


def test_a_stage_that_depends_on_nothing_has_no_list_of_it(chain: Chain) -> None:
    with opened(chain) as stages:
        plan = planned(stages)["prepare"]
        assert plan.call is not None
        assert plan.result is not None
        stages.state.outputs.commit(plan.call, replace(plan.result, trace=Trace()))
        assert list(stages.state.outputs.lock_file.entry("prepare")) == ["cmd", "params", "outs"]


def test_plots_that_a_person_has_added_are_entered_as_they_are(chain: Chain) -> None:
    content = yaml12.load(chain.path("dvc.yaml"))
    content["stages"]["train"]["plots"] = ["cached.csv", {"kept.csv": {"cache": False}}]
    chain.path("dvc.yaml").write_text(yaml12.dumps(content))
    with opened(chain) as stages:
        assert stages.state.outputs.status("train") == {"cached.csv": "new", "kept.csv": "new"}
        with pytest.raises(MotoolsError, match=r"cached\.csv, which dvc\.yaml says train makes, is not there"):
            enter(stages, "train", {})
        for name in ("cached.csv", "kept.csv"):
            chain.path(name).write_text(f"{name},1\n")
        outs = {out["path"]: out["md5"] for out in enter(stages, "train", {})["outs"]}
        store = stages.state.place.project.store
    md5s = {name: hash_file(chain.path(name)) for name in ("cached.csv", "kept.csv")}
    assert outs.items() >= md5s.items()
    assert {name: store.has(md5) for name, md5 in md5s.items()} == {"cached.csv": True, "kept.csv": False}


def test_an_input_that_the_cache_has_just_lost_is_told_from_the_folder_or_has_to_be_made_again(chain: Chain) -> None:
    before = chain.locked()["train"]
    with opened(chain) as stages:
        plan = planned(stages)["train"]
        assert plan.call is not None
        assert plan.result is not None
        shutil.rmtree(chain.path(".dvc/cache"))
        stages.state.outputs.commit(plan.call, plan.result)
        assert stages.state.outputs.lock_file.entry("train") == before
        chain.path("atoms/dataset/data/new.txt").write_text("mine")
        for _ in range(2):
            with pytest.raises(MotoolsError, match=r"atoms/dataset is gone\. Run again\."):
                stages.state.outputs.commit(plan.call, plan.result)
            shutil.rmtree(chain.path("atoms/dataset"), ignore_errors=True)


def test_git_ignores_what_dvc_keeps_and_must_not_have_it(chain: Chain) -> None:
    chain.path("atoms/.gitignore").unlink()
    git(chain.folder, "add", "-f", "metrics/evaluate.json")
    with opened(chain) as stages:
        stages.state.outputs.ignore_outs(["prepare", "evaluate"])
        assert chain.path("atoms/.gitignore").read_text().splitlines()[0] == "/*"
        assert not chain.path("metrics/.gitignore").exists()
        git(chain.folder, "add", "-f", "atoms/results/atom.json")
        stages.state.outputs.ignore_outs(["prepare"])
        with pytest.raises(ProjectError, match=r"git tracks atoms/results.*`git rm -r --cached atoms/results"):
            stages.state.outputs.ignore_outs(["prepare", "evaluate"])


def vary(chain: Chain) -> None:
    params = yaml12.load(chain.path("params.yaml"))
    chain.path("params.yaml").write_text(yaml12.dumps({**params, "sweep": {"train.seed": [0, 1]}}))


@pytest.fixture(scope="session")
def varied(two: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    chain = Chain(Path(shutil.copytree(two, tmp_path_factory.mktemp("varied") / "project", symlinks=True)))
    vary(chain)
    with chain.path("dvc.yaml").open("a") as file:
        file.write("# \n")
    done = chain.run()
    assert done.code == 0, done.err
    return chain.folder


def test_dvc_takes_all_instances_to_depend_on_what_one_has_read_and_no_other_step(
    varied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain(Path(shutil.copytree(varied, tmp_path / "project", symlinks=True)))
    monkeypatch.chdir(chain.folder)
    digests = {}
    for name in ("zero.txt", "one.txt", "gone.txt"):
        chain.path(name).write_text(name)
        digests[name] = hash_file(chain.path(name))
    before = chain.locked()
    prepare = {**before["prepare"], "deps": []}
    edit_lock(chain, {**before, "prepare": prepare})  # as where it has read less than dvc.yaml says
    with opened(chain) as stages:
        lock_file = stages.state.outputs.lock_file
        enter(stages, "train@seed=0", {"zero.txt": digests["zero.txt"]})
        entry = enter(stages, "train@seed=1", {name: digests[name] for name in ("one.txt", "gone.txt")})
        assert {name for name in digests if dep_of(entry, name)} == {*digests}
        assert dep_of(dict(lock_file.entry("train@seed=0")), "one.txt") is None, "that was not known then"
        chain.path("gone.txt").unlink()
        assert not stages.state.outputs.flush(now=True)
    after = chain.locked()
    for name in ("zero.txt", "one.txt"):
        dep = {"path": name, "hash": "md5", "md5": digests[name], "size": len(name)}
        assert [dep_of(after[f"train@seed={seed}"], name) for seed in (0, 1)] == [dep, dep]
    assert [dep["path"] for dep in after["train@seed=0"]["deps"]] == sorted(
        dep["path"] for dep in after["train@seed=0"]["deps"]
    )
    assert dep_of(after["train@seed=0"], "gone.txt") is None
    assert after["prepare"] == prepare


# -- plans -------------------------------------------------------------------------------


def test_a_plan_of_one_stage_takes_the_others_as_they_stand(chain: Chain) -> None:
    with opened(chain, "evaluate") as stages:
        (found,) = planned(stages).values()
        assert (found.stage, found.action) == ("evaluate", "current")
        assert stages.state.atoms == {}
        assert set(stages.state.traces) == {"evaluate"}
    remove(chain.path("atoms/model"))
    with opened(chain, "evaluate") as stages:
        assert actions(stages) == {"evaluate": "maybe"}


def test_a_file_that_a_step_has_read_decides(chain: Chain) -> None:
    chain.path("words.txt").write_text("other words")
    with opened(chain) as stages:
        plan = stages.steps["prepare"].decide()
        assert (plan.action, plan.reasons) == ("run", ("words.txt",))
    chain.path("words.txt").write_text("words")
    with opened(chain) as stages:
        assert stages.steps["prepare"].decide().action == "current"


def test_what_a_stage_reads_of_the_others_is_upstream(chain: Chain) -> None:
    with opened(chain) as stages:
        expected: dict[str, set[str]] = {"prepare": set(), "train": {"prepare"}, "evaluate": {"prepare", "train"}}
        upstream = {each.name: {first.name for first in found} for each, found in stages.upstream.items()}
        assert upstream == expected


def test_what_dvc_lock_names_is_entered_into_the_step_cache_before_it_names_something_else(chain: Chain) -> None:
    shutil.rmtree(chain.path(".dvc/cache/runs"))
    chain.set("train", seed=1)
    with opened(chain) as stages:
        found = stages.plan()
        assert [plan.action for plan in found.values()] == ["current", "run", "maybe"]
        stages.keep(found)
    assert len(list(step_cache.every(Project(chain.folder).store))) == 3
    chain.set("train", seed=0)
    chain.path("dvc.lock").unlink()
    with opened(chain) as stages:
        assert [*actions(stages).values()] == ["restore"] * 3


def test_a_stage_that_dvc_lock_does_not_name_keeps_no_other_from_being_entered(chain: Chain) -> None:
    with opened(chain) as stages:
        found = stages.plan()
    shutil.rmtree(chain.path(".dvc/cache/runs"))
    edit_lock(chain, {name: entry for name, entry in chain.locked().items() if name != "prepare"})
    with opened(chain) as stages:
        stages.keep({stage: found[old] for stage, old in zip(stages.steps.values(), found, strict=True)})
    assert len(list(step_cache.every(Project(chain.folder).store))) == 2


def test_what_a_frozen_stage_has_made_is_entered_too_under_the_key_of_its_record(chain: Chain) -> None:
    shutil.rmtree(chain.path(".dvc/cache/runs"))
    content = yaml12.load(chain.path("dvc.yaml"))
    content["stages"]["train"]["frozen"] = True
    chain.path("dvc.yaml").write_text(yaml12.dumps(content))
    with opened(chain) as stages:
        stages.keep(stages.plan())
    assert len(list(step_cache.every(Project(chain.folder).store))) == 3


def refusing(chain: Chain, how: str) -> None:
    """Have each step refuse what it is given, in its `check` or its `rehearse`, by its seed."""
    for number, (before, after) in enumerate([("prepare", ")"), ("train", ", keeps"), ("evaluate", ")")]):
        chain.edit("chain.py", f"Config, {before}{after}", f"Config, {before}, {how}=refuse{after}")
        chain.set(before, seed=number)
    function = "def refuse(config):\n    raise motools.errors.UserError(f'no {config.seed}')"
    chain.edit("chain.py", "workflow = ", f"import motools.errors\n\n\n{function}\n\n\nworkflow = ")


@pytest.mark.parametrize("how", ["check", "rehearse"])
def test_every_stage_that_will_or_may_run_has_its_config_checked_and_tried_out(chain: Chain, how: str) -> None:
    add_mine(chain)
    refusing(chain, how)
    with opened(chain) as stages:
        ask = getattr(stages, how)
        for action in ("current", "restore", "fetch"):
            ask(plans(stages, evaluate=action))
        for action in ("run", "maybe"):
            with pytest.raises(UserError, match="no 2"):
                ask(plans(stages, mine="run", evaluate=action))


def test_what_motools_yaml_says_of_no_step_is_refused_before_anything_runs(chain: Chain) -> None:
    chain.path("motools.yaml").write_text("run_on: {trian: here}\n")
    with opened(chain) as stages, pytest.raises(ConfigError, match=r"run_on\.trian is no step.*train"):
        stages.check(plans(stages))


def test_of_code_that_is_imported_to_be_tried_out_a_person_hears_before(chain: Chain) -> None:
    refusing(chain, "rehearse")
    chain.edit("chain.py", "    seed: int = 0", "    seed: int = 0\n    code: Code | None = None")
    chain.edit("chain.py", "import Atom", "import Code, Atom")
    chain.set("train", code="chain.py:refuse")
    heard: list[str] = []
    with opened(chain) as stages, pytest.raises(UserError, match="no 1"):
        stages.rehearse(plans(stages, train="run"), heard.append)
    assert heard == ["imports chain.py, which train.code names"]


def test_what_is_tried_out_is_tried_on_this_machine_wherever_steps_run(chain: Chain) -> None:
    refusing(chain, "rehearse")
    chain.edit("chain.py", "f'no {config.seed}'", "f'process {os.getpid()}'")
    with ThreadPoolExecutor(1) as pool, opened(chain, executor=pool) as stages:
        with pytest.raises(UserError, match="process") as error:
            stages.rehearse(plans(stages, train="run"))
        assert f"process {os.getpid()}" not in str(error.value)


def test_what_comes_after_a_stage_of_ones_own_may_need_what_that_makes_and_tries_nothing_out(chain: Chain) -> None:
    chain.set("train", more={"file": "out.txt"})
    add_mine(chain)
    refusing(chain, "rehearse")
    with opened(chain) as stages:
        stages.rehearse(plans(stages, mine="run", train="run", evaluate="run"))
        with pytest.raises(UserError, match="no 0"):
            stages.rehearse(plans(stages, prepare="run", mine="run", train="run", evaluate="run"))


def test_of_a_model_that_goes_off_the_steps_that_will_run_are_warned_or_all(chain: Chain) -> None:
    chain.set("train", more={"model": "openai/gpt-3.5-turbo"})
    with opened(chain) as stages:
        (line,) = stages.warnings(plans(stages), of_all=True, ask=False)
        assert line.startswith("train: openai/gpt-3.5-turbo went off on ")
        for action in ("run", "maybe"):
            assert list(stages.warnings(plans(stages, train=action), of_all=False, ask=False)) == [line]
        for found in (plans(stages, train="restore"), plans(stages, prepare="run")):
            assert list(stages.warnings(found, of_all=False, ask=False)) == []


def test_among_steps_only_inputs_tell_who_waits_whatever_file_a_config_names(chain: Chain) -> None:
    chain.set("train", more={"file": "metrics/evaluate.json"})
    with opened(chain) as stages:
        assert str(chain.path("metrics/evaluate.json")) in stages.steps["train"].reads
        assert stages.upstream[stages.steps["train"]] == [stages.steps["prepare"]]
        assert actions(stages) == {"prepare": "current", "train": "run", "evaluate": "maybe"}


def test_the_paths_of_a_stage_are_claimed_while_it_is_at_work(chain: Chain) -> None:
    folder = str(chain.folder)
    with opened(chain) as stages, claimed(stages, "train"):
        claims = json.loads(chain.path(".dvc/tmp/rwlock").read_text())
        assert set(claims["read"]) == {f"{folder}/atoms/dataset", f"{folder}/chain.py"}
        assert set(claims["write"]) == {f"{folder}/{p}" for p in ("atoms/model", "logs/train", "runs/train.json")}


# -- restoring ---------------------------------------------------------------------------


def test_a_restored_stage_is_there_with_its_logs_and_entered(chain: Chain) -> None:
    for path in ("atoms/model", "logs/train", "runs/train.json"):
        remove(chain.path(path))
    before = chain.locked()
    edit_lock(chain, {"prepare": before["prepare"]})
    with opened(chain) as stages:
        stages.state.atoms.update({"dataset": before_id(before, "dataset")})
        plan = stages.steps["train"].at_hand(stages.steps["train"].decide())
        assert plan.action == "restore"
        stages.state.outputs.flush(now=True)
    assert chain.path("logs/train/log").read_text() == "l"
    assert chain.locked()["train"] == before["train"]


def before_id(locked: dict[str, Any], name: str) -> str:
    out = next(out for stage in locked.values() for out in stage["outs"] if out["path"] == f"atoms/{name}")
    return f"dataset-{out['md5'].removesuffix('.dir')}"


def test_an_object_that_proves_wrong_is_put_aside_and_the_stage_runs(chain: Chain) -> None:
    spoil(chain.object("atoms/model", "data/part.txt"))
    remove(chain.path("atoms/model"))
    with opened(chain) as stages:
        stages.state.atoms.update(ids(chain))
        plan = stages.steps["train"].at_hand(stages.steps["train"].decide())
        assert plan.action == "run"
        (note,) = stages.state.reporter.notes  # type: ignore[attr-defined]
    assert "was damaged, and has been put aside as" in note
    assert len(list(chain.path(".motools/damaged").iterdir())) == 1


def test_what_only_the_folder_holds_is_put_into_the_cache_again(chain: Chain) -> None:
    remove(chain.object("atoms/model"))
    shutil.rmtree(chain.path(".dvc/cache/runs"))
    with opened(chain) as stages:
        stages.state.atoms.update(ids(chain))
        plan = stages.steps["train"].decide()
        assert (plan.action, plan.in_place) == ("restore", True)
        assert stages.steps["train"].at_hand(plan).action == "restore"
        assert chain.object("atoms/model").exists()
        assert len(list(step_cache.every(stages.state.place.project.store))) == 1


# -- a person's own stages ---------------------------------------------------------------


class Told:
    """A stage of which only the files are told."""

    def __init__(self, name: str, reads: Sequence[str] = (), writes: Sequence[str] = ()) -> None:
        self.name, self.reads, self.writes = name, reads, writes


@pytest.mark.parametrize(
    ("path", "makes"),
    [("/a/b", True), ("/a/b/c", True), ("/a", True), ("/a/bc", False), ("/a/c", False), ("/a/b c", False)],
)
def test_a_path_is_made_by_what_writes_it_something_in_it_or_its_folder(path: str, makes: bool) -> None:
    stages = [Told("reader", reads=["/x", "/a/b"]), Told("stage", writes=[path]), Told("other", writes=["/other"])]
    upstream = waiting_for(stages)
    assert [each.name for each in upstream[stages[0]]] == (["stage"] if makes else [])
    assert upstream[stages[1]] == upstream[stages[2]] == []


def test_a_stage_that_reads_what_it_writes_itself_waits_for_nothing() -> None:
    stage = Told("stage", ["/a/log"], ["/a"])
    assert waiting_for([stage]) == {stage: []}


def test_stages_that_wait_for_each_other_are_refused_by_name() -> None:
    stages = [Told("a", ["/in", "/of b"], ["/of a"]), Told("b", ["/of a/part"], ["/of b"]), Told("c", [], ["/of c"])]
    upstream = waiting_for(stages)
    assert upstream == {stages[0]: [stages[1]], stages[1]: [stages[0]], stages[2]: []}
    with pytest.raises(WorkflowError, match=r"^(a, b|b, a) wait for each other: each reads what another one writes"):
        in_order(upstream)


def add_mine(chain: Chain, **stage: Any) -> None:
    content = yaml12.load(chain.path("dvc.yaml"))
    content["stages"]["mine"] = {"cmd": "cp src.txt out.txt", "deps": ["src.txt"], "outs": ["out.txt"], **stage}
    chain.path("dvc.yaml").write_text(yaml12.dumps(content))
    chain.path("src.txt").write_text("one\n")


def test_a_stage_of_ones_own_is_planned_beside_the_others(chain: Chain) -> None:
    add_mine(chain, deps=["src.txt", "atoms/model/data"])
    with opened(chain) as stages:
        found = actions(stages)
        assert [found[name] for name in ("prepare", "train", "evaluate", "mine")] == ["current"] * 3 + ["run"]
        (mine,) = stages.custom
        assert stages.upstream[mine] == [stages.steps["train"]]
        assert (mine.cores, mine.on, mine.places) == (1.0, "", None)
        assert stages.every == [*stages.steps.values(), mine]
        assert mine not in [first for each in stages.steps.values() for first in stages.upstream[each]]
        with claimed(stages, "mine"):
            claims = json.loads(chain.path(".dvc/tmp/rwlock").read_text())
            assert set(claims["write"]) == {str(chain.path("out.txt"))}
    with opened(chain, "train:") as stages:
        assert actions(stages) == {"train": "current", "evaluate": "current"}
        assert stages.custom == ()


def test_the_whole_pipeline_is_all_steps_and_nothing_else(chain: Chain) -> None:
    with opened(chain) as stages:
        assert stages.is_whole
    with opened(chain, "train:") as stages:
        assert not stages.is_whole
    add_mine(chain)
    with opened(chain) as stages:
        assert not stages.is_whole


def test_workers_end_with_what_they_were_warmed_up_for(chain: Chain) -> None:
    with opened(chain) as stages:
        stages.warm_up(plans(stages, train="run"))
        (server,) = stages.state.workers._servers.values()
        assert server.submit(os.getpid).result() != os.getpid()
    assert isinstance(server.submit(os.getpid).exception(), TaskDied)


def test_a_stage_may_run_where_what_it_reads_is_made_anew(chain: Chain) -> None:
    chain.set("train", more={"file": "out.txt"})
    add_mine(chain)
    with opened(chain) as stages:
        (mine,) = stages.custom
        assert [each.name for each in stages.steps.values() if mine in stages.upstream[each]] == ["train"]
        chain.path("out.txt").write_text("two\n")
        found = planned(stages)
        assert found["train"].action == "run"
        assert [found[name].action for name in ("prepare", "evaluate", "mine")] == ["current", "maybe", "run"]
        before, server = stages.state.world, stages.steps["train"]._executor()
        assert stages.steps["evaluate"]._executor() is server
        stages.state.files_were_written()  # by `mine`
        assert stages.state.world is not before
        assert stages.steps["train"]._executor() is not server


def test_a_stage_of_ones_own_may_run_where_what_it_reads_is_made_anew(chain: Chain) -> None:
    from dvc.repo import Repo

    add_mine(chain, deps=["src.txt", "atoms/model", "atoms/results"])
    repo = Repo(str(chain.folder))
    repo.reproduce("mine")
    repo.close()
    chain.set("train", seed=1)
    with opened(chain) as stages:
        found = planned(stages)
        assert [found[name].action for name in ("prepare", "train", "evaluate")] == ["current", "run", "maybe"]
        assert (found["mine"].action, found["mine"].reasons) == ("maybe", ("it reads what evaluate, train makes",))


def test_a_stage_of_ones_own_is_restored_by_dvc_where_it_can_be(chain: Chain) -> None:
    from dvc.repo import Repo

    add_mine(chain)
    repo = Repo(str(chain.folder))
    repo.reproduce("mine")
    repo.close()
    remove(chain.path("out.txt"))
    with opened(chain) as stages:
        (mine,) = stages.custom
        before = stages.state.world
        assert mine.decide().reasons == ("out.txt is missing",)
        assert mine.at_hand(mine.decide()).action == "restore"
        assert chain.path("out.txt").read_text() == "one\n"
        assert stages.state.world is not before
        assert mine.at_hand(mine.decide()).action == "current"
    remove(chain.path("out.txt"))
    with opened(chain, force=True) as stages:
        (mine,) = stages.custom
        assert mine.at_hand(mine.decide()).action == "run"


def execute(stages: Stages) -> Done:
    """The stage of one's own, as the scheduler would."""
    (mine,) = stages.custom
    plan = mine.at_hand(mine.decide())
    assert plan.action == "run"
    before = stages.state.world
    done = mine.finish(plan, mine.start(plan).result())
    assert stages.state.world is not before, "it may have written any file"
    return done


def test_a_stage_of_ones_own_is_entered_as_dvc_would_with_what_its_command_found(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    add_mine(chain, cmd="cp src.txt out.txt && command -v motools && echo two > src.txt")
    with opened(chain) as stages:
        assert execute(stages) == Done()
        (mine,) = stages.custom
        assert mine.log.read_text().rstrip().endswith("/motools"), "the programs of this environment are at hand"
        assert mine.decide().reasons == ("src.txt changed",), "by the command, after it was read"
    assert chain.path("out.txt").read_text() == "one\n"
    (dep,), (out,) = chain.locked()["mine"]["deps"], chain.locked()["mine"]["outs"]
    chain.path("src.txt").write_text("one\n")
    assert dep["md5"] == out["md5"] == hash_file(chain.path("src.txt"))
    assert chain.dvc_status() == {}
    before = chain.locked()
    remove(chain.path("out.txt"))
    edit_lock(chain, {name: entry for name, entry in before.items() if name != "mine"})
    with opened(chain) as stages:
        (mine,) = stages.custom
        assert mine.at_hand(mine.decide()).action == "restore"
    assert chain.locked() == before
    assert chain.path("out.txt").read_text() == "one\n"


def test_a_stage_of_ones_own_that_fails_is_not_entered(chain: Chain) -> None:
    add_mine(chain, cmd="cp src.txt out.txt && exit 3")
    with opened(chain) as stages:
        with pytest.raises(StepError, match=r"its command failed to run: .*, exited with 3"):
            execute(stages)
        assert stages.custom[0].decide().action == "run"
    assert "mine" not in chain.locked()


def test_what_dvc_refuses_of_a_stage_of_ones_own_is_told_with_its_name(chain: Chain) -> None:
    add_mine(chain)
    chain.path("src.txt").unlink()
    with opened(chain) as stages, pytest.raises(MotoolsError, match=r"DVC, on the stage mine: .*src\.txt"):
        stages.custom[0].start(StagePlan("mine", "run"))


def test_a_frozen_stage_of_ones_own_is_left_alone_as_dvc_does(chain: Chain) -> None:
    from dvc.repo import Repo

    add_mine(chain, deps=["src.txt", "atoms/model"])
    repo = Repo(str(chain.folder))
    repo.reproduce("mine")
    repo.close()
    content = yaml12.load(chain.path("dvc.yaml"))
    content["stages"]["mine"] |= {"frozen": True, "cmd": "cp src.txt out.txt # another"}
    chain.path("dvc.yaml").write_text(yaml12.dumps(content))
    chain.path("src.txt").write_text("two\n")
    chain.set("train", seed=1)
    with opened(chain) as stages:
        assert actions(stages)["mine"] == "current"
        assert stages.upstream[stages.custom[0]] == []
    remove(chain.path("out.txt"))
    with (
        opened(chain) as stages,
        pytest.raises(WorkflowError, match=r"mine is frozen in dvc\.yaml, but out\.txt is missing.*dvc unfreeze mine"),
    ):
        stages.custom[0].decide()


def test_without_a_stage_of_ones_own_there_is_none_and_dvc_is_not_opened(chain: Chain) -> None:
    before = open_databases()
    with opened(chain) as stages:
        assert stages.custom == []
        assert open_databases() == before


def md5_of(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def lock_mine(chain: Chain, cmd: str = "cp src.txt out.txt", **more: Any) -> None:
    """Have dvc.lock name it as it would be after a run."""
    found = [{"path": name, "hash": "md5", "md5": md5_of(b"one\n"), "size": 4} for name in ("src.txt", "out.txt")]
    edit_lock(chain, {**chain.locked(), "mine": {"cmd": cmd, "deps": found[:1], "outs": found[1:], **more}})


LIES = {
    "a file": True,
    "a folder": True,
    "an empty folder": False,
    "what dvc.lock names": False,
    "what the cache has": False,
    "what the command goes on with": False,
    "nothing": False,
}


@pytest.mark.parametrize("what", LIES)
def test_what_lies_where_a_stage_of_ones_own_will_write_is_kept_if_it_is_nowhere_else(chain: Chain, what: str) -> None:
    goes_on = what == "what the command goes on with"
    add_mine(chain, outs=[{"absent.txt": {"cache": False}}, {"out.txt": {"cache": False, "persist": goes_on}}])
    lock_mine(chain)
    out = chain.path("out.txt")
    if "folder" in what:
        out.mkdir()
        if what == "a folder":
            (out / "file").write_text("a person's")
    elif what != "nothing":
        out.write_text("one\n" if "lock" in what else "a person's")
    with opened(chain) as stages:
        if "cache" in what:
            stages.state.place.project.store.add(out)
        was_there = out.exists()
        stages.custom[0].at_hand(StagePlan("mine", "run"))
        notes = stages.state.reporter.notes  # type: ignore[attr-defined]
    kept = [*chain.path(".motools/replaced").glob("*")]
    assert [f"{out} was not made by mine, and is kept as {path}." for path in kept] == notes
    assert (len(kept), out.exists()) == (int(LIES[what]), was_there and not LIES[what])


def test_a_stage_of_ones_own_finds_none_of_its_outputs_and_a_persons_are_kept(chain: Chain) -> None:
    made = " && ".join(f"test ! -e {name} && cp src.txt {name}" for name in ("out.txt", "other.txt"))
    add_mine(chain, cmd=made, outs=["out.txt", "other.txt"])
    chain.path("out.txt").write_text("a person's")
    chain.path("other.txt").write_text("in the cache")
    with opened(chain, force=True) as stages:
        stages.state.place.project.store.add(chain.path("other.txt"))
        assert execute(stages) == Done()
    (kept,) = chain.path(".motools/replaced").iterdir()
    assert kept.read_text() == "a person's"


def test_a_stage_of_ones_own_is_known_by_its_work_folder_and_ends_in_its_own_way(chain: Chain) -> None:
    add_mine(chain, cmd='kill -TERM $PPID; printf %s "$MOTOOLS_WORK" > out.txt')
    with opened(chain) as stages:
        assert execute(stages) == Done()
    work = chain.path(".motools/work", f"mine of {chain.folder.name}")
    assert chain.path("out.txt").read_text() == str(work)
    assert not work.exists()


def test_why_a_stage_of_ones_own_runs_is_told_of_each_file_and_parameter(chain: Chain) -> None:
    add_mine(
        chain,
        deps=["src.txt", "gone.txt", "late.txt"],
        params=[{"p.yaml": ["a", "b", "c", "d"]}],
        outs=["out.txt", {"other.txt": {"cache": False}}],
        always_changed=True,
    )
    found = {name: {"path": name, "hash": "md5", "md5": "1" * 32, "size": 1} for name in ("src.txt", "gone.txt")}
    outs = [{**found["src.txt"], "path": name} for name in ("out.txt", "other.txt")]
    lock_mine(chain, "another", deps=[*found.values()], params={"p.yaml": {"a": 1, "b": 1, "c": 1}}, outs=outs)
    chain.path("p.yaml").write_text("a: 2\nb: 1\nd: 1\n")
    for name in ("late.txt", "other.txt"):
        chain.path(name).write_text("one\n")
    with opened(chain, force=True) as stages:
        plan = stages.custom[0].decide()
    assert plan == StagePlan(
        "mine",
        "run",
        (
            "src.txt changed",
            "gone.txt is missing",
            "late.txt changed",
            "a changed",
            "c is missing",
            "d is new",
            "out.txt is not in the cache",
            "other.txt is not what dvc.lock names",
            "it always runs",
            "its command changed",
        ),
    )


def test_a_stage_of_ones_own_that_is_current_runs_only_by_force(chain: Chain) -> None:
    add_mine(chain, outs=[{"out.txt": {"cache": False}}])
    lock_mine(chain)
    chain.path("out.txt").write_text("one\n")
    for force, plan in ((False, StagePlan("mine", "current")), (True, StagePlan("mine", "run", ("--force",)))):
        with opened(chain, force=force) as stages:
            assert stages.custom[0].decide() == plan


def test_what_has_finished_is_in_dvc_lock_before_a_stage_of_ones_own_is_looked_at(chain: Chain) -> None:
    add_mine(chain)
    with opened(chain) as stages:
        lock_file = stages.state.outputs.lock_file
        lock_file.put("train", {**lock_file.entry("train"), "cmd": "finished"})
        stages.custom[0].decide()
        assert chain.locked()["train"]["cmd"] == "finished"


def test_what_lies_under_the_name_of_an_output_of_ones_own_that_is_on_another_machine_is_left_alone(
    chain: Chain,
) -> None:
    add_mine(chain, outs=[{"http://127.0.0.1:9/out.txt": {"cache": False}}])
    with opened(chain) as stages:
        (mine,) = stages.custom
        (written,) = mine.writes
        here = chain.path(written)
        here.parent.mkdir(parents=True)
        here.write_text("a person's")
        mine.at_hand(StagePlan("mine", "run"))
    assert here.exists()


def test_an_output_of_a_stage_of_ones_own_is_linked_to_the_cache_where_dvc_is_to(
    chain: Chain, capfd: pytest.CaptureFixture[str]
) -> None:
    add_mine(chain)
    chain.edit("dvc.yaml", "cmd: cp src.txt out.txt", 'cmd: "cp src.txt out.txt"  # mine')
    lock_mine(chain)
    chain.path("out.txt").write_text("one\n")
    with chain.path(".dvc/config").open("a") as file:
        file.write("[cache]\n    type = hardlink\n")
    with opened(chain) as stages:
        before = chain.path("dvc.yaml").read_text()
        stages.custom[0].finish(StagePlan("mine", "run"), None)
    assert chain.path("out.txt").samefile(chain.object("out.txt"))
    assert chain.path("dvc.yaml").read_text() == before, "DVC would write it in its own way"
    assert capfd.readouterr() == ("", "")


def test_an_output_of_a_stage_of_ones_own_for_which_there_is_no_room_in_the_cache_is_an_error(chain: Chain) -> None:
    add_mine(chain)
    lock_mine(chain)
    before = chain.locked()
    os.truncate(chain.path("src.txt").rename(chain.path("out.txt")), 5 << 20)
    chain.path("src.txt").write_text("one\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(chain) as stages:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, hard))
        try:
            with pytest.raises(MotoolsError, match="outputs of mine could not be put into the cache"):
                stages.custom[0].finish(StagePlan("mine", "run"), None)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert chain.locked() == before
    assert chain.path("out.txt").exists()


def test_among_folders_that_run_together_a_stage_waits_for_what_another_one_writes(chain: Chain) -> None:
    folders = [chain.path("experiments", name) for name in "ab"]
    for folder, file in zip(folders, ("rows.txt", "../a/metrics/evaluate.json"), strict=True):
        folder.mkdir(parents=True)
        params = {"workflow": "../../chain.py:workflow", "train": {"more": {"file": file}}}
        (folder / "params.yaml").write_text(yaml12.dumps(params))
    forget_modules(chain.folder)
    a_made, b_made = map(prepare_folder, folders)
    with (
        open_stages(a_made, RunOptions("prepare,train,evaluate"), Heard()) as a,
        open_stages(b_made, RunOptions("prepare,train"), Heard(), [a]) as b,
    ):
        assert as_one_graph([b]) == b.upstream
        upstream = as_one_graph([a, b])
        told = {("a" if each in a.taking_part else "b", each.name): first for each, first in upstream.items()}
        assert told == {
            ("a", "prepare"): [],
            ("a", "train"): [a.steps["prepare"]],
            ("a", "evaluate"): a.upstream[a.steps["evaluate"]],
            ("b", "prepare"): [],
            ("b", "train"): [b.steps["prepare"], a.steps["evaluate"]],
        }
        assert (a.state.is_read_elsewhere, b.state.is_read_elsewhere) == (True, False)
        worlds = a.state.world, b.state.world
        b.state.made()
        assert (a.state.world, b.state.world) == worlds, "nobody reads what it makes"
        a.state.made()
        assert (a.state.world is worlds[0], b.state.world is worlds[1]) == (True, False)
        b.state.files_were_written()
        assert a.state.world is not worlds[0], "it may be any file"
        assert a.steps["train"]._executor() is not b.steps["train"]._executor(), "each has its own code"


def installed(folder: Path, reference: str = "train_and_evaluate") -> Prepared:
    """A folder whose workflow is an installed one, with dummies."""
    folder.mkdir(parents=True)
    sections: dict[str, Any] = {
        "prepare_dataset": {"dataset_loader": "mozoo.datasets.hello_world:get_hello_world_dataset"},
        "train_model": {"backend_name": "dummy", "hyperparameters": {}},
        "evaluate_model": {"backend_name": "dummy", "eval_task": "mozoo.tasks.hello_world:hello_world"},
    }
    (folder / "params.yaml").write_text(yaml12.dumps({"workflow": reference, **sections}))
    return prepare_folder(folder)


def path_in(executor: Executor) -> list[str]:
    """Where its processes look for modules."""
    found = executor.submit(eval, "__import__('sys').path").result()
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("reference", ["train_and_evaluate", "mozoo.workflows.train_and_evaluate:workflow"])
def test_folders_that_run_together_share_what_files_hash_to_and_the_workers_of_an_installed_workflow(
    chain: Chain, reference: str
) -> None:
    folders = [chain.path("experiments", name) for name in "abc"]
    made, heard = [installed(folder, reference) for folder in folders], Heard()
    with (
        open_stages(made[0], RunOptions(), heard) as a,
        open_stages(made[1], RunOptions(), heard, [a]) as b,
        open_stages(made[2], RunOptions(), heard, [a, b]) as c,
    ):
        states = [each.state for each in (a, b, c)]
        assert [each.together for each in states] == [states] * 3
        for other in states[1:]:
            assert other.outputs.hashes is states[0].outputs.hashes
            assert (other.workers, other.elsewhere) == (states[0].workers, states[0].elsewhere)
        with a.at_home():
            shared = a.steps["prepare_dataset"]._executor()
            assert str(folders[0]) not in path_in(shared)
        with b.at_home():
            assert b.steps["prepare_dataset"]._executor() is shared


def test_the_workers_of_a_folder_that_runs_alone_find_its_modules_whatever_its_workflow(chain: Chain) -> None:
    folder = chain.path("experiments/a")
    with open_stages(installed(folder), RunOptions(), Heard()) as stages, stages.at_home():
        assert str(folder) in path_in(stages.steps["prepare_dataset"]._executor())


# -- running -----------------------------------------------------------------------------


def test_an_execution_names_the_person_who_was_given_and_is_entered(chain: Chain) -> None:
    with opened(chain, user="eve", force=True) as stages:
        prepare = stages.steps["prepare"]
        plan = prepare.decide()
        assert stages.state.traces == {}
        done = prepare.finish(plan, prepare.start(plan).result())
        assert done.executed
        assert list(stages.state.traces["prepare"].code) == ["chain.py"]
        assert done.outputs == {name: stages.state.atoms[name] for name in ("dataset", "notes")}
        made = chain.path("atoms/dataset/data/part.txt")
        assert stages.state.outputs.hashes.knows(str(made), hash_file(made)), "it is not hashed again"
        stages.state.outputs.flush(now=True)
    assert json.loads(chain.path("runs/prepare.json").read_text())["user"] == "eve"
    assert chain.oid("runs/prepare.json") == hash_file(chain.path("runs/prepare.json"))


def test_what_has_failed_or_gave_nothing_is_an_error_and_is_not_entered(chain: Chain) -> None:
    with opened(chain) as stages:
        prepare = stages.steps["prepare"]
        plan = prepare.decide()
        with pytest.raises(StepError, match="it went wrong"):
            prepare.finish(plan, Outcome(False, None, "it went wrong"))
        with pytest.raises(StepError, match="it gave no result"):
            prepare.finish(plan, Outcome(False))
        assert not stages.state.outputs.lock_file.pending


EXECUTORS = """\
executors:
  near: {kind: 'concurrent.futures:ThreadPoolExecutor', max_workers: 1, jobs: 2}
  far: {kind: 'concurrent.futures:ThreadPoolExecutor', max_workers: 1, shared_files: false}
  bad: {kind: 'os:getcwd'}
run_on: {train: %s}
"""


def placed(chain: Chain, where: str, paid: str = "False") -> None:
    """Have motools.yaml say where the second step runs, which may cost money."""
    chain.path("motools.yaml").write_text(EXECUTORS % where)
    chain.edit("chain.py", "Config, train, keeps", f"Config, train, paid={paid}, keeps")


@pytest.mark.parametrize(
    ("where", "paid", "on", "places"),
    [
        ("near", "False", "near", 2),
        ("near", "True", "near", 2),
        ("far", "False", "far", None),
        ("far", "True", "", None),
        ("here", "False", "", None),
    ],
)
def test_a_step_is_where_it_shall_be_but_one_that_costs_money_where_its_files_are(
    chain: Chain, where: str, paid: str, on: str, places: int | None
) -> None:
    placed(chain, where, paid)
    with opened(chain) as stages:
        assert [(step.on, step.places) for step in stages.steps.values()] == [("", None), (on, places), ("", None)]


def test_whether_a_step_costs_money_may_show_when_its_inputs_are_there(chain: Chain) -> None:
    placed(chain, "far", "lambda config, atoms: 'dataset' in atoms")
    with opened(chain) as stages:
        train = stages.steps["train"]
        assert train.on == "far"
        stages.state.atoms.update(ids(chain))
        assert train.on == ""
        stages.state.atoms.clear()
        assert train.on == "", "what was known stays so"


def test_an_executor_that_cannot_be_had_and_needs_that_cannot_be_meant_are_told_before_anything_runs(
    chain: Chain,
) -> None:
    placed(chain, "bad")
    with opened(chain) as stages:
        stages.warm_up(plans(stages, prepare="run"))
        with pytest.raises(ConfigError, match=r"which is no concurrent\.futures\.Executor"):
            stages.warm_up(plans(stages, train="run"))
    chain.edit("motools.yaml", "train: bad", "train: near")
    chain.edit("chain.py", "paid=False, keeps", "resources=lambda config: {'gpu': -1}, keeps")
    with opened(chain) as stages, pytest.raises(ConfigError, match="gpu must be 0 or more"):
        stages.warm_up(plans(stages, train="run"))


@pytest.mark.parametrize(("where", "said"), [("near", []), ("far", ["far: steps that cost money run here, where "])])
def test_a_step_is_executed_there_and_entered_here(chain: Chain, where: str, said: list[str]) -> None:
    placed(chain, where, "True")
    chain.edit(
        "chain.py", "paid=True, keeps", "paid=True, resources={'gpu': 0}, preload=lambda config: ('json',), keeps"
    )
    chain.executed()
    with opened(chain, user="eve", force=True) as stages:
        stages.state.atoms.update(ids(chain))
        train = stages.steps["train"]
        plan = train.decide()
        done = train.finish(plan, train.start(plan).result())
        assert done == Done({"model": ids(chain)["model"]})
        notes = stages.state.reporter.notes  # type: ignore[attr-defined]
        assert [note.startswith(words) for note, words in zip(notes, said, strict=True)] == [True] * len(said)
    assert chain.executed() == ["model"]
    while one_step._servers:
        one_step._servers.popitem()[1].abandon()


def test_how_many_processors_a_step_keeps_busy_may_depend_on_its_config(chain: Chain) -> None:
    chain.edit("chain.py", "Config, train, keeps", "Config, train, cores=lambda config: config.seed + 2.5, keeps")
    with opened(chain) as stages:
        assert [step.cores for step in stages.steps.values()] == [None, 2.5, None]


# -- the remote --------------------------------------------------------------------------


PAID = ("Config, train, keeps", "Config, train, paid=True, keeps")


def test_what_only_the_remote_has_is_fetched_at_once_and_restored(chain: Chain) -> None:
    with_remote(chain)
    for path in (".dvc/cache", "atoms", "runs", "logs"):
        shutil.rmtree(chain.path(path))
    with opened(chain) as stages:
        found = stages.plan()
        assert [plan.action for plan in found.values()] == ["fetch"] * 3
        refuse_to_pay(stages, found)
        assert fetch(stages, found)
        (note,) = stages.state.reporter.notes  # type: ignore[attr-defined]
        assert note.startswith("fetching ")
        assert note.endswith(" from store: prepare, train and evaluate") or "prepare, train, evaluate" in note
        assert [stages.steps["prepare"].decide().action] == ["restore"]
        assert stages.steps["prepare"].left_out("train")["notes"] == ids(chain)["notes"]
    assert chain.path("atoms/notes/data/notes").read_text() == "n"


def test_what_is_damaged_in_the_remote_too_is_put_aside_and_the_stage_runs(chain: Chain) -> None:
    store = with_remote(chain)
    path = chain.object("atoms/model", "data/part.txt")
    for each in (path, store / "files" / "md5" / path.parent.name / path.name):
        spoil(each)
    remove(chain.path("atoms/model"))
    with opened(chain) as stages:
        stages.state.atoms.update(ids(chain))
        train = stages.steps["train"]
        assert train.at_hand(train.decide()).action == "run"
    assert not chain.path("atoms/model").exists()
    assert chain.path(".motools/damaged", f"{path.parent.name}{path.name}").exists()


def test_a_stage_whose_result_the_remote_has_only_in_part_runs(chain: Chain) -> None:
    store = with_remote(chain)
    path = chain.object("atoms/model", "data/part.txt")
    remove(chain.path("atoms/model"))
    with opened(chain) as stages:
        stages.state.atoms.update(ids(chain))
        remove(path)
        remove(store / "files" / "md5" / path.parent.name / path.name)
        train = stages.steps["train"]
        plan = train.decide()
        assert plan.action == "fetch"
        assert train.at_hand(plan).action == "run"


def test_with_nothing_to_fetch_nobody_is_asked(chain: Chain) -> None:
    with_remote(chain, push=False)
    with opened(chain) as stages:
        found = stages.plan()
        assert fetch(stages, found)
        refuse_to_pay(stages, found)
        prepare = stages.steps["prepare"]
        assert prepare.at_hand(found[prepare]) == found[prepare]
        assert stages.state.remote is not None
        assert stages.state.remote.problem is None
        assert stages.state.reporter.notes == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", [{"force": True}, {"without_remote": True}, {}])
def test_the_remote_is_left_alone_where_a_person_says_so_or_there_is_none(chain: Chain, how: dict[str, bool]) -> None:
    if how:
        with_remote(chain, push=False)
    with opened(chain, **how) as stages:
        assert stages.state.remote is None
        assert fetch(stages, {})
        refuse_to_pay(stages, plans(stages, train="run"))


def test_nothing_is_paid_for_while_the_remote_cannot_be_asked(chain: Chain) -> None:
    add_mine(chain)
    chain.edit("chain.py", *PAID)
    shutil.rmtree(with_remote(chain, push=False).parent / "nowhere", ignore_errors=True)
    config = chain.path(".dvc/config")
    config.write_text(config.read_text().replace("/store", "/nowhere/store"))
    with opened(chain) as stages:
        refuse_to_pay(stages, plans(stages, mine="run", train="current"))
        assert stages.state.remote is not None
        assert stages.state.remote.problem is None  # it was not even asked
        refuse_to_pay(stages, plans(stages, prepare="run"))
        assert stages.state.remote.problem is None
        with pytest.raises(RemoteError, match=r"paid for again \(train\)"):
            refuse_to_pay(stages, plans(stages, prepare="run", train="maybe"))
        refuse_to_pay(stages, plans(stages, prepare="run"))
        (note,) = stages.state.reporter.notes  # type: ignore[attr-defined]
        assert note.endswith("Nothing that is executed instead costs money.")
        with pytest.raises(RemoteError, match=r"paid for again \(train\)"):
            stages.steps["train"].restored(StagePlan("train", "run"))
        assert stages.steps["prepare"].restored(StagePlan("prepare", "run")).action == "run"


def test_where_the_remote_answers_and_has_no_result_the_step_is_paid_for(chain: Chain) -> None:
    with_remote(chain)
    chain.edit("chain.py", *PAID)
    with opened(chain) as stages:
        assert stages.steps["train"].is_paid()
        assert stages.steps["train"].restored(StagePlan("train", "run")).action == "run"


def test_what_is_paid_may_depend_on_the_inputs_at_hand(chain: Chain) -> None:
    chain.edit("chain.py", "Config, train, keeps", "Config, train, paid=lambda c, atoms: 'dataset' in atoms, keeps")
    with opened(chain) as stages:
        assert not stages.steps["train"].is_paid()
        stages.state.atoms.update(ids(chain))
        assert stages.steps["train"].is_paid()


def test_what_dvc_tracks_and_a_stage_has_read_is_brought(chain: Chain) -> None:
    from dvc.repo import Repo

    (chain.path("rows")).mkdir()
    chain.path("rows/a.txt").write_text("a")
    store = with_remote(chain, push=False)
    repo = Repo(str(chain.folder))
    repo.add("rows")
    repo.push()
    repo.close()
    assert store.exists()
    stages_before = chain.locked()
    stages_before["prepare"]["deps"].append({"path": "rows/a.txt", "hash": "md5", "md5": "0" * 32, "size": 1})
    edit_lock(chain, stages_before)
    shutil.rmtree(chain.path("rows"))
    shutil.rmtree(chain.path(".dvc/cache"))
    with opened(chain, "train") as stages:
        bring_tracked(stages)
        assert not chain.path("rows").exists()
    with opened(chain, "prepare") as stages:
        bring_tracked(stages)
    assert chain.path("rows/a.txt").read_text() == "a"
    chain.path("rows/a.txt").rename(chain.path("rows/mine.txt"))
    with opened(chain, "prepare") as stages:
        bring_tracked(stages)
    assert [path.name for path in chain.path("rows").iterdir()] == ["mine.txt"], "a person is at work on it"


def test_where_there_is_no_remote_nothing_is_brought(chain: Chain) -> None:
    stages_before = chain.locked()
    stages_before["prepare"]["deps"].append({"path": "rows.txt", "hash": "md5", "md5": "0" * 32, "size": 1})
    edit_lock(chain, stages_before)
    chain.path("rows.txt.dvc").write_text(f"outs:\n- {{path: rows.txt, md5: {'0' * 32}, hash: md5, size: 1}}\n")
    with opened(chain, "prepare") as stages:
        bring_tracked(stages)
    assert not chain.path("rows.txt").exists()


def test_the_file_of_a_dvc_file_stands_for_nothing_where_no_remote_may_bring_it(chain: Chain) -> None:
    md5 = hash_file(chain.path("words.txt"))
    chain.path("words.txt.dvc").write_text(f"outs:\n- {{path: words.txt, md5: {md5}, hash: md5, size: 5}}\n")
    remove(chain.path("words.txt"))
    with opened(chain) as stages:
        assert actions(stages)["prepare"] == "run"
    with_remote(chain, push=False)
    with opened(chain) as stages:
        assert actions(stages)["prepare"] == "restore"


# -- results -----------------------------------------------------------------------------


def test_an_entry_without_the_logs_that_a_step_keeps_is_none(chain: Chain) -> None:
    locked = chain.locked()["train"]
    entry = locked_entry("train", {"model": "model"}, True, locked)
    assert entry is not None
    assert entry.logs is not None
    assert entry.logs.md5 == chain.oid("logs/train")
    assert (entry.record.md5, entry.outputs["model"].md5) == (chain.oid("runs/train.json"), chain.oid("atoms/model"))
    without = locked_entry("train", {"model": "model"}, False, locked)
    assert without == CachedResult(entry.outputs, entry.record)
    for lost in ("logs/train", "runs/train.json", "atoms/model"):
        outs = [out for out in locked["outs"] if out["path"] != lost]
        assert locked_entry("train", {"model": "model"}, True, {"outs": outs}) is None
    nameless = [{k: v for k, v in out.items() if k != "md5"} for out in locked["outs"]]
    assert locked_entry("train", {"model": "model"}, False, {"outs": nameless}) is None
    assert locked_entry("train", {"model": "model"}, False, {}) is None


def test_a_result_is_what_dvc_lock_names_and_else_what_the_step_cache_has(chain: Chain) -> None:
    call, locked = call_of(chain, "train"), chain.locked()["train"]
    named = cached_results.find_result(call, locked, World(call.place))
    assert named is not None
    assert named.record.key == call.key
    assert cached_results.find_result(call, {}, World(call.place)) == named
    shutil.rmtree(chain.path(".dvc/cache/runs"))
    assert cached_results.find_result(call, locked, World(call.place)) == named
    assert cached_results.find_result(call, {}, World(call.place)) is None


def test_a_result_whose_trace_does_not_hold_or_that_is_not_here_whole_is_none(chain: Chain) -> None:
    call, locked = call_of(chain, "train"), chain.locked()["train"]
    chain.edit("chain.py", "time.sleep(config.pause)", "time.sleep(config.pause + 0)")
    assert cached_results.find_result(call, locked, World(call.place)) is None
    chain.edit("chain.py", "time.sleep(config.pause + 0)", "time.sleep(config.pause)")
    assert cached_results.find_result(call, locked, World(call.place)) is not None
    remove(chain.object("atoms/model", "data/part.txt"))
    assert cached_results.find_result(call, locked, World(call.place)) is None
    assert cached_results.locked_result(call, locked) is not None


def test_a_record_of_another_key_or_none_is_no_result(chain: Chain) -> None:
    call = call_of(chain, "train")
    other = call_of(chain, "prepare")
    entry = locked_entry("train", {"model": "model"}, True, chain.locked()["train"])
    assert entry is not None
    assert cached_results.result_of(call, entry) is not None
    assert cached_results.result_of(other, entry) is None
    remove(chain.object("runs/train.json"))
    records._read.clear()
    assert cached_results.result_of(call, entry) is None
    assert cached_results.result_of(call, entry, chain.path("runs/train.json")) is not None
    assert cached_results.locked_result(call, chain.locked()["train"]) is not None


def test_a_result_is_brought_whole_with_its_metrics_and_kept(chain: Chain) -> None:
    call, locked = call_of(chain, "evaluate"), chain.locked()["evaluate"]
    metrics = chain.path("metrics/evaluate.json").read_text()
    for path in ("atoms/results", "runs/evaluate.json", "metrics/evaluate.json", ".dvc/cache/runs"):
        remove(chain.path(path))
    found = cached_results.restore_known(call, locked)
    assert found is not None
    assert chain.path("metrics/evaluate.json").read_text() == metrics
    assert json.loads(metrics) == {"task": {"score": {"mean": 0.5}}}
    assert chain.path("runs/evaluate.json").exists()
    assert step_cache.lookup(call.place.project.store, *call.cache_slot) == found.entry
    train = call_of(chain, "train")
    remove(chain.path("logs/train"))
    assert cached_results.restore_known(train, chain.locked()["train"]) is not None
    assert chain.path("logs/train/log").read_text() == "l"
    assert not chain.path("metrics/train.json").exists()
    assert cached_results.restore_known(call, {}, None) == found
    shutil.rmtree(chain.path(".dvc/cache/runs"))
    assert cached_results.restore_known(call, {}) is None


def test_keeping_a_result_that_is_kept_leaves_it_as_it_is(chain: Chain) -> None:
    call = call_of(chain, "train")
    entry = locked_entry("train", {"model": "model"}, True, chain.locked()["train"])
    assert entry is not None
    (path,) = step_cache.folder_of(call.place.project.store, *call.cache_slot).glob("[0-9a-f]*[0-9a-f]")
    os.utime(path, (5, 5))
    cached_results.keep(call.place.project, call.key, entry)
    assert path.stat().st_mtime == 5


def test_a_damaged_object_is_put_aside_once_and_the_step_has_to_run(
    chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    call, locked = call_of(chain, "train"), chain.locked()["train"]
    path = chain.object("atoms/model", "data/part.txt")
    spoil(path)
    damaged = path.read_bytes()
    assert cached_results.restore_known(call, locked) is None
    target = chain.path(".motools/damaged") / f"{path.parent.name}{path.name}"
    assert capsys.readouterr().err == f"The cache object {path} was damaged, and has been put aside as {target}.\n"
    assert target.read_bytes() == damaged
    assert not path.exists()
    told = cached_results.quarantine(DamagedError("x", path), call.place.project)  # another process was quicker
    assert told.endswith(f"put aside as {target}.")
    assert target.read_bytes() == damaged


def test_metrics_of_several_evaluations_stand_under_their_names(chain: Chain) -> None:
    call = replace(call_of(chain, "evaluate"), outputs={"results": "eval", "model": "model", "others": "eval"})
    shutil.copytree(chain.path("atoms/results"), chain.path("atoms/others"))
    entry = cached_results.locked_entry(call.name, {"results": "eval"}, False, chain.locked()["evaluate"])
    assert entry is not None
    outs = dict.fromkeys(("eval", "model", "eval-2"), entry.outputs["eval"])
    cached_results.write_metrics(call, replace(entry, outputs=outs))
    text = chain.path("metrics/evaluate.json").read_text()
    told = {"task": {"score": {"mean": 0.5}}}
    assert text == json.dumps({"others": told, "results": told}, indent=2) + "\n"


def test_what_the_remote_has_is_found_and_brought(chain: Chain) -> None:
    call, locked = call_of(chain, "train"), chain.locked()["train"]
    with_remote(chain)
    shutil.rmtree(chain.path(".dvc/cache"))
    remote = Remote(Project(chain.folder))
    world = World(call.place)
    assert cached_results.find_result(call, locked, world) is None
    assert cached_results.find_remote(call, {}, world, remote, lambda: True) is None
    found = cached_results.find_remote(call, locked, world, remote, lambda: False)
    assert found is not None
    store = Project(chain.folder).store
    assert store.path(found.entry.outputs["model"].md5).exists()  # which tells that it is there
    assert not store.has(found.entry.outputs["model"].md5)
    assert cached_results.restore_known(call, locked) is None
    for path in ("atoms/model", "logs/train"):
        remove(chain.path(path))
    assert cached_results.restore_known(call, locked, remote) == found
    assert chain.path("atoms/model/data/part.txt").exists()
    chain.edit("chain.py", "time.sleep(config.pause)", "time.sleep(config.pause + 0)")
    assert cached_results.find_remote(call, locked, World(call.place), remote, lambda: True) is None


def test_a_result_that_nothing_here_names_is_asked_for_where_it_would_be_paid_for(chain: Chain) -> None:
    from dvc.repo import Repo

    call = call_of(chain, "train")
    with_remote(chain)
    repo = Repo(str(chain.folder))
    repo.push(run_cache=True)
    repo.close()
    shutil.rmtree(chain.path(".dvc/cache"))
    remote, world = Remote(Project(chain.folder)), World(call.place)
    assert cached_results.find_remote(call, {}, world, remote, lambda: False) is None
    assert cached_results.find_remote(call, {}, world, remote, lambda: True) is not None
    assert cached_results.find_remote(call, {}, world, remote, lambda: False) is not None


def test_bringing_says_where_the_remote_cannot_be_asked_and_refuses_to_pay(
    chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    call, locked = call_of(chain, "train"), chain.locked()["train"]
    with_remote(chain, push=False)
    remove(chain.object("atoms/model", "data/part.txt"))
    remove(chain.object("runs/train.json"))
    remove(chain.path("runs/train.json"))
    remote = Remote(Project(chain.folder))
    assert cached_results.restore_known(call, locked, remote) is None
    assert "cannot be reached" in capsys.readouterr().err
    with pytest.raises(RemoteError, match=r"paid for again \(train\)"):
        cached_results.restore_known(call, locked, remote, lambda: True)


@pytest.mark.parametrize(
    ("reads", "before", "after", "wakes"),
    [
        ("config.seed", "seed: int = 0", "seed: int = 7", False),  # params.yaml says what it is
        ("Config.seed", "seed: int = 0", "seed: int = 7", True),
        ("type(config).seed", "seed: int = 0", "seed: int = 7", True),
        ("config.KIND", "KIND: ClassVar[int] = 1", "KIND: ClassVar[int] = 2", True),
    ],
)
def test_a_default_of_a_config_counts_where_it_is_read_and_not_where_params_say_the_value(
    project: Path, reads: str, before: str, after: str, wakes: bool
) -> None:
    chain = Chain.lay(project)
    chain.edit("chain.py", "from dataclasses", "from typing import ClassVar\nfrom dataclasses")
    chain.edit("chain.py", "    seed: int = 0", "    seed: int = 0\n    KIND: ClassVar[int] = 1")
    chain.edit("chain.py", "def make(name, kind, config,", "def make(name, kind, config: Config,")
    chain.edit("chain.py", "{name} {config.seed}", f"{{name}} {{{reads}}}")
    chain.set(seed=0)
    assert chain.run().statuses == ["finished"] * 3
    chain.edit("chain.py", before, after)
    assert chain.run().statuses == (["finished"] * 3 if wakes else ["restored"] * 3)
