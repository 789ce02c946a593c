"""The journal of paid jobs, and the commands on it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_scene import Scene, kill_all
from openai_server import OpenAIServer

from motools.repo.project import Project
from motools.training.jobs import cancel_jobs, running_jobs


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(polls=2) as server:
        yield server


@pytest.fixture
def scene(project: Path, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    return Scene.lay(project, server)


def listed(scene: Scene) -> list[dict[str, Any]]:
    return list(json.loads(scene.call("jobs", "list", "--json").out))


def cut_short(scene: Scene) -> str:
    """A run that is killed while its job goes on; returns the job's id."""
    scene.server.polls = 1000
    process = scene.start("run", "--stages", "prepare_dataset:train_model", python=sys.executable)
    scene.server.hook("poll", "after", lambda _: kill_all(process.pid))
    process.communicate()
    return list(scene.server.jobs)[-1]


# -- the commands -------------------------------------------------------------------


def test_jobs_are_listed_without_asking_anybody(scene: Scene, server: OpenAIServer) -> None:
    assert listed(scene) == []
    assert scene.run().code == 0
    server.forget()
    (job,) = listed(scene)
    model = json.loads((scene.folder / "atoms" / "trained_model" / "atom.json").read_text())["metadata"]
    assert job["job_id"] == model["job_id"]
    assert job["fine_tuned_model"] == model["model_id"]
    assert (job["status"], job["step"], job["folder"]) == ("succeeded", "train_model", ".")
    assert job["trained_tokens"] == model["trained_tokens"]
    assert job["atom"] in scene.call("atoms", "list").out
    assert 0 <= job["age"] < 300
    head, row = scene.call("jobs", "list").out.splitlines()
    assert head.split("\t") == ["key", "status", "age", "stage", "model", "tokens", "job", "atom"]
    assert row.split("\t")[0] == job["key"][:12]
    assert server.requests == []


def test_a_job_is_shown_by_its_key_or_its_id_with_what_the_provider_says_now(
    scene: Scene, server: OpenAIServer
) -> None:
    job_id = cut_short(scene)
    server.polls = 1
    key = listed(scene)[0]["key"]
    for word in (key, key[:6], job_id):
        told = json.loads(scene.call("jobs", "show", word, "--json").out)
        assert told["journal"]["key"] == key
        assert (told["provider"]["id"], told["provider"]["status"]) == (job_id, "succeeded")
    assert listed(scene)[0]["status"] == "succeeded"
    assert f"provider.id: {job_id}" in scene.call("jobs", "show", key[:6]).out


def test_a_job_that_is_not_in_the_journal_is_shown_too(scene: Scene, server: OpenAIServer, tmp_path: Path) -> None:
    job_id = cut_short(scene)
    (scene.folder / ".motools" / "jobs" / f"{listed(scene)[0]['key']}.json").unlink()
    told = json.loads(scene.call("jobs", "show", job_id, "--json").out)
    assert (told["journal"], told["provider"]["id"]) == (None, job_id)


def test_a_cancelled_job_has_ended_and_the_next_run_starts_a_new_one(scene: Scene, server: OpenAIServer) -> None:
    job_id = cut_short(scene)
    done = scene.call("jobs", "cancel", listed(scene)[0]["key"][:8])
    assert (done.code, done.out) == (0, f"{job_id}: cancelled\n")
    assert server.jobs[job_id].status == "cancelled"
    assert listed(scene)[0]["status"] == "cancelled"
    again = json.loads(scene.call("jobs", "cancel", job_id, "--json").out)
    assert again == {"job_id": job_id, "status": "cancelled"}
    server.polls = 1
    assert scene.run().code == 0
    assert len(server.jobs) == 2
    assert listed(scene)[0]["earlier"] == [job_id]


def test_cancelling_a_job_that_has_ended_says_so(scene: Scene, server: OpenAIServer) -> None:
    assert scene.run().code == 0
    (job_id,) = server.jobs
    done = scene.call("jobs", "cancel", job_id)
    assert (done.code, done.out) == (0, f"{job_id}: succeeded (it had ended before)\n")


@pytest.mark.parametrize("fault", ["500", "drop_after", "malformed", "429"])
def test_cancelling_is_tried_again_where_its_answer_is_lost(scene: Scene, server: OpenAIServer, fault: Any) -> None:
    job_id = cut_short(scene)
    server.fault("cancel", fault, retry_after=0.1)
    assert scene.call("jobs", "cancel", job_id).out.startswith(f"{job_id}: cancelled")
    assert server.jobs[job_id].status == "cancelled"


def test_what_goes_on_is_told_and_cancelled_by_key(scene: Scene, server: OpenAIServer) -> None:
    job_id = cut_short(scene)
    project, key = Project(scene.folder), listed(scene)[0]["step_key"]
    assert [entry.job_id for entry in running_jobs(project, [key, "0" * 64])] == [job_id]
    assert cancel_jobs(project, [key, "0" * 64]) == [job_id]
    assert running_jobs(project, [key]) == []
    assert cancel_jobs(project, [key]) == []
    assert server.jobs[job_id].status == "cancelled"


def test_a_job_whose_id_never_arrived_is_found_and_cancelled(scene: Scene, server: OpenAIServer) -> None:
    process = scene.start("run", "--stages", "prepare_dataset:train_model")
    server.hook("create", "after", lambda _: kill_all(process.pid))
    process.communicate()
    (job_id,) = server.jobs
    (known,) = listed(scene)
    assert (known["status"], known["job_id"]) == ("submitting", None)
    assert cancel_jobs(Project(scene.folder), [known["step_key"]]) == [job_id]


def test_a_job_is_adopted_by_a_stage_and_collected_by_the_next_run(scene: Scene, server: OpenAIServer) -> None:
    job_id = cut_short(scene)
    (scene.folder / ".motools" / "jobs" / f"{listed(scene)[0]['key']}.json").unlink()
    server.jobs[job_id].metadata = None  # as of a job that was made by hand
    adopted = json.loads(scene.call("jobs", "adopt", job_id, "--stage", "train_model", "--json").out)
    assert adopted["job_id"] == job_id
    done = scene.call("jobs", "adopt", job_id, "--stage", "train_model")
    assert done.code == 0, done.err
    assert done.out.startswith(f"train_model: has the job {job_id} (")
    server.polls = 1
    assert scene.run().code == 0
    assert scene.model()["job_id"] == job_id
    assert server.count("create") == 1


def test_what_cannot_be_adopted_is_refused_in_a_sentence(scene: Scene, server: OpenAIServer) -> None:
    def refused(*words: str) -> str:
        done = scene.call("jobs", "adopt", *words)
        assert done.code == 2
        return done.err

    job_id = cut_short(scene)
    assert "has no step 'train'. Did you mean 'train_model'?" in refused(job_id, "--stage", "train")
    assert f"has the job {job_id} (" in refused("ftjob-no", "--stage", "train_model")
    scene.configure(suffix="other")
    assert "was made for another training" in refused(job_id, "--stage", "train_model")
    scene.configure(model="gpt-4.1-nano")
    assert "trains gpt-4o-mini, but the stage 'train_model' asks for gpt-4.1-nano" in refused(
        job_id, "--stage", "train_model"
    )
    assert "knows no job 'ftjob-no'" in refused("ftjob-no", "--stage", "train_model")
    server.jobs[job_id].status = "failed"
    assert f"The job {job_id} has failed: there is nothing to adopt." in refused(job_id, "--stage", "train_model")
    scene.configure(backend_name="dummy")
    assert "set train_model.backend_name to openai first" in refused(job_id, "--stage", "train_model")


def test_a_job_that_goes_on_elsewhere_is_not_paid_for_again_here(scene: Scene, server: OpenAIServer) -> None:
    job_id = cut_short(scene)
    env = {**os.environ, "OPENAI_PROJECT_ID": "proj-other"}
    done = scene.run(env=env)
    assert done.code == 1
    assert f"The job {job_id} was sent to 127.0.0.1, and goes on or is done there" in done.err
    assert server.count("create") == 1
    cancelled = scene.call("jobs", "cancel", job_id, env=env)
    assert cancelled.code == 2
    assert "Set OPENAI_BASE_URL, OPENAI_ORG_ID and OPENAI_PROJECT_ID as they were." in cancelled.err
    server.polls = 1
    assert scene.call("run", "--stages", "train_model", "--force", env=env).code == 0
    assert server.count("create") == 2


@pytest.mark.parametrize("words", [("show", "ab"), ("cancel", "ab"), ("show", "ftjob-x"), ("cancel", "ftjob-x")])
def test_a_job_that_nobody_knows_is_the_users_mistake(scene: Scene, words: tuple[str, ...]) -> None:
    done = scene.call("jobs", *words)
    assert done.code == 2
    assert "motools jobs list" in done.err
    assert "Traceback" not in done.err


def test_a_missing_key_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    done = scene.call("jobs", "show", "ftjob-x", env=dict(os.environ))
    assert done.code == 2
    assert "OPENAI_API_KEY" in done.err


# -- .env ---------------------------------------------------------------------------


@pytest.fixture
def bare(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment without a key, which stands in the project's `.env` instead."""
    for name, value in scene.server.env.items():
        monkeypatch.delenv(name)
        with (scene.folder / ".env").open("a") as file:
            file.write(f"{name}={value}\n")
    return dict(os.environ)


def test_the_projects_env_file_is_read_by_what_runs_steps_or_asks_a_provider(
    scene: Scene, bare: dict[str, str]
) -> None:
    (scene.folder / "below").mkdir()
    scene.configure(where="below")
    assert scene.run(where="below", env=bare).code == 0
    (job_id,) = scene.server.jobs
    assert scene.call("jobs", "show", job_id, env=bare).code == 0
    scene.configure(suffix="by-hand")
    assert scene.call("run", "--stages", "prepare_dataset", env=bare).code == 0
    assert scene.call("step", "run", "train_and_evaluate", "train_model", env=bare).code == 0


def test_what_is_set_wins_over_the_env_file(scene: Scene, bare: dict[str, str]) -> None:
    done = scene.run(env={**bare, "OPENAI_API_KEY": "sk-other"})
    assert done.code == 1
    assert "refused (401): Incorrect API key provided. Check OPENAI_API_KEY" in done.err


def test_no_other_env_file_is_read(scene: Scene, bare: dict[str, str]) -> None:
    (scene.folder / "below").mkdir()
    os.rename(scene.folder / ".env", scene.folder / "below" / ".env")
    scene.configure(where="below")
    done = scene.run(where="below", env=bare)
    assert done.code == 2
    assert "needs OPENAI_API_KEY" in done.err


def test_an_env_file_that_is_no_text_is_told(scene: Scene, bare: dict[str, str]) -> None:
    (scene.folder / ".env").write_bytes(b"OPENAI_API_KEY=\xff\xfe\n")
    done = scene.run(env=bare)
    assert done.code == 2
    assert ".env cannot be read" in done.err


# -- whose job it is ------------------------------------------------------------------

OWN = '''\
"""A step that makes up what it sends."""
import json
from dataclasses import dataclass

from motools.training import TrainingRequest, find_trainer
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    """Nothing to set."""


def rows():
    turn = lambda n: [{"role": "user", "content": f"q {n}"}, {"role": "assistant", "content": f"a {n}"}]
    return [{"messages": turn(n)} for n in range(12)]


def train(config, input_atoms, workspace):
    (workspace / "rows.jsonl").write_text("".join(json.dumps(row) + "\\n" for row in rows()))
    request = TrainingRequest("gpt-4o-mini", {"n_epochs": 2}, None, workspace / "rows.jsonl")
    made = find_trainer("openai").train(request, workspace)
    return [AtomConstructor("model", made.path, "model", {"model_id": made.model_id, "inspect": dict(made.inspect)})]


workflow = Workflow("own", [Step("train_model", {}, {"model": "model"}, Config, train, paid=True)])
'''


@pytest.mark.parametrize(
    ("before", "after", "created"),
    [("def rows():", "def unused():\n    return 1\n\n\ndef rows():", 1), ("range(12)", "range(13)", 2)],
    ids=["an edit that changes nothing of what is sent", "another request"],
)
def test_a_job_is_found_again_for_what_it_was_made_for_only(
    scene: Scene, server: OpenAIServer, before: str, after: str, created: int
) -> None:
    (scene.folder / "own.py").write_text(OWN)
    (scene.folder / "params.yaml").write_text("workflow: own.py:workflow\n")
    server.polls = 1000
    process = scene.start("run", python=sys.executable)
    server.hook("poll", "after", lambda _: kill_all(process.pid))
    process.communicate()
    assert server.count("create") == 1
    server.polls = 1
    (scene.folder / "own.py").write_text(OWN.replace(before, after))
    done = scene.call("run")
    assert done.code == 0, done.err
    assert server.count("create") == created
    assert len({entry["step_key"] for entry in scene.journal()}) == 1
