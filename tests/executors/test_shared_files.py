"""Steps on other machines that see the same files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from chain import Chain

from motools.executors.job import Answer, Job

POOL = "executors: {pool: {kind: 'concurrent.futures:ThreadPoolExecutor', max_workers: 2}}\n"

TELLING = """
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from motools.executors.job import Answer, Job

class Telling(ThreadPoolExecutor):
    '''Tells what it is given and gives.'''

    def __init__(self, into: str):
        super().__init__(1)
        self.into = Path(into)

    def submit(self, fn, job):
        assert Job.loads(job.dumps()) == job
        future = super().submit(fn, job)
        (self.into / f"{job.step}.json").write_text(job.dumps())
        answer = future.result()
        assert Answer.loads(answer.dumps()) == answer
        return future
"""


@pytest.fixture
def chain(project: Path) -> Chain:
    return Chain.lay(project)


def test_steps_run_where_motools_yaml_says_and_make_the_same(chain: Chain) -> None:
    here = chain.run()
    keys = chain.locked()
    assert chain.executed() == ["dataset", "model", "results"]
    chain.path("motools.yaml").write_text(
        POOL + "run_on: {train: pool, eval: pool, dataset: here}\nresources: {train: {gpu: 1}}"
    )
    there = chain.run("--force")
    assert there.statuses == ["finished"] * 3
    assert there.ids == here.ids
    assert [o["path"] for o in chain.locked()["train"]["outs"]] == [o["path"] for o in keys["train"]["outs"]]
    assert chain.executed() == ["dataset", "model", "results"]
    again = chain.run()
    assert again.statuses == ["current"] * 3
    assert chain.run("--on", "here").statuses == ["current"] * 3
    assert chain.dvc_status() == {}
    assert chain.leftovers() == []


def test_an_executor_is_given_small_plain_values_and_what_the_step_needs(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "telling.py").write_text(TELLING)
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    chain.path("motools.yaml").write_text(
        f"executors: {{t: {{kind: 'telling:Telling', into: {tmp_path}}}}}\nrun_on: {{train: t}}\n"
        "resources: {model: {gpu: 2, time: 1 h}, train: {gpu: 1, memory: 2 GB}}\n"
    )
    assert chain.run().statuses == ["finished"] * 3
    job = json.loads((tmp_path / "train.json").read_text())
    assert job["resources"] == {"cores": None, "gpu": 1, "memory": "2 GB", "time": None}
    assert job["step"] == "train"
    assert len(job["inputs"]) == 1
    sys.modules.pop("telling")


@pytest.mark.cold
def test_a_job_in_a_file_is_run_by_a_command(chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "telling.py").write_text(TELLING)
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    chain.path("motools.yaml").write_text(f"executors: {{t: {{kind: 'telling:Telling', into: {tmp_path}}}}}\n")
    first = chain.run("--on", "t")
    assert chain.executed() == ["dataset", "model", "results"]
    job, answer = tmp_path / "train.json", tmp_path / "answer.json"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "motools.execution.one_step", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)

    assert run(str(job), str(answer)).returncode == 0
    told = Answer.loads(answer.read_text())
    assert (told.executed, told.error) == (False, None)
    assert told.entry is not None
    assert told.entry.outputs["model"].md5.removesuffix(".dir") == first.ids["model"].removeprefix("model-")
    about = Job.loads(job.read_text())
    job.write_text(Job.loads(job.read_text()).dumps().replace('"force": false', '"force": true'))
    assert run(str(job), str(answer)).returncode == 0
    assert chain.executed() == ["model"]
    job.write_text(about.dumps().replace(about.key, "0" * 64))
    done = run(str(job), str(answer))
    assert done.returncode == 1
    assert "definition" in Answer.loads(answer.read_text()).error  # type: ignore[operator]
    job.write_text("{}")
    done = run(str(job), str(answer))
    assert done.returncode == 2
    assert "is no job" in done.stderr
    sys.modules.pop("telling")


def test_a_step_that_fails_there_is_told_as_here(chain: Chain) -> None:
    chain.edit("chain.py", 'return make("model"', "raise RuntimeError('no luck')\n    return make(\"model\"")
    chain.path("motools.yaml").write_text(POOL)
    done = chain.run("--on", "pool")
    assert done.code == 1
    assert done.statuses == ["finished", "failed", "skipped"]
    assert "The step 'train' failed: RuntimeError: no luck" in done.stages[1]["error"]
    assert "no luck" in Path(done.stages[1]["log"]).read_text()
