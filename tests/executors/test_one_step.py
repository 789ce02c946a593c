"""A job as a worker takes it: what it refuses, and what its command says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from chain import Chain

from motools.execution import one_step
from motools.executors import environment
from motools.executors.environment import Environment
from motools.executors.job import Answer, Job

JOB = Job(
    key="0" * 64,
    state="state",
    step="train",
    workflow="chain.py:workflow",
    folder=".",
    values={},
    takes={},
    outputs={"model": "model"},
    inputs={},
    function="f",
    versions={},
    user="ada",
    environment=environment.here(),
)


def test_what_is_no_job_is_told_with_what_to_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["a"], ["a", "b", "c"]):
        assert one_step.main(words) == 2
        assert capsys.readouterr().err == "Type: python -m motools.execution.one_step JOB ANSWER\n"
    path = tmp_path / "job.json"
    answer = tmp_path / "answer.json"
    for text in (None, "{", "[]", "{}", "3", '{"source": 3}'):
        if text is not None:
            path.write_text(text)
        assert one_step.main([str(path), str(answer)]) == 2
        assert f"{path} is no job: " in capsys.readouterr().err
    assert not answer.exists()


def test_a_job_of_another_python_is_refused_before_anything_is_looked_at() -> None:
    answer = one_step.perform(replace(JOB, environment=Environment("2.7.1", "0", {}), root="/nowhere"))
    assert (answer.executed, answer.entry, answer.where) == (False, None, environment.here().host)
    assert "has Python" in str(answer.error)


def test_a_job_that_says_nowhere_where_its_files_are_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "job.json").write_text(JOB.dumps())
    assert one_step.main([str(tmp_path / "job.json"), str(tmp_path / "answer.json")]) == 1
    answer = Answer.loads((tmp_path / "answer.json").read_text())
    host = environment.here().host
    assert answer.error == (f"On {host}: The job says neither where its files are seen nor where they can be fetched.")
    assert (answer.executed, answer.where, answer.notes) == (False, host, ())
    assert capsys.readouterr().err == f"{answer.error}\n"


def test_a_file_of_keys_that_cannot_be_read_is_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_bytes(b"KEY=\xff")
    (tmp_path / "job.json").write_text(replace(JOB, root=str(tmp_path)).dumps())
    assert one_step.main([str(tmp_path / "job.json"), str(tmp_path / "answer.json")]) == 1
    answer = Answer.loads((tmp_path / "answer.json").read_text())
    assert str(answer.error).startswith(f"{tmp_path / '.env'} cannot be read: ")
    assert (answer.executed, answer.entry) == (False, None)
    assert capsys.readouterr().err == f"{answer.error}\n"


def test_what_a_worker_has_otherwise_is_noted_with_whatever_came_of_the_job() -> None:
    here = environment.here()
    other = replace(here, packages={**here.packages, "numpy": "0.0.1"})
    (note,) = one_step.perform(replace(JOB, environment=other)).notes
    assert "(here 0.0.1)" in note


def test_a_step_that_is_made_of_something_else_on_this_machine_is_not_executed(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain.lay(project)
    (project / "keeping.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "class Keeping(ThreadPoolExecutor):\n    def submit(self, fn, job):\n"
        "        open('job.json', 'w').write(job.dumps())\n        return super().submit(fn, job)\n"
    )
    chain.path("motools.yaml").write_text("executors: {k: {kind: 'keeping:Keeping'}}")
    assert chain.run("--on", "k", "--stages", "prepare").statuses[0] == "finished"
    job = Job.loads(chain.path("job.json").read_text())
    assert json.loads(job.dumps()) == json.loads(chain.path("job.json").read_text())
    assert chain.executed() == ["dataset"]
    (tmp_path / "job.json").write_text(replace(job, versions={**job.versions, "mozoo": "mozoo 1"}, force=True).dumps())
    assert one_step.main([str(tmp_path / "job.json"), str(tmp_path / "answer.json")]) == 1
    told = Answer.loads((tmp_path / "answer.json").read_text()).error
    assert told is not None
    assert "What the step 'prepare' is made of is another one on this machine: None in place of mozoo 1." in told
    assert chain.executed() == []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.json").write_text(replace(job, force=True).dumps())
    assert one_step.main([str(tmp_path / "job.json"), str(tmp_path / "answer.json")]) == 0
    answer = Answer.loads((tmp_path / "answer.json").read_text())
    assert (answer.executed, answer.error) == (True, None)
    assert Path.cwd() == chain.folder, "where the step looks for its files"
    assert chain.executed() == ["dataset"]
