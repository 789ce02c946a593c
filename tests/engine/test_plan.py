"""Plans: what becomes of each stage, and the words that say why; nothing is executed here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chain import NAMES, OUTPUTS, Chain, forget_modules, remove, spoil

from motools.atom import records
from motools.atom.records import Record
from motools.base import yaml12
from motools.code.trace import Trace
from motools.engine.options import RunOptions
from motools.engine.plan import NEVER, StagePlan
from motools.engine.prepared import prepare_folder
from motools.engine.run import plan
from motools.errors import WorkflowError
from motools.execution import cached_results
from motools.execution.cached_results import Result
from motools.repo.hashing import Out
from motools.repo.project import Project
from motools.repo.step_cache import CachedResult


@pytest.fixture(scope="session")
def planned(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the chain has run; copied by each test."""
    chain = Chain.lay(Path(shutil.copytree(template, tmp_path_factory.mktemp("planned") / "project", symlinks=True)))
    assert chain.run().statuses == ["finished"] * 3
    return chain.folder


@pytest.fixture
def chain(planned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = Chain(Path(shutil.copytree(planned, tmp_path / "project", symlinks=True)))
    monkeypatch.chdir(chain.folder)
    monkeypatch.setattr(records, "_read", {})  # as in a new process
    monkeypatch.setattr(cached_results, "_traces", {})
    return chain


def plans(chain: Chain, **how: Any) -> dict[str, StagePlan]:
    forget_modules(chain.folder)
    found = {each.stage: each for each in plan(prepare_folder(chain.folder), RunOptions(**how))}
    assert list(found) == NAMES
    return found


def told(chain: Chain, **how: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Action and reasons of each stage."""
    return [(each.action, each.reasons) for each in plans(chain, **how).values()]


CURRENT: tuple[str, tuple[str, ...]] = ("current", ())
MAYBE: tuple[str, tuple[str, ...]] = ("maybe", ())


def edit_lock(chain: Chain, change: Callable[[dict[str, Any]], Any]) -> None:
    stages = chain.locked()
    change(stages)
    chain.path("dvc.lock").write_text(yaml12.dumps({"schema": "2.0", "stages": stages}))


def named(entries: list[dict[str, Any]], path: str) -> dict[str, Any]:
    return next(each for each in entries if each["path"] == path)


def test_where_nothing_changed_all_is_current_and_its_atoms_are_known(chain: Chain) -> None:
    found = plans(chain)
    assert told(chain) == [CURRENT] * 3
    for name, output, kind in zip(NAMES, OUTPUTS, ["dataset", "model", "eval"], strict=True):
        md5 = chain.oid(f"atoms/{output}").removesuffix(".dir")
        assert found[name].outputs == {output: f"{kind}-{md5}"}
        result, call = found[name].result, found[name].call
        assert result is not None
        assert call is not None
        assert result.record.key == call.key
        assert (found[name].in_place, found[name].size) == (False, 0)


def test_what_has_not_run_runs_and_what_follows_it(chain: Chain) -> None:
    chain.path("dvc.lock").unlink()
    shutil.rmtree(chain.path(".dvc/cache/runs"))
    found = plans(chain)
    assert told(chain) == [("run", (NEVER,))] * 3
    assert found["prepare"].call is not None
    assert found["train"].call is None


def test_a_stage_without_an_entry_is_restored_from_the_step_cache(chain: Chain) -> None:
    before = plans(chain)["train"]
    edit_lock(chain, lambda stages: stages.pop("train"))
    assert told(chain) == [CURRENT, ("restore", (NEVER,)), CURRENT]
    found = plans(chain)["train"]
    assert (found.outputs, found.in_place) == (before.outputs, False)
    assert found.result is not None


def test_force_executes_what_is_at_hand(chain: Chain) -> None:
    found = plans(chain, force=True)
    assert told(chain, force=True) == [("run", ("--force",))] * 3
    assert [each.call is not None for each in found.values()] == [True, False, False]


def test_each_value_that_changed_is_named_with_what_it_was_and_is(chain: Chain) -> None:
    chain.set("prepare", seed=1, more={"a": {"b": [1]}})
    assert told(chain) == [("run", ("prepare.seed: 0 -> 1", 'prepare.more.a: (none) -> {"b": [1]}')), MAYBE, MAYBE]
    chain.set("evaluate", fill=11)
    assert told(chain)[2] == ("maybe", ("evaluate.fill: 10 -> 11",))


def test_a_value_that_is_gone_and_one_of_another_type_are_named(chain: Chain) -> None:
    locked = {"a": 1, "b": {"c": 1}, "d": True}
    edit_lock(chain, lambda stages: stages["prepare"]["params"]["params.yaml"]["prepare"].update(more=locked))
    chain.set("prepare", more={"b": 1, "d": 1})
    assert plans(chain)["prepare"].reasons == (
        "prepare.more.a: 1 -> (none)",
        'prepare.more.b: {"c": 1} -> 1',
        "prepare.more.d: true -> 1",
    )


@pytest.mark.parametrize(("length", "shown"), [(58, '"' + "é" * 58 + '"'), (59, '"' + "é" * 56 + "...")])
def test_a_long_value_is_cut(chain: Chain, length: int, shown: str) -> None:
    chain.set("prepare", more={"text": "é" * length})
    assert plans(chain)["prepare"].reasons == (f"prepare.more.text: (none) -> {shown}",)


def test_another_command_is_a_reason(chain: Chain) -> None:
    edit_lock(chain, lambda stages: stages["prepare"].update(cmd="sleep 1"))
    found = plans(chain)["prepare"]
    assert found.reasons == ("its command changed: sleep 1 -> motools step run chain.py:workflow prepare",)
    assert (found.action, found.in_place) == ("restore", True)


def test_other_code_runs_what_executed_it(chain: Chain) -> None:
    chain.edit("chain.py", 'return make("model"', 'assert True\n    return make("model"')
    assert told(chain) == [
        ("restore", ("chain.py changed, not what it uses of it",)),
        ("run", ("chain.py: train()",)),
        MAYBE,
    ]


def test_a_file_that_changed_elsewhere_is_entered_anew_and_nothing_runs(chain: Chain) -> None:
    with chain.path("chain.py").open("a") as file:
        file.write("# a comment\n")
    found = plans(chain)
    assert told(chain) == [("restore", ("chain.py changed, not what it uses of it",))] * 3
    assert all(each.in_place for each in found.values())
    assert found["train"].outputs == {"model": f"model-{chain.oid('atoms/model').removesuffix('.dir')}"}


@pytest.mark.parametrize("md5", ["0" * 32, "f" * 32])
def test_a_file_of_which_dvc_lock_knows_other_bytes_is_named(chain: Chain, md5: str) -> None:
    edit_lock(chain, lambda stages: named(stages["train"]["deps"], "chain.py").update(md5=md5))
    assert told(chain)[1] == ("restore", ("chain.py changed, not what it uses of it",))


def test_an_input_that_changed_is_named_with_both_hashes(chain: Chain) -> None:
    md5 = chain.oid("atoms/dataset")
    edit_lock(chain, lambda stages: named(stages["train"]["deps"], "atoms/dataset").update(md5="0123456789" * 3 + "ab"))
    found = plans(chain)["train"]
    assert found.reasons == (f"its input dataset changed: 01234567 -> {md5[:8]}",)
    assert (found.action, found.in_place) == ("restore", True)


def test_a_new_input_is_named(chain: Chain) -> None:
    def forget(stages: dict[str, Any]) -> None:
        stages["evaluate"]["deps"].remove(named(stages["evaluate"]["deps"], "atoms/dataset"))

    edit_lock(chain, forget)
    assert plans(chain)["evaluate"].reasons == ("its input dataset is new", "dvc.lock does not name atoms/dataset")


def test_what_a_stage_no_longer_depends_on_is_named(chain: Chain) -> None:
    other = {"path": "other.py", "hash": "md5", "md5": "0" * 32, "size": 1}
    edit_lock(chain, lambda stages: stages["train"]["deps"].append(other))
    found = plans(chain)["train"]
    assert found.reasons == ("it no longer depends on other.py",)
    assert (found.action, found.in_place) == ("restore", True)


def test_a_file_that_dvc_does_not_know_of_yet_is_named(chain: Chain) -> None:
    def forget(stages: dict[str, Any]) -> None:
        stages["train"]["deps"].remove(named(stages["train"]["deps"], "chain.py"))

    edit_lock(chain, forget)
    assert plans(chain)["train"].reasons == ("dvc.lock does not name chain.py",)


# -- outputs -----------------------------------------------------------------------------


def test_an_output_that_is_missing_is_restored(chain: Chain) -> None:
    remove(chain.path("atoms/model"))
    assert told(chain) == [CURRENT, ("restore", ("atoms/model is missing",)), CURRENT]
    assert not plans(chain)["train"].in_place


def test_an_output_that_was_edited_is_restored(chain: Chain) -> None:
    spoil(chain.path("runs/train.json"))
    assert told(chain) == [CURRENT, ("restore", ("runs/train.json was edited by hand",)), CURRENT]
    assert not plans(chain)["train"].in_place


def test_another_result_as_git_checkout_leaves_it_is_not_told_to_be_an_edit(chain: Chain) -> None:
    others = Path(shutil.copytree(chain.path("atoms/dataset"), chain.path("others")))
    remove(chain.path("atoms/model"))
    others.rename(chain.path("atoms/model"))
    assert told(chain) == [CURRENT, ("restore", ("atoms/model holds another result",)), CURRENT]


def test_what_the_cache_has_lost_is_put_back_from_the_folder(chain: Chain) -> None:
    remove(chain.object("atoms/model"))
    assert told(chain) == [CURRENT, ("restore", ("atoms/model is not in the cache",)), CURRENT]
    assert plans(chain)["train"].in_place


def test_what_neither_the_folder_nor_the_cache_has_runs(chain: Chain) -> None:
    remove(chain.object("atoms/model"))
    remove(chain.path("runs/train.json"))
    reasons = ("atoms/model is not in the cache", "runs/train.json is missing")
    assert told(chain) == [CURRENT, ("run", reasons), MAYBE]


def test_an_output_that_dvc_lock_does_not_name_is_told(chain: Chain) -> None:
    edit_lock(
        chain,
        lambda stages: stages["evaluate"]["outs"].remove(named(stages["evaluate"]["outs"], "metrics/evaluate.json")),
    )
    assert told(chain)[2] == ("restore", ("metrics/evaluate.json is not in dvc.lock",))


def test_a_reason_is_told_once(chain: Chain) -> None:
    remove(chain.path("runs/train.json"))
    remove(chain.object("runs/train.json"))
    assert plans(chain)["train"].reasons == ("runs/train.json is missing",)


# -- another key -------------------------------------------------------------------------


def test_another_function_is_told(chain: Chain) -> None:
    chain.edit("chain.py", "Config, train)", "Config, evaluate)")
    assert told(chain)[1] == ("run", ("its function, or a value that it was made with, is another one",))


def test_a_version_that_its_key_has_is_told(chain: Chain) -> None:
    from importlib.metadata import version

    chain.edit("chain.py", "Config, train)", 'Config, train, packages=("pytest",))')
    assert told(chain)[1] == ("run", (f"package pytest: (none) -> {version('pytest')}",))


def test_other_kinds_are_told(chain: Chain) -> None:
    chain.edit("chain.py", '{"model": "model"}, Config', '{"model": "prompt"}, Config')
    chain.edit("chain.py", '{"model": "model", "dataset"', '{"model": "prompt", "dataset"')
    assert told(chain)[1] == ("run", ("its outputs or inputs are of other kinds",))


def test_a_run_whose_record_says_nothing_is_told(chain: Chain) -> None:
    chain.path("runs/train.json").write_text("{}")
    out = Project(chain.folder).store.add(chain.path("runs/train.json"))
    edit_lock(chain, lambda stages: named(stages["train"]["outs"], "runs/train.json").update(md5=out.md5, size=2))
    shutil.rmtree(chain.path(".dvc/cache/runs"))
    assert told(chain)[1] == ("run", ("its last run left no trace here",))


@pytest.mark.parametrize("trace", ['{"code": 1}', '{"what": "else"}', "[]"])
def test_a_run_whose_trace_cannot_be_read_is_told_as_that(chain: Chain, trace: str) -> None:
    record = json.loads(chain.path("runs/train.json").read_text()) | {"trace": json.loads(trace)}
    chain.path("runs/train.json").write_text(json.dumps(record))
    out = Project(chain.folder).store.add(chain.path("runs/train.json"))
    entry = {"md5": out.md5, "size": out.size}
    edit_lock(chain, lambda stages: named(stages["train"]["outs"], "runs/train.json").update(entry))
    shutil.rmtree(chain.path(".dvc/cache/runs"))
    assert told(chain)[1] == ("run", ("its last run left no trace here",))


# -- frozen stages -----------------------------------------------------------------------


def freeze(chain: Chain) -> None:
    stages = yaml12.load(chain.path("dvc.yaml"))
    stages["stages"]["train"]["frozen"] = True
    chain.path("dvc.yaml").write_text(yaml12.dumps(stages))


def test_a_frozen_stage_stays_as_it_is(chain: Chain) -> None:
    before = plans(chain)
    freeze(chain)
    remove(chain.object("atoms/model"))
    chain.set("train", seed=9)
    found = plans(chain)
    assert told(chain)[:2] == [CURRENT] * 2
    assert found["train"].outputs == before["train"].outputs
    assert found["train"].call is None


def test_a_frozen_stage_that_has_lost_its_output_is_refused(chain: Chain) -> None:
    freeze(chain)
    remove(chain.path("atoms/model"))
    with pytest.raises(WorkflowError, match=r"train is frozen in dvc\.yaml, but atoms/model is missing"):
        plans(chain)


def test_a_frozen_stage_that_never_ran_is_refused(chain: Chain) -> None:
    freeze(chain)
    edit_lock(chain, lambda stages: stages.pop("train"))
    with pytest.raises(WorkflowError, match=r"but it has no result\. `dvc checkout` brings .* `dvc unfreeze train`"):
        plans(chain)


# -- the remote --------------------------------------------------------------------------


def test_what_only_the_remote_has_is_fetched_and_its_size_is_told(chain: Chain) -> None:
    from dvc.repo import Repo

    store = chain.folder.parent / "store"
    chain.path(".dvc/config").write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n")
    repo = Repo(str(chain.folder))
    repo.push()
    repo.close()
    record = chain.locked()["train"]["outs"]
    before = plans(chain)["train"]
    for path in [chain.path("atoms/model"), chain.object("atoms/model", "atom.json"), chain.object("atoms/model")]:
        remove(path)
    found = plans(chain)["train"]
    assert (found.action, found.reasons) == ("fetch", ("atoms/model is missing",))
    assert found.size == named(record, "atoms/model")["size"]
    assert found.outputs == before.outputs
    assert found.as_dict() == {
        "stage": "train", "action": "fetch", "reasons": ["atoms/model is missing"], "bytes": found.size
    }  # fmt: skip
    assert told(chain, without_remote=True)[1][0] == "run"


def test_a_plan_as_json_says_what_could_not_be_seen() -> None:
    record = Record("ada", "now", 1.0, None, False)
    result = Result(CachedResult({}, Out("0" * 32, 1)), record, Trace(unseen=["a process"]))
    plan = StagePlan("train", "restore", ("why",), result=result, size=3)
    assert plan.as_dict() == {"stage": "train", "action": "restore", "reasons": ["why"], "unseen": ["a process"]}
    assert StagePlan("train", "run").as_dict() == {"stage": "train", "action": "run", "reasons": []}
    json.dumps(plan.as_dict())
