"""The proof that nothing has changed: all that decides is in it, and there is none where something is not as it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chain import Chain, forget_modules

from motools.code.trace import Code, Trace
from motools.engine import snapshot
from motools.engine.options import RunOptions
from motools.engine.prepared import prepare_folder
from motools.engine.proof import _is_young, looked_at, remember_if_current
from motools.engine.reporter import Silent
from motools.engine.stages import Stages, open_stages
from motools.engine.state import StepState
from motools.observe import Events, Source, observer
from motools.repo.project import Project

LOADED = """
HERE = Path(__file__).parent
LOADED = (HERE / "loaded.txt").read_text(), os.listdir(HERE / "listed"), os.environ.get("AT_LOADING")
ABSENT = [name for name in ("never.txt", "nowhere") if (HERE / name).exists()]
try:
    ABSENT.append((HERE / "unread.txt").read_text())
except FileNotFoundError:
    pass


"""
USED = """\
    Path("words.txt").read_text(), os.path.exists("absent.txt"), os.listdir("names"), os.environ.get("IN_A_STEP")
    return make("results" """


@pytest.fixture(scope="module")
def ran(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    chain = Chain.lay(Path(shutil.copytree(template, tmp_path_factory.mktemp("ran") / "project", symlinks=True)))
    chain.edit("chain.py", "LOG = ", f"{LOADED}LOG = ")
    chain.edit("chain.py", '    return make("results"', USED.rstrip())
    for name in ("listed", "names", "whole/sub"):
        chain.path(name).mkdir(parents=True)
    for name in ("loaded.txt", "words.txt", "listed/a", "names/b", "whole/sub/part.txt"):
        chain.path(name).write_text(name)
    chain.set("evaluate", more={"folder": "whole"})
    time.sleep(0.1)  # younger configuration is not taken for what a process has read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observer(), "loading", Events())  # as in a new process
        assert chain.run().code == 0
    return chain.folder


@pytest.fixture
def chain(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = Chain(Path(shutil.copytree(ran, tmp_path / "project", symlinks=True)))
    monkeypatch.chdir(chain.folder)
    time.sleep(0.06)
    monkeypatch.setattr(snapshot, "STARTED", time.time_ns())
    monkeypatch.setattr(observer(), "loading", Events())
    return chain


def proof_of(folder: Path) -> snapshot.Snapshot:
    return snapshot.Snapshot(**json.loads(snapshot._file(folder, folder).read_text()))


def inside(folder: Path, paths: Any) -> set[str]:
    return {str(Path(path).relative_to(folder)) for path in paths if Path(path).is_relative_to(folder)}


def test_all_that_decides_is_in_the_proof(ran: Path) -> None:
    proof = proof_of(ran)
    chain = Chain(ran)
    made = {
        "atoms/dataset", "atoms/model", "atoms/results", "atoms/dataset/data", "atoms/model/data", "atoms/results/data",
        "atoms/dataset/data/sub", "atoms/model/data/sub", "atoms/results/data/sub",
    }  # fmt: skip
    assert inside(ran, proof.young_folders) >= made | {".", "listed", "names", "whole", "whole/sub"}
    outs = {str(path.relative_to(ran)) for path in (ran / "atoms").rglob("*.*") if path.name != ".gitignore"}
    outs |= {f"runs/{name}.json" for name in ("prepare", "train", "evaluate")} | {"metrics/evaluate.json"}
    assert outs <= inside(ran, [*proof.young_files, *proof.paths])
    told = {
        "params.yaml", "dvc.yaml", "dvc.lock", "chain.py", "loaded.txt", "words.txt", "whole/sub/part.txt",
        ".dvc/config", ".dvcignore",
    }  # fmt: skip
    assert told <= inside(ran, [*proof.young_files, *proof.paths])
    for path, md5 in proof.young_files.items():
        assert hashlib.md5(Path(path).read_bytes()).hexdigest() == md5
    assert {"absent.txt", "never.txt", "nowhere", "unread.txt"} <= inside(ran, proof.paths)
    assert pytest.__file__ in [*proof.young_files, *proof.paths], "it was loaded, and may be updated"
    assert {"AT_LOADING", "IN_A_STEP"} <= {*proof.env}
    assert [(each["stage"], each["status"], each["seconds"]) for each in proof.stages] == [
        (name, "current", 0.0) for name in ("prepare", "train", "evaluate")
    ]
    store = Project(ran).store
    oids = {
        o["md5"] for stage in chain.locked().values() for o in stage["outs"] if o["path"] != "metrics/evaluate.json"
    }
    assert {*proof.objects} == oids | {md5 for oid in oids if oid.endswith(".dir") for md5 in store.tree(oid).values()}


# -- where there is none -------------------------------------------------------------------


@contextlib.contextmanager
def opened(chain: Chain) -> Iterator[tuple[Any, Stages]]:
    forget_modules(chain.folder)
    made = prepare_folder(chain.folder)
    with open_stages(made, RunOptions(), Silent()) as stages, stages.at_home():
        yield made, stages


def remembered(chain: Chain, before: Callable[[], Any] = lambda: None, **statuses: Any) -> bool:
    """Whether a proof is left, where something happens before."""
    with opened(chain) as (made, stages):
        plans = stages.plan()
        state = stages.state
        told = {p.stage: StepState(p.stage, statuses.get(p.stage, "current"), dict(p.outputs)) for p in plans.values()}
        before()
        remember_if_current(made, state.outputs, told, state.traces.values(), state.digest)
    return snapshot._file(chain.folder, chain.folder).exists()


@pytest.fixture
def unproven(chain: Chain) -> Chain:
    shutil.rmtree(chain.path(".motools/unchanged"))
    return chain


@pytest.mark.parametrize("status", ["current", "restored", "finished"])
def test_where_all_stages_are_current_now_there_is_a_proof(unproven: Chain, status: str) -> None:
    assert remembered(unproven, train=status)
    assert {stage["status"] for stage in proof_of(unproven.folder).stages} == {"current"}
    assert snapshot.unchanged(unproven.folder) is not None


@pytest.mark.parametrize("status", ["failed", "skipped", "not selected", "out of date"])
def test_where_one_is_not_there_is_none(unproven: Chain, status: str) -> None:
    assert not remembered(unproven, train=status)


CHANGES: dict[str, Callable[[Chain], Any]] = {
    "params.yaml": lambda c: c.set("train", seed=1),
    "dvc.yaml": lambda c: c.path("dvc.yaml").write_text(c.path("dvc.yaml").read_text() + "# x\n"),
    "what a step has read": lambda c: c.path("words.txt").write_text("other"),
    "what a step has looked for": lambda c: c.path("absent.txt").write_text(""),
    "what a step has listed": lambda c: c.path("names/c").write_text(""),
    "code": lambda c: c.edit("chain.py", " of {read}", ""),
    "what the workflow has looked for": lambda c: c.path("never.txt").write_text(""),
    "what the workflow would have read": lambda c: c.path("unread.txt").write_text(""),
    "what the workflow has listed": lambda c: c.path("listed/b").write_text(""),
    "a variable that a step has asked for": lambda c: os.environ.update(IN_A_STEP="x"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_where_something_has_changed_meanwhile_there_is_none(
    unproven: Chain, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    assert not remembered(unproven, lambda: CHANGES[what](unproven))


LOADING: dict[str, Callable[[Events, Chain], Any]] = {
    "a folder that had other names": lambda e, c: e.folders.update({str(c.path("names")): "0" * 32}),
    "a file that was there": lambda e, c: e.exists.update({str(c.path("gone.txt")): "file"}),
    "a file that was not": lambda e, c: e.files.update({str(c.path("words.txt")): None}),
}


@pytest.mark.parametrize("what", LOADING)
def test_where_it_is_another_world_than_the_workflow_was_loaded_in_there_is_none(unproven: Chain, what: str) -> None:
    """Also where no statement that counts has asked for it, so that it stands in no trace."""
    assert not remembered(unproven, lambda: LOADING[what](observer().loading, unproven))


def test_what_the_workflow_has_read_is_proven_as_it_was_read(unproven: Chain) -> None:
    remembered(unproven, lambda: unproven.path("loaded.txt").write_text("other"))
    assert snapshot.unchanged(unproven.folder) is None


def test_a_folder_that_was_used_as_a_whole_may_be_old_and_is_looked_into_where_it_is_not(unproven: Chain) -> None:
    remembered(unproven, lambda: unproven.path("whole/sub/part.txt").write_text("other"))
    assert snapshot.unchanged(unproven.folder) is None


# -- what is looked at ---------------------------------------------------------------------


def test_what_traces_rest_on_is_looked_at(chain: Chain) -> None:
    with opened(chain) as (made, _):
        place = made.place
        none, _, _ = looked_at([], place)
        chain.path("sized/inside").mkdir(parents=True)
        chain.path("sized/rows.txt").write_text("rows")
        trace = Trace(
            code={"chain.py": Code("chain", False, "1" * 32), "pkg/gone.py": Code("pkg.gone", False, "2" * 32)},
            files={"words.txt": "3" * 32, "gone.txt": "4" * 32, "unborn.txt": None, "whole": "5" * 32 + ".dir"},
            exists={"loaded.txt": "file", "absent.txt": None, "names": "dir"},
            folders={"listed": "6", "sized": "7+"},
            paths=["whole/sub"],
            env={"A": None},
        )
        files, folders, env = looked_at(
            [trace, replace(trace, env={"B": "x", "the entry points of pytest": "8"})], place
        )
    (points,) = Path(pytest.__file__).parent.parent.glob("pytest-*.dist-info/entry_points.txt")
    assert str(points) in files
    del files[str(points)]
    here = {str(Path(path).relative_to(chain.folder)): md5 for path, md5 in files.items() if path not in none}
    young = hashlib.md5(b"whole/sub/part.txt").hexdigest()
    assert here == {
        "words.txt": "3" * 32, "gone.txt": None, "unborn.txt": None, "absent.txt": None, "pkg/gone.py": None,
        "whole/sub/part.txt": young, "sized/rows.txt": hashlib.md5(b"rows").hexdigest(),
    }  # fmt: skip
    assert files[str(chain.path("chain.py"))] == "1" * 32
    assert files[str(chain.path("loaded.txt"))] == hashlib.md5(b"loaded.txt").hexdigest()
    mine = {
        str(Path(path).relative_to(chain.folder)): names for path, names in folders.items() if str(chain.folder) in path
    }
    assert mine["whole"] == ["sub"]
    assert (mine["whole/sub"], mine["listed"], mine["names"]) == (["part.txt"], ["a"], ["b"])
    assert "pkg" not in mine, "it is not there"
    assert {"A", "B", "AT_LOADING"} <= env


def test_what_the_loading_of_other_code_rests_on_is_looked_at_too(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of which no block counts, and what was looked for in vain where no statement of a trace did it."""
    chain.path("lib").mkdir()
    chain.path("lib", "loaded.py").write_text("N = 1\n")
    with opened(chain) as (made, _):
        source = Source(chain.path("lib", "loaded.py").read_bytes(), "loaded", False)
        monkeypatch.setitem(observer().sources, str(chain.path("lib", "loaded.py")), source)
        monkeypatch.setitem(observer().loading.files, str(chain.path("lost.txt")), None)
        monkeypatch.setitem(observer().loading.files, str(chain.path("words.txt")), "1" * 32)
        files, folders, _ = looked_at([], made.place)
    assert files[str(chain.path("lib", "loaded.py"))] == hashlib.md5(b"N = 1\n").hexdigest()
    assert folders[str(chain.path("lib"))] == ["loaded.py"]
    assert files[str(chain.path("lost.txt"))] is None
    assert files[str(chain.path("words.txt"))] == "1" * 32, "as it was read"


def test_what_lies_behind_a_link_in_a_folder_may_be_young_too(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "is_young", lambda path: path.endswith("/young.txt"))
    chain.path("behind").mkdir()
    chain.path("whole", "link").symlink_to(chain.path("behind"))
    assert not _is_young(str(chain.path("whole")))
    chain.path("behind", "young.txt").write_text("")
    assert _is_young(str(chain.path("whole")))
    with opened(chain) as (made, _):
        files, folders, _ = looked_at([Trace(files={"whole": f"{'5' * 32}.dir"})], made.place)
    assert str(chain.path("whole", "link", "young.txt")) in files
    assert folders[str(chain.path("whole", "link"))] == ["young.txt"]


def test_a_folder_in_the_place_of_a_file_that_was_looked_for_in_vain_was_not_used(chain: Chain) -> None:
    chain.path("unborn").mkdir()
    chain.path("unborn", "inside.txt").write_text("")
    with opened(chain) as (made, _):
        files, _, _ = looked_at([Trace(files={"unborn": None})], made.place)
    assert str(chain.path("unborn", "inside.txt")) not in files
