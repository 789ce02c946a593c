"""The executors of a run, within this process: which step goes where, what it is sent with, and what is taken back."""

from __future__ import annotations

import base64
import shutil
import zlib
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import far_scene
import pytest
from chain import Chain, commit, dvc, git, open_databases

from motools.atom import records
from motools.base.resources import Resources
from motools.code.world import World
from motools.compiler.step_call import StepCall
from motools.engine.elsewhere import Elsewhere
from motools.engine.options import RunOptions
from motools.errors import ConfigError, MotoolsError, ProjectError
from motools.execution import cached_results
from motools.execution.run_step import Execution
from motools.executors import environment
from motools.executors.job import Answer, Job, Source
from motools.executors.registry import Chosen
from motools.repo.git import GitState
from motools.repo.project import Project
from motools.workflow import Step, StepConfig


@dataclass
class Config(StepConfig):
    pass


def step(name: str = "train", **how: Any) -> Step:
    return Step(name, {}, {"model": "model"}, Config, lambda config, atoms, workspace: [], **how)


class Places(Executor):
    """An executor that takes jobs, of which the test says what comes of them."""

    def __init__(self, **says: Any) -> None:
        self.jobs: list[Job] = []
        self.futures: list[Future[Any]] = []
        self.ended: list[dict[str, bool]] = []
        self.__dict__.update(says)

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        self.jobs += arguments
        self.futures.append(Future())
        return self.futures[-1]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.ended.append({"wait": wait, "cancel_futures": cancel_futures})


def at(executor: Executor, shared: bool = True, repository: str | None = None) -> Chosen:
    return Chosen("far", "kind", shared, None, repository, lambda: executor)


@pytest.fixture(scope="session")
def far(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("far")
    far_scene.lay(Path(shutil.copytree(template, top / "project", symlinks=True)), top / "store")
    return top


class Scene:
    """A project, and what a run of it says of the machines that its steps run on."""

    def __init__(self, top: Path) -> None:
        self.chain = Chain(top / "project")
        self.project = Project(self.chain.folder)
        self.store = top / "store"
        self.said: list[str] = []

    def elsewhere(self, motools_yaml: str = "", **how: Any) -> Elsewhere:
        self.chain.path("motools.yaml").write_text(motools_yaml)
        return Elsewhere(self.project, RunOptions(**how), self.said.append)

    def call(self) -> StepCall:
        return far_scene.call_of(self.chain, "train")

    def how(self, **changed: Any) -> Execution:
        head = git(self.chain.folder, "rev-parse", "HEAD").strip()
        return replace(Execution("ada", GitState(head, self.chain.folder)), **changed)


@pytest.fixture
def scene(far: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(records, "_read", {})  # as in a new process
    monkeypatch.setattr(cached_results, "_traces", {})
    shutil.copytree(far, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "project")
    dvc(tmp_path / "project", "remote", "modify", "-q", "store", "url", str(tmp_path / "store"))
    commit(tmp_path / "project")
    return Scene(tmp_path)


# -- who goes where ------------------------------------------------------------------------

POOL = "executors: {pool: {kind: 'concurrent.futures:ThreadPoolExecutor'}}\n"


@pytest.mark.parametrize(
    ("run_on", "how", "name", "where"),
    [
        ("{}", {}, "train", None),
        ("{train: pool}", {}, "train", "pool"),
        ("{model: pool}", {}, "train", "pool"),
        ("{train: pool}", {}, "train@seed=1", "pool"),
        ("{'train@seed=1': pool}", {}, "train@seed=1", "pool"),
        ("{train: here, model: pool}", {}, "train", None),
        ("{}", {"on": "pool"}, "train", "pool"),
        ("{train: pool}", {"on": "here"}, "train", None),
        ("{train: pool}", {"executor": ThreadPoolExecutor(1)}, "train", None),
    ],
)
def test_a_step_goes_where_a_person_types_or_motools_yaml_says(
    scene: Scene, run_on: str, how: dict[str, Any], name: str, where: str | None
) -> None:
    elsewhere = scene.elsewhere(f"{POOL}run_on: {run_on}\n", **how)
    elsewhere.check([step(name)])
    chosen = elsewhere.of(step(name))
    assert (None if chosen is None else chosen.name) == where


@pytest.mark.parametrize("section", ["run_on", "resources"])
@pytest.mark.parametrize(
    ("key", "meant"),
    [("trian", "train"), ("modle", "model"), ("train", None), ("model", None), ("train@seed=1", None), ("other", None)],
)
def test_a_name_that_is_nearly_a_steps_is_refused_and_one_of_another_pipeline_is_not(
    scene: Scene, section: str, key: str, meant: str | None
) -> None:
    told = "pool" if section == "run_on" else "{gpu: 1}"
    elsewhere = scene.elsewhere(f"{POOL}{section}: {{'{key}': {told}}}\n")
    steps = [step("train@seed=1"), step("prepare")]
    if meant is None:
        elsewhere.check(steps)
        return
    with pytest.raises(ConfigError) as error:
        elsewhere.check(steps)
    said = f"motools.yaml: {section}.{key} is no step, and no kind of atom. Did you mean '{meant}'?"
    assert str(error.value) == said


def test_an_executor_that_is_none_is_refused_with_who_has_named_it(scene: Scene) -> None:
    with pytest.raises(ConfigError, match=r"^--on: there is no executor 'pol'\."):
        scene.elsewhere(POOL, on="pol").check([step()])
    with pytest.raises(ConfigError, match=r"^motools\.yaml: run_on\.train: there is no executor 'pol'\."):
        scene.elsewhere(f"{POOL}run_on: {{train: pol}}\n").check([step()])


def test_what_motools_yaml_says_that_a_step_needs_is_above_what_the_workflow_says(scene: Scene) -> None:
    elsewhere = scene.elsewhere("resources: {train: {gpu: 2}}\n")
    asks = {"gpu": 1, "memory": "1 GB"}
    assert elsewhere.needs(step(resources=asks), None) == Resources(gpu=2, memory="1 GB")
    assert elsewhere.needs(step("prepare", resources=asks), None) == Resources(gpu=1, memory="1 GB")


# -- an executor is begun ------------------------------------------------------------------


def test_an_executor_is_begun_once_and_its_workers_are_looked_at(scene: Scene) -> None:
    here = environment.here()
    other = replace(here, host="w1", packages={**here.packages, "numpy": "0.0.1"})
    pool = Places(environments=lambda: [here, other, other])
    elsewhere = scene.elsewhere()
    assert elsewhere.start(at(pool)) is pool
    assert elsewhere.start(at(Places())) is pool, "one for each name"
    (said,) = scene.said
    assert said.startswith("far: On w1 other versions are installed: numpy 0.0.1 (here ")
    elsewhere.close()
    assert pool.ended == [{"wait": False, "cancel_futures": True}]
    elsewhere.close()
    assert len(pool.ended) == 1
    lasting = Places(lasts=True)
    elsewhere.start(at(lasting))
    elsewhere.close()
    assert lasting.ended == [{"wait": False, "cancel_futures": False}]


def test_a_worker_of_another_python_is_refused_and_one_that_is_not_there_yet_is_waited_for(scene: Scene) -> None:
    old = replace(environment.here(), host="w1", python="2.7.1")
    pool = Places(environments=lambda: [old])
    elsewhere = scene.elsewhere()
    with pytest.raises(ConfigError, match=r"^The executor 'far' cannot be used: w1 has Python 2\.7, and here it is"):
        elsewhere.start(at(pool))
    elsewhere.close()
    assert pool.ended, "whatever it was refused for"
    for told in (lambda: None, list):
        scene.elsewhere().start(at(Places(environments=told)))
    assert scene.said == ["far: no worker is there yet; steps wait for the first one."]


def test_where_no_files_are_shared_what_cannot_be_sent_is_refused_when_the_executor_is_begun(scene: Scene) -> None:
    (scene.chain.folder / "new.txt").write_text("one")
    elsewhere = scene.elsewhere()
    elsewhere.start(at(Places(), shared=False))
    assert len([*scene.chain.path(".motools/patches").iterdir()]) == 1
    (scene.chain.folder / "new.txt").write_text("another")
    sent = submit(elsewhere, scene, Places(), shared=False)
    assert b"another" in zlib.decompress(base64.b64decode(sent.source.patch)), "as it is when the first step goes"
    git(scene.chain.folder, "remote", "add", "origin", str(scene.store))
    with pytest.raises(ProjectError, match="is not at"):
        scene.elsewhere().start(at(Places(), shared=False))
    scene.elsewhere().start(at(Places(), shared=False, repository="another"))
    scene.elsewhere().start(at(Places()))
    dvc(scene.chain.folder, "remote", "remove", "-q", "store")
    scene.project = Project(scene.chain.folder)
    told = r"^The executor 'far' sees none of these files, and there is no DVC remote .* dvc remote add -d NAME URL$"
    with pytest.raises(ConfigError, match=told):
        scene.elsewhere().start(at(Places(), shared=False, repository="another"))


# -- what is sent --------------------------------------------------------------------------


def submit(elsewhere: Elsewhere, scene: Scene, places: Places, shared: bool = True, **how: Any) -> Job:
    """The job that an executor is given."""
    where = at(places, shared)
    executor = elsewhere.start(where)
    assert isinstance(executor, Places)
    elsewhere.submit(where, scene.call(), scene.how(**how), {}, Resources(), ())
    return executor.jobs[-1]


def test_a_job_says_all_that_another_machine_has_to_know(scene: Scene) -> None:
    call = replace(scene.call(), keeps_logs=True, gathers=("dataset",))
    folder = scene.chain.path("experiments/a")
    call = replace(call, place=replace(call.place, folder=folder))
    git_state = GitState("c0ffee", scene.chain.folder, {"chain.py": "12"}, frozenset({"b.py", "a.py"}))
    how = Execution("ada", git_state, True, scene.chain.path("log"), earlier=False)
    elsewhere, places = scene.elsewhere(), Places()
    elsewhere.submit(at(places), call, how, {"cmd": "x"}, Resources(gpu=1), ["torch"])
    (job,) = places.jobs
    assert job == Job(
        key=call.key,
        state=job.state,
        step="train",
        workflow="chain.py:workflow",
        folder="experiments/a",
        values=call.values,
        takes={"dataset": "dataset"},
        outputs={"model": "model"},
        inputs=call.inputs,
        function=call.code.function,
        versions=call.code.versions,
        user="ada",
        environment=environment.here(),
        keeps_logs=True,
        gathers=("dataset",),
        preload=("torch",),
        locked={"cmd": "x"},
        commit="c0ffee",
        changed={"chain.py": "12"},
        asked=("a.py", "b.py"),
        force=True,
        earlier=False,
        resources=Resources(gpu=1),
        root=str(scene.chain.folder),
        source=None,
        log=str(scene.chain.path("log")),
    )
    elsewhere.submit(at(places), call, replace(how, log=None), {}, Resources(), ())
    assert places.jobs[-1].log is None


def test_jobs_of_one_run_are_of_one_state_until_files_may_have_been_written_anew(scene: Scene) -> None:
    elsewhere, places = scene.elsewhere(), Places()
    states = [submit(elsewhere, scene, places).state for _ in range(2)]
    elsewhere.renew()
    states += [submit(elsewhere, scene, places).state, submit(scene.elsewhere(), scene, Places()).state]
    assert [states.index(state) for state in states] == [0, 0, 2, 3]


def test_where_no_files_are_shared_inputs_and_the_state_of_the_work_tree_go_along(scene: Scene) -> None:
    elsewhere, places, before = scene.elsewhere(), Places(), open_databases()
    commit(scene.chain.folder)
    job = submit(elsewhere, scene, places, shared=False)
    head, tree = git(scene.chain.folder, "rev-parse", "HEAD", "HEAD^{tree}").split()
    source = Source(str(scene.chain.folder), head, tree, "", None, ".", ("store", str(scene.store)))
    assert (job.root, job.source, job.state) == (None, source, tree)
    (oid,) = {f"{atom.rpartition('-')[2]}.dir" for atom in job.inputs.values()}
    assert (scene.store / "files" / "md5" / oid[:2] / oid[2:]).exists()
    forced = submit(elsewhere, scene, places, shared=False, force=True)
    assert (forced.source, forced.state) == (source, submit(elsewhere, scene, places, shared=False, force=True).state)
    assert forced.state != tree, "what is forced is made anew by each run"
    scene.chain.path("words.txt").write_text("new")
    assert submit(elsewhere, scene, places, shared=False).source == source, "all steps see one state"
    elsewhere.renew()
    now = submit(elsewhere, scene, places, shared=False).source
    assert now is not None
    patch = zlib.decompress(base64.b64decode(now.patch))
    assert b"words.txt" in patch
    assert scene.chain.path(".motools/patches", f"{now.patch_id}.patch").read_bytes() == patch
    assert now.tree != tree
    elsewhere.close()
    assert open_databases() == before, "the remote is let go of"


# -- what comes back -----------------------------------------------------------------------


def submitted(scene: Scene) -> tuple[Elsewhere, Future[Any], Future[Answer]]:
    """A job that an executor has: its future and what the run waits for."""
    elsewhere, places = scene.elsewhere(), Places()
    ours = elsewhere.submit(at(places), scene.call(), scene.how(), {}, Resources(), ())
    return elsewhere, places.futures[0], ours


def test_the_run_hears_what_came_of_a_job(scene: Scene) -> None:
    _, theirs, ours = submitted(scene)
    theirs.set_result(Answer(True))
    assert ours.result(0) == Answer(True)
    _, theirs, ours = submitted(scene)
    theirs.set_exception(LookupError("lost"))
    assert str(ours.exception(0)) == "lost"
    _, theirs, ours = submitted(scene)
    theirs.cancel()
    assert isinstance(ours.exception(0), MotoolsError)
    assert str(ours.exception(0)) == "the executor has given it up"


def test_when_the_run_is_interrupted_nothing_is_waited_for_and_what_has_come_stays(scene: Scene) -> None:
    elsewhere, theirs, ours = submitted(scene)
    done = elsewhere.submit(at(Places()), scene.call(), scene.how(), {}, Resources(), ())
    executor = elsewhere.start(at(Places()))
    assert isinstance(executor, Places)
    executor.futures[1].set_result(Answer(True))
    elsewhere.let_go()
    assert theirs.cancelled()
    assert isinstance(ours.exception(0), MotoolsError)
    assert str(ours.exception(0)) == "the run was interrupted"
    assert done.result(0) == Answer(True)
    elsewhere.let_go()  # a second time, as the person is impatient


def test_what_failed_there_is_told_with_its_log_where_that_is_not_here(scene: Scene, tmp_path: Path) -> None:
    call, world, log = scene.call(), World(scene.call().place), tmp_path / "log"
    elsewhere = scene.elsewhere()
    for shared, said, text in ((True, "said", None), (False, "", None), (False, "said", "said")):
        for error, told in (("no luck", "no luck"), (None, "it gave no result")):
            answer = Answer(True, error=error, log=said, notes=("mind you",))
            outcome = elsewhere.received(at(Places(), shared), call, answer, log, world)
            assert (outcome.executed, outcome.result, outcome.error) == (True, None, told)
            assert (log.read_text() if log.exists() else None) == text
    assert scene.said == ["far: mind you"], "once in a run"
    elsewhere.stays(at(Places()))
    assert scene.said[1:] == ["far: steps that cost money run here, where what was paid for is written down."]


def test_a_result_is_taken_as_if_it_had_been_made_here(scene: Scene, tmp_path: Path) -> None:
    call, log = scene.call(), tmp_path / "log"
    entry = far_scene.entry_of(scene.chain, call)
    answer = Answer(False, entry, log="said", where="w1")
    model = scene.chain.path("atoms/model")
    far_scene.send(scene.chain, "train")
    shutil.rmtree(model)
    outcome = scene.elsewhere().received(at(Places()), call, answer, log, World(call.place))
    assert (outcome.executed, outcome.error) == (False, None)
    assert outcome.result is not None
    assert outcome.result.entry == entry
    assert not model.exists(), "the worker has put it there, had it been one"
    assert not log.exists(), "it was written as it came"
    shutil.rmtree(scene.chain.path(".dvc/cache"))
    elsewhere = scene.elsewhere()
    outcome = elsewhere.received(
        at(Places(), shared=False), call, replace(answer, executed=True), log, World(call.place)
    )
    assert (outcome.executed, outcome.error) == (True, None)
    assert model.exists()
    assert log.read_text() == "said"
    assert all(map(scene.project.store.has, entry.oids()))
    shutil.rmtree(model)
    adopted = elsewhere.received(at(Places()), call, replace(answer, adopted=True), log, World(call.place))
    assert (adopted.executed, adopted.error) == (False, None)
    assert model.exists()


@pytest.mark.parametrize("how", ["shared", "apart", "adopted"])
def test_a_result_that_was_made_with_other_things_than_are_here_is_none_of_here(
    scene: Scene, tmp_path: Path, how: str
) -> None:
    call = scene.call()
    answer = Answer(True, far_scene.entry_of(scene.chain, call), where="w1", adopted=how == "adopted")
    far_scene.send(scene.chain, "train")
    scene.chain.edit("chain.py", "time.sleep(config.pause)", "time.sleep(config.pause + 0)")
    shutil.rmtree(scene.chain.path("atoms/model"))
    where = at(Places(), shared=how != "apart")
    outcome = scene.elsewhere().received(where, call, answer, tmp_path / "log", World(call.place))
    assert outcome.executed
    if how == "shared":  # it was made of the same files
        assert outcome.error is None
        return
    told = {
        "apart": "It was made on w1, where other things were used than are here: ",
        "adopted": "Its job, which an earlier run submitted, began before this changed: ",
    }[how]
    end = "Where they are equal, `motools run` takes it up."
    assert outcome.error is not None
    assert (outcome.error.startswith(f"{told}chain.py"), outcome.error.endswith(f". {end}")) == (True, True)
    assert not scene.chain.path("atoms/model").exists()


def test_a_result_of_another_step_is_refused(scene: Scene, tmp_path: Path) -> None:
    call = scene.call()
    entry = far_scene.entry_of(scene.chain, far_scene.call_of(scene.chain, "prepare"))
    answer = Answer(True, entry, where="w1")
    outcome = scene.elsewhere().received(at(Places()), call, answer, tmp_path / "log", World(call.place))
    assert (outcome.executed, outcome.error) == (True, "w1 has sent no result of this step.")
