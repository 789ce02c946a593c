"""A run within this process: what it refuses, what it tells, keeps and leaves for the next one; and estimates."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import zc.lockfile
from chain import Chain, forget_modules, remove
from openai_server import OpenAIServer

from motools.atom import records
from motools.atom.costs import Estimate
from motools.base import yaml12
from motools.code.search_path import pipeline_folder
from motools.engine import run as run_module
from motools.engine import snapshot
from motools.engine.options import RunOptions
from motools.engine.pipeline import Pipeline
from motools.engine.plan import StagePlan
from motools.engine.prepared import Prepared, prepare_folder
from motools.engine.reporter import Silent
from motools.engine.run import estimates, execute, paid_stages, plan, run_in_folder
from motools.engine.stages import open_stages
from motools.engine.state import WorkflowState
from motools.errors import MotoolsError, RunFailed, UserError
from motools.execution import cached_results
from motools.repo import step_cache
from motools.repo.hashing import hash_file
from motools.repo.project import Project


@pytest.fixture(scope="session")
def ran(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    chain = Chain.lay(Path(shutil.copytree(template, tmp_path_factory.mktemp("ran") / "project", symlinks=True)))
    with prepared(chain) as made:
        (state,) = execute([Pipeline(made.place, lambda: made)], RunOptions())
    assert [each.status for each in state.step_states] == ["finished"] * 3
    return chain.folder


@pytest.fixture
def chain(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = Chain(Path(shutil.copytree(ran, tmp_path / "project", symlinks=True)))
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
def prepared(chain: Chain) -> Iterator[Prepared]:
    forget_modules(chain.folder)
    made = prepare_folder(chain.folder)
    with made.place.importable():
        yield made


def run(chain: Chain, reporter: Heard | None = None, **how: Any) -> WorkflowState:
    with prepared(chain) as made:
        (state,) = execute([Pipeline(made.place, lambda: made)], RunOptions(**how), reporter)
    return state


def statuses(state: WorkflowState) -> dict[str, str]:
    return {each.step_name: each.status for each in state.step_states}


def test_all_stages_are_told_of_in_the_order_of_the_workflow(chain: Chain) -> None:
    chain.set("train", seed=1)
    state = run(chain, stages="train")
    assert list(statuses(state).items()) == [
        ("prepare", "not selected"), ("train", "finished"), ("evaluate", "out of date")
    ]  # fmt: skip
    assert state.step("train").log == chain.path(".motools/logs/train.log")
    assert statuses(run(chain)) == {"prepare": "current", "train": "current", "evaluate": "finished"}


def test_what_dvc_lock_names_is_kept_before_it_names_something_else(chain: Chain) -> None:
    shutil.rmtree(chain.path(".dvc/cache/runs"))  # as after `dvc pull`
    chain.set("train", seed=1)
    assert statuses(run(chain))["train"] == "finished"
    chain.set("train", seed=0)
    assert set(statuses(run(chain)).values()) == {"current", "restored"}
    assert len(list(step_cache.every(Project(chain.folder).store))) == 5


def test_before_anything_changes_the_proof_that_nothing_has_is_gone(chain: Chain) -> None:
    proof = snapshot._file(chain.folder, chain.folder)
    proof.parent.mkdir(parents=True, exist_ok=True)
    proof.write_text("of a run before")
    with prepared(chain) as made:
        assert {each.action for each in plan(made)} == {"current"}
        assert proof.exists(), "a plan changes nothing"
    run(chain, stages="prepare")
    assert not proof.exists()


def test_what_killed_runs_have_left_is_removed_by_the_next_one(chain: Chain) -> None:
    left = chain.path(".motools", "work", "key")
    left.mkdir(parents=True)
    with prepared(chain) as made:
        plan(made)
    assert left.exists(), "a plan changes nothing"
    run(chain, stages="prepare")
    assert not left.exists()


def refusing(chain: Chain, how: str) -> None:
    """Have the second step refuse its config, in its `check` or its `rehearse`."""
    function = "def refuse(config):\n    from motools.errors import UserError\n    raise UserError('seeds are odd')"
    chain.edit("chain.py", "workflow = ", f"{function}\n\n\nworkflow = ")
    chain.edit("chain.py", "Config, train", f"Config, train, {how}=refuse")
    chain.set("train", seed=1)


@pytest.mark.parametrize("how", ["check", "rehearse"])
def test_a_config_that_is_refused_leaves_the_pipelines_files_as_they_are(chain: Chain, how: str) -> None:
    refusing(chain, how)
    chain.path("dvc.yaml").unlink()
    with pytest.raises(UserError, match="seeds are odd"):
        run(chain)
    assert not chain.path("dvc.yaml").exists()


class Holding(Heard):
    """Takes DVC's lock when the last step has finished, as another command would, until it is waited for."""

    def __init__(self, lock: Path) -> None:
        super().__init__()
        self._path = lock

    def finished(self, stage: str, seconds: float) -> None:
        if stage == "evaluate":
            self._held = zc.lockfile.LockFile(str(self._path))

    def note(self, text: str) -> None:
        super().note(text)
        self._held.close()


def test_what_has_finished_is_in_dvc_lock_when_a_run_ends_whoever_is_at_work_on_it_then(chain: Chain) -> None:
    chain.set("evaluate", seed=1)
    heard = Holding(chain.path(".dvc/tmp/lock"))
    before = chain.locked()["evaluate"]
    assert statuses(run(chain, heard))["evaluate"] == "finished"
    (note,) = heard.notes
    assert note.startswith("waiting for another DVC command to end")
    assert chain.locked()["evaluate"] != before
    assert chain.dvc_status() == {}


def test_what_a_person_wrote_into_a_generated_file_is_kept_and_told_of(chain: Chain) -> None:
    with chain.path("dvc.yaml").open("a") as file:
        file.write("# mine\n")
    heard = Heard()
    run(chain, heard)
    (note,) = heard.notes
    (kept,) = chain.path(".motools/replaced").iterdir()
    assert note == f"{chain.path('dvc.yaml')} said something else, which is kept as {kept}."
    assert kept.read_text().endswith("# mine\n")


def test_the_output_of_a_step_makes_way_for_those_of_its_instances(chain: Chain) -> None:
    params = yaml12.load(chain.path("params.yaml"))
    chain.path("params.yaml").write_text(yaml12.dumps({**params, "sweep": {"train.seed": [0, 1]}}))
    found = statuses(run(chain))
    assert (found["prepare"], found["train@seed=0"], found["train@seed=1"]) == ("current", "restored", "finished")
    assert sorted(path.name for path in chain.path("atoms/model").iterdir() if path.is_dir()) == ["seed=0", "seed=1"]
    assert not chain.path("atoms/model/atom.json").exists()
    chain.path("params.yaml").write_text(yaml12.dumps(params))
    run(chain, stages="prepare")
    assert not chain.path("atoms/model").exists(), "nor an empty folder in its place"


def test_what_a_person_has_put_where_a_result_will_lie_is_kept_but_a_metric_which_git_has(chain: Chain) -> None:
    chain.path("atoms/results/data/part.txt").write_text("mine")
    chain.path("metrics/evaluate.json").write_text("{}")
    chain.set("evaluate", seed=1)
    heard = Heard()
    run(chain, heard)
    (kept,) = chain.path(".motools/replaced").iterdir()
    assert heard.notes == [f"{chain.path('atoms/results')} was not made by evaluate, and is kept as {kept}."]
    assert (kept / "data" / "part.txt").read_text() == "mine"


def test_of_a_result_that_still_holds_dvc_is_told_what_its_code_is_now(chain: Chain) -> None:
    chain.edit("chain.py", "def make(", "# said\ndef make(")
    assert set(statuses(run(chain)).values()) <= {"current", "restored"}
    told = {dep["md5"] for stage in chain.locked().values() for dep in stage["deps"] if dep["path"] == "chain.py"}
    assert told == {hash_file(chain.path("chain.py"))}


def test_what_the_system_refuses_is_one_sentence(chain: Chain) -> None:
    (chain.path(".gitignore")).unlink()
    (chain.path(".gitignore")).mkdir()
    remove(chain.path("atoms/.gitignore"))
    (chain.path("atoms/.gitignore")).mkdir()
    said = r"^Is a directory: .*\.gitignore\. What has finished is kept; `motools run` goes on from there\.$"
    with pytest.raises(MotoolsError, match=said):
        run(chain)


def test_a_run_that_failed_says_which_steps_why_and_where_their_logs_are(chain: Chain) -> None:
    chain.edit("chain.py", 'return make("model"', 'raise ValueError("no")\n    return make("model"')
    with prepared(chain) as made, pytest.raises(RunFailed) as error:
        run_in_folder(made.compiled.workflow, chain.folder, None, {}, RunOptions())
    log = chain.path(".motools/logs/train.log")
    assert str(error.value) == f"1 of 3 steps failed. train: The step 'train' failed: ValueError: no (log: {log})"
    state = error.value.state
    assert isinstance(state, WorkflowState)
    assert statuses(state) == {"prepare": "restored", "train": "failed", "evaluate": "skipped"}


def test_a_script_that_runs_its_workflow_gets_the_state(chain: Chain) -> None:
    with prepared(chain) as made:
        state = run_in_folder(made.compiled.workflow, chain.folder, {"train": {"seed": 3}}, {}, RunOptions())
    assert statuses(state) == {"prepare": "current", "train": "finished", "evaluate": "finished"}
    assert "seed: 3" in chain.path("params.yaml").read_text()


class Expecting(Heard):
    """Keeps which stages are expected, and what is said of how long they took."""

    expected: dict[str, float | None]

    def expects(self, stages: Sequence[str], before: Callable[[str], float | None]) -> None:
        self.expected = {stage: before(stage) for stage in stages}

    def started(self, stage: str, reasons: tuple[str, ...], log: Path) -> None:
        self.notes.append(f"{stage} starts")


def test_a_run_tells_beforehand_which_stages_it_is_about_and_how_long_they_took(chain: Chain) -> None:
    chain.set("train", seed=1)
    seconds = json.loads(chain.path("runs/train.json").read_text())["seconds"]
    for text in ("{}", '{"seconds": null}', "{", "[]"):
        remove(chain.path("runs/evaluate.json"))
        chain.path("runs/evaluate.json").write_text(text)
        heard = Expecting()
        with prepared(chain) as made, open_stages(made, RunOptions(), heard) as stages, stages.at_home():
            run_module._tell_expected({stages: stages.plan()}, heard)
        assert heard.expected == {"train": seconds, "evaluate": None}
    remove(chain.path("runs/evaluate.json"))
    run(chain, heard)
    assert heard.expected == {"train": seconds, "evaluate": None}
    run(chain, heard)
    assert heard.expected == {}


def test_of_several_pipelines_each_stage_is_told_with_its_folder_and_each_gets_its_state(chain: Chain) -> None:
    pipelines = []
    for name, seed in (("a", 1), ("b", 2)):
        folder = chain.path("experiments", name)
        folder.mkdir(parents=True)
        (folder / "params.yaml").write_text(
            yaml12.dumps({"workflow": "../../chain.py:workflow", "train": {"seed": seed}})
        )
        forget_modules(chain.folder)
        pipelines.append(Pipeline(pipeline_folder(folder), lambda folder=folder: prepare_folder(folder)))  # type: ignore[misc]
    heard = Expecting()
    states = execute(pipelines, RunOptions(), heard)
    assert [list(statuses(state)) for state in states] == [["prepare", "train", "evaluate"]] * 2
    assert [statuses(state)["prepare"] for state in states] == ["restored"] * 2
    stages = [f"experiments/{name}: {stage}" for name in "ab" for stage in ("prepare", "train", "evaluate")]
    assert list(heard.expected) == stages
    assert {f"{each} starts" for each in stages if "prepare" not in each} == {*heard.notes}
    for name, seed in (("a", 1), ("b", 2)):
        assert f"model {seed} " in chain.path("experiments", name, "atoms/model/data/part.txt").read_text()
    assert execute(pipelines, RunOptions(stages="train"), heard)[0].step("evaluate").status == "not selected"


def test_what_costs_money_is_told_apart_from_what_waits_for_none_of_it(chain: Chain) -> None:
    chain.edit("chain.py", "Config, train)", "Config, train, paid=True)")
    with prepared(chain) as made:
        assert paid_stages([made], RunOptions()) == [([], ["prepare", "train", "evaluate"])]
    chain.set("train", seed=1)
    with prepared(chain) as made:
        assert paid_stages([made], RunOptions()) == [(["train"], ["prepare"])]
        assert paid_stages([made], RunOptions("prepare,evaluate")) == [([], ["prepare", "evaluate"])]
    chain.set("prepare", seed=1)
    with prepared(chain) as made:
        assert paid_stages([made], RunOptions()) == [(["train"], ["prepare"])]


# -- plans -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["check", "rehearse"])
def test_a_plan_refuses_what_a_run_would_only_where_it_is_asked_to(chain: Chain, how: str) -> None:
    refusing(chain, how)
    with prepared(chain) as made:
        assert [each.action for each in plan(made)] == ["restore", "run", "maybe"]
        with pytest.raises(UserError, match="seeds are odd"):
            plan(made, check=True)


def test_a_plan_tells_of_models_that_go_off_be_they_asked_or_not(chain: Chain) -> None:
    chain.set("evaluate", more={"model": "openai/gpt-3.5-turbo"})
    assert statuses(run(chain))["evaluate"] == "finished"
    heard = Heard()
    with prepared(chain) as made:
        assert {each.action for each in plan(made, reporter=heard)} == {"current"}
    (note,) = heard.notes
    assert note.startswith("evaluate: openai/gpt-3.5-turbo went off on ")


def test_a_run_warns_of_models_of_the_steps_that_will_run(chain: Chain) -> None:
    chain.set("evaluate", more={"model": "openai/gpt-3.5-turbo"})
    heard = Heard()
    assert statuses(run(chain, heard))["evaluate"] == "finished"
    (note,) = heard.notes
    assert note.startswith("evaluate: openai/gpt-3.5-turbo went off on ")
    heard = Heard()
    run(chain, heard)
    assert heard.notes == []


def test_the_list_of_models_is_asked_for_by_a_run_and_a_plan_with_checks_alone(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.set("evaluate", more={"model": "openai/gpt-4o-mini"})
    with OpenAIServer() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        server.shutdowns["gpt-4o-mini"] = "2020-01-01"
        heard = Heard()
        with prepared(chain) as made:
            plan(made, reporter=heard)
            assert (server.requests, heard.notes) == ([], [])
            plan(made, check=True, reporter=heard)
        run(chain, heard)
    assert len(heard.notes) == 2
    for note in heard.notes:
        assert note.startswith("evaluate: openai/gpt-4o-mini went off on 2020-01-01 (the model list of 127.0.0.1)")


def test_a_plan_notes_where_a_run_would_refuse_to_pay(chain: Chain) -> None:
    nowhere = chain.folder.parent / "nowhere"
    chain.path(".dvc/config").write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {nowhere}/x\n")
    chain.edit("chain.py", "Config, train)", "Config, train, paid=True)")
    chain.set("train", seed=1)
    heard = Heard()
    with prepared(chain) as made:
        assert [each.action for each in plan(made, reporter=heard)] == ["restore", "run", "maybe"]
    assert any("paid for again (train)" in note for note in heard.notes)
    with pytest.raises(MotoolsError, match=r"paid for again \(train\)"):
        run(chain)
    assert chain.executed() == ["dataset", "model", "results"], "of the run before"


def test_what_costs_money_is_asked_where_the_projects_code_is_found(chain: Chain) -> None:
    chain.path("prices.py").write_text("def costly(config):\n    return config.seed > 0\n")
    asked = "def costs(config, atoms):\n    import prices\n    return prices.costly(config)"
    chain.edit("chain.py", "workflow = ", f"{asked}\n\n\nworkflow = ")
    chain.edit("chain.py", "Config, train)", "Config, train, paid=costs)")
    chain.set("train", seed=1)
    with prepared(chain) as made:
        pass
    assert paid_stages([made], RunOptions()) == [(["train"], ["prepare"])]


# -- estimates -------------------------------------------------------------------------

ESTIMATE = """\
def guess(config, atoms):
    from motools.atom.costs import Estimate
    if config.seed == 7:
        raise ValueError("nobody can tell")
    if config.seed == 8:
        return None
    return Estimate("m", len((atoms["dataset"].get_data_path() / "part.txt").read_text()), config.seed, 1)


workflow = """


def test_what_a_step_that_will_run_would_use_is_estimated_from_its_config_and_inputs(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(chain.folder.parent)
    chain.edit("chain.py", "workflow = ", ESTIMATE)
    chain.edit("chain.py", "Config, train)", "Config, train, estimate=guess)")
    rows = len(chain.path("atoms/dataset/data/part.txt").read_text())

    def guesses(seed: int, **changed: Any) -> dict[str, Estimate]:
        chain.set("train", seed=seed)
        with prepared(chain) as made:
            plans = [StagePlan(**{**vars(each), **changed.get(each.stage, {})}) for each in plan(made)]
            return estimates(made, plans)

    assert guesses(0) == {}, "it will not run"
    assert guesses(5) == {"train": Estimate("m", rows, 5, 1)}
    assert guesses(7) == guesses(8) == {}
    assert guesses(5, train={"call": None}) == {}, "an input is not known yet"
    assert guesses(5, prepare={"action": "fetch"}) == {}, "an input is in the remote only"
    assert guesses(5, prepare={"action": "restore"}).keys() == {"train"}
