"""A pipeline whose results are in git and in the DVC remote, for machines that see none of its files; and one step of
it as they are asked for it."""

from __future__ import annotations

from pathlib import Path

from chain import Chain, commit, dvc, forget_modules, git

from motools.compiler.step_call import StepCall
from motools.engine.options import RunOptions
from motools.engine.prepared import prepare_folder
from motools.engine.reporter import Silent
from motools.engine.stages import open_stages
from motools.execution.cached_results import locked_entry
from motools.executors import environment
from motools.executors.job import Job, Source
from motools.repo.exchange import Exchange
from motools.repo.project import Project
from motools.repo.step_cache import CachedResult


def lay(folder: Path, store: Path) -> None:
    """A pipeline that has run, in a project whose remote is a folder."""
    chain = Chain.lay(folder)
    dvc(folder, "remote", "add", "-q", "-d", "store", str(store))
    done = chain.run()
    assert done.code == 0, done.err
    commit(folder)


def call_of(chain: Chain, name: str) -> StepCall:
    """What its run would ask of a step, all of whose inputs are there."""
    forget_modules(chain.folder)
    with open_stages(prepare_folder(chain.folder), RunOptions(), Silent()) as stages, stages.at_home():
        found = next(plan.call for plan in stages.plan().values() if plan.stage == name)
    assert found is not None
    return found


def entry_of(chain: Chain, call: StepCall) -> CachedResult:
    """Its result, as dvc.lock names it."""
    entry = locked_entry(call.name, call.outputs, call.keeps_logs, chain.locked()[call.name])
    assert entry is not None
    return entry


def send(chain: Chain, *names: str) -> None:
    """Have the remote have the results of steps."""
    exchange = Exchange(Project(chain.folder))
    for call in (call_of(chain, name) for name in names):
        exchange.send_result(call.cache_slot[0], entry_of(chain, call))
    exchange.close()


def job_of(chain: Chain, call: StepCall) -> Job:
    """A job of another machine, at the commit that is checked out."""
    commit_id, tree = git(chain.folder, "rev-parse", "HEAD", "HEAD^{tree}").split()
    url = Project(chain.folder).setting('remote "store"', "url")
    return Job(
        key=call.key,
        state=tree,
        step=call.name,
        workflow=call.workflow,
        folder=".",
        values=call.values,
        takes=call.takes,
        outputs=call.outputs,
        inputs=call.inputs,
        function=call.code.function,
        versions=call.code.versions,
        user="ada",
        environment=environment.here(),
        source=Source(str(chain.folder), commit_id, tree, remote=("store", str(url))),
    )
