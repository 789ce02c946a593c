"""Answers that a server, a gate before it or an account that has changed may give: none is paid for twice, followed
without end, or more than one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from openai_scene import Done, Scene
from openai_server import OpenAIServer, Refusal

from motools.base.too_many_requests import curable
from motools.training.journal import counted

JSON = dict[str, Any]


def sentence(done: Done) -> str:
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "\n" not in done.err.strip()
    return done.err


def trained(scene: Scene) -> JSON:
    """The model of a training that went well, which one job has made."""
    done = scene.train()
    assert done.code == 0, done.err
    (job,) = scene.server.jobs.values()
    assert scene.trained()["model_id"] == job.fine_tuned_model
    assert scene.server.count("create") == 1
    return scene.trained()


def with_(**fields: Any) -> Callable[[JSON], JSON]:
    return lambda told: {**told, **fields}


def without(*names: str) -> Callable[[JSON], JSON]:
    return lambda told: {name: value for name, value in told.items() if name not in names}


# -- answers in the middle of a job ---------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda told: {"error": {"message": "The model is overloaded.", "type": "server_error"}},
        lambda told: json.dumps(told).encode()[:-7],
        lambda told: b"<html>Please sign in</html>",
        lambda told: b"\xef\xbb\xbf" + json.dumps(told).encode(),
        lambda told: b"null",
        lambda told: {**told, "id": "ftjob-of-somebody-else", "fine_tuned_model": "ft:theirs", "status": "succeeded"},
        lambda told: {**told, "error": "it is overloaded"},
        without("id"),
    ],
    ids=["an error", "cut", "a page", "with a mark", "null", "another job", "words", "no id"],
)
def test_an_answer_that_is_none_is_asked_for_again(
    answer: Callable[[JSON], Any], scene: Scene, server: OpenAIServer
) -> None:
    server.change("poll", answer, times=2)
    trained(scene)


@pytest.mark.parametrize("step", ["poll", "events", "checkpoints", "content"])
def test_errors_in_the_middle_of_following_a_job_are_waited_out(step: Any, scene: Scene, server: OpenAIServer) -> None:
    for kind in ("500", "malformed", "500", "drop_after"):
        server.fault(step, kind)  # type: ignore[arg-type]
    trained(scene)


@pytest.mark.parametrize(
    ("back", "more"),
    [("queued", {}), ("paused", {}), ("running", {"finished_at": 1})],
)
def test_a_job_that_goes_back_in_status_goes_on(back: str, more: JSON, scene: Scene, server: OpenAIServer) -> None:
    server.polls = 6
    for _ in range(2):
        server.change("poll", with_(status="running"))
        server.change("poll", with_(status=back, **more))
    trained(scene)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("Canceled", "was cancelled"),
        ("expired", "(it ended as 'expired')"),
        ("FAILED", "(it ended as 'FAILED')"),
    ],
)
def test_a_job_that_ends_in_another_servers_words_is_not_followed_for_ever(
    status: str, says: str, scene: Scene, server: OpenAIServer
) -> None:
    server.polls = 1000
    server.change("poll", with_(status=status, error=None), times=1000)
    assert says in sentence(scene.train())
    assert scene.journal()[0]["status"] in ("failed", "cancelled")


def test_a_job_that_other_servers_call_completed_has_succeeded(scene: Scene, server: OpenAIServer) -> None:
    def other(told: JSON) -> JSON:
        return {**told, "status": "COMPLETED"} if told["status"] == "succeeded" else told

    server.change("poll", other, times=1000)
    trained(scene)


@pytest.mark.parametrize("model", [None, " ", ["ft:a"]])
def test_a_job_that_has_succeeded_without_a_model_is_told_and_no_other_is_made(
    model: Any, scene: Scene, server: OpenAIServer
) -> None:
    server.change("poll", with_(status="succeeded", fine_tuned_model=model), times=6)
    for _ in range(2):
        assert "has succeeded, and names no model" in sentence(scene.train())
        (scene.folder / ".motools" / "jobs").rename(scene.folder / ".motools" / f"lost-{server.count('poll')}")
        server.change("jobs", lambda told: {**told, "data": [with_(fine_tuned_model=model)(j) for j in told["data"]]})
    server._changes.clear()
    trained(scene)


def test_a_model_that_is_named_a_little_later_is_waited_for(scene: Scene, server: OpenAIServer) -> None:
    server.polls = 1
    server.change("poll", with_(fine_tuned_model=None), times=2)
    trained(scene)


# -- what stands beside a job ----------------------------------------------------------------


@pytest.mark.parametrize("step", ["events", "checkpoints", "content"])
def test_what_a_server_refuses_beside_a_job_loses_no_model(step: Any, scene: Scene, server: OpenAIServer) -> None:
    def refuse(_: Any) -> None:
        raise Refusal(405, "Not for you.", code="forbidden")

    server.hook(step, "before", refuse, times=99)
    trained(scene)
    assert "refused (405): Not for you." in scene.log()


@pytest.mark.parametrize(
    "files", ["file-abc", [None, 3, "", {"id": "file-a"}], {"a": 1}, ["file-gone", "../../models"]]
)
def test_result_files_that_are_none_or_purged_leave_the_losses_of_the_events(
    files: Any, scene: Scene, server: OpenAIServer
) -> None:
    server.change("poll", with_(result_files=files), times=99)
    trained(scene)
    losses = json.loads((scene.folder / ".motools" / "work" / "model" / "loss.json").read_text())
    assert [row["step"] for row in losses] == [*range(1, len(losses) + 1)]
    assert losses[-1]["train_loss"] < losses[0]["train_loss"]


def test_checkpoints_in_an_odd_form_lose_no_model(scene: Scene, server: OpenAIServer) -> None:
    odd = [with_(id=f"c{n}", step_number=step)({"fine_tuned_model_checkpoint": f"ft:{n}"})
           for n, step in enumerate(["12", None, 3, -1, True, [5], 2.0])]  # fmt: skip
    server.change("checkpoints", lambda told: {**told, "data": [*odd, {"id": "nameless", "step_number": 1}]})
    assert [each["step"] for each in trained(scene)["checkpoints"]].count(None) == 4


@pytest.mark.parametrize(
    ("told", "count"),
    [(-5, None), ("1234", 1234), (True, None), ({}, None)],
)
def test_tokens_are_counted_where_they_are_a_number(told: Any, count: Any, scene: Scene, server: OpenAIServer) -> None:
    assert counted(told) == count
    server.change("poll", with_(trained_tokens=told), times=99)
    assert trained(scene)["trained_tokens"] == count
    assert scene.journal()[0]["trained_tokens"] == count


def test_events_that_come_twice_or_on_pages_that_overlap_are_told_once(scene: Scene, server: OpenAIServer) -> None:
    def twice(told: JSON) -> JSON:
        return {**told, "data": [event for event in told["data"] for _ in range(2)]}

    server.change("events", twice, times=99)
    trained(scene)
    told = [line for line in scene.log().splitlines() if line.startswith("step ")]
    assert told
    assert len(told) == len(set(told))


def test_a_list_whose_pages_go_round_in_a_circle_ends(scene: Scene, server: OpenAIServer) -> None:
    server.change("events", with_(has_more=True), times=9999)
    server.change("jobs", with_(has_more=True), times=9999)
    trained(scene)


@pytest.mark.parametrize(
    "cut",
    [
        lambda told: (
            json.dumps(told, ensure_ascii=False).replace("Created", "é").encode().replace(b"\xc3\xa9", b"\xc3")
        ),
        lambda told: json.dumps(told).replace("Created", "\\ud83d").encode(),
    ],
    ids=["its bytes", "an escape"],
)
def test_a_character_that_was_cut_in_two_loses_nothing(
    cut: Callable[[JSON], Any], scene: Scene, server: OpenAIServer
) -> None:
    server.change("events", cut, times=99)
    trained(scene)
    assert "fine-tuning job: ftjob" in scene.log()


def test_the_words_of_a_failure_with_half_a_character_are_written_down(scene: Scene, server: OpenAIServer) -> None:
    failed = with_(status="failed", error={"code": "x", "message": "no \ud83d"})
    server.change("poll", lambda told: json.dumps(failed(told)).encode())
    assert "failed at 127.0.0.1 (x: no ?)" in sentence(scene.train())
    assert scene.journal()[0]["error"] == "no ?"


# -- ids, clocks, files ---------------------------------------------------------------------


@pytest.mark.parametrize("id", ["ftjob/with/ways", "ftjob?a=b#c", "ft job-ä-名%2Fa"])
def test_ids_of_odd_characters_are_asked_for_as_they_are(id: str, scene: Scene, server: OpenAIServer) -> None:
    def named(told: JSON) -> JSON:
        (job,) = server.jobs.values()
        job.id = id
        server.jobs.clear()
        server.jobs[id] = job
        return {**told, "id": id}

    server.change("create", named)
    assert scene.train().code == 0
    assert scene.trained()["job_id"] == id
    assert server.count("create") == 1


@pytest.mark.parametrize("id", ["", "..", "a\nb"])
def test_a_job_whose_id_cannot_be_asked_for_is_told_and_made_once(id: Any, scene: Scene, server: OpenAIServer) -> None:
    server.change("create", with_(id=id))
    server.change("jobs", lambda told: told)  # the look before it is created
    server.change("jobs", lambda told: {**told, "data": [with_(id=id)(job) for job in told["data"]]}, 99)
    assert "in a way that nobody can follow" in sentence(scene.train())
    assert "in a way that nobody can follow" in sentence(scene.train())
    assert server.count("create") == 1


@pytest.mark.parametrize("created", ["2026-01-01", -1])
def test_when_a_job_was_made_by_the_servers_clock_decides_nothing(
    created: Any, scene: Scene, server: OpenAIServer
) -> None:
    for step in ("create", "poll"):
        server.change(step, with_(created_at=created), times=99)  # type: ignore[arg-type]
    server.change(
        "jobs", lambda told: {**told, "data": [with_(created_at=created)(job) for job in told["data"]]}, times=99
    )
    trained(scene)
    (scene.folder / ".motools" / "jobs").rename(scene.folder / ".motools" / "lost")
    trained(scene)


@pytest.mark.parametrize("status", ["deleted", "error"])
def test_a_file_that_is_purged_is_sent_again(status: str, scene: Scene, server: OpenAIServer) -> None:
    scene.configure(suffix="first")
    trained(scene)
    scene.configure(suffix="second")
    server.change("file", with_(status=status))
    server.change(
        "files", lambda told: {**told, "data": [{**with_(status=status)(file)} for file in told["data"]]}, times=9
    )
    assert scene.train().code == 0
    assert (server.count("upload"), server.count("create")) == (2, 2)


# -- another account, another key --------------------------------------------------------------


def away(server: OpenAIServer, key: str) -> dict[str, Any]:
    """Have the server be another account's: none of the jobs are its own."""
    server.key = key
    theirs = dict(server.jobs)
    server.jobs.clear()
    return theirs


def test_a_job_of_another_accounts_key_is_not_paid_again_here(scene: Scene, server: OpenAIServer) -> None:
    server.polls = 1000
    server.hook("poll", "after", lambda _: scene.kill_training())
    assert scene.train().code != 0
    theirs = away(server, "sk-of-somebody-else")
    assert "with another OPENAI_API_KEY than the present one" in sentence(scene.train())
    assert server.count("create") == 1
    server.key, server.polls = "sk-loopback-test", 3
    server.jobs.update(theirs)
    trained(scene)


def test_a_key_that_was_renewed_in_the_same_account_changes_nothing(scene: Scene, server: OpenAIServer) -> None:
    server.hook("poll", "after", lambda _: scene.kill_training())
    assert scene.train().code != 0
    server.key = "sk-renewed"
    trained(scene)


def test_the_journal_holds_no_key(scene: Scene, server: OpenAIServer) -> None:
    trained(scene)
    text = "".join(path.read_text() for path in (scene.folder / ".motools" / "jobs").rglob("*.json"))
    assert server.key not in text
    assert len(scene.journal()[0]["sender"]) == 8


def test_a_job_that_is_not_shown_for_a_moment_is_not_paid_again(scene: Scene, server: OpenAIServer) -> None:
    server.hook("poll", "after", lambda _: scene.kill_training())
    assert scene.train().code != 0

    def hidden(_: Any) -> None:
        raise Refusal(404, "Could not find fine tune", code="fine_tune_not_found")

    server.hook("poll", "before", hidden, times=2)
    server.change("jobs", with_(data=[], has_more=False), times=2)
    trained(scene)


# -- how long to wait ------------------------------------------------------------------------------


@pytest.mark.parametrize("after", ["-5", "Wed, 21 Oct 2015 07:28:00 GMT", "0x10"])
@pytest.mark.parametrize("step", ["create", "poll"])
def test_a_pause_that_is_past_or_none_is_a_short_one(step: Any, after: str, scene: Scene, server: OpenAIServer) -> None:
    def busy(_: Any) -> None:
        raise Refusal(429, "slow down", code="rate_limit_exceeded", headers={"Retry-After": after})

    server.hook(step, "before", busy, times=2)
    assert scene.train().code == 0
    assert len(server.jobs) == 1


@pytest.mark.parametrize("after", ["99999999", "1e400", "Fri, 31 Dec 2199 23:59:59 GMT"])
def test_a_pause_beyond_all_patience_is_told_at_once_and_the_job_goes_on(
    after: str, scene: Scene, server: OpenAIServer
) -> None:
    def busy(_: Any) -> None:
        raise Refusal(429, "slow down", code="rate_limit_exceeded", headers={"Retry-After": after})

    server.hook("poll", "before", busy)
    said = sentence(scene.train())
    assert "too many requests: slow down" in said
    assert "goes on; `motools run` comes back to it." in said
    trained(scene)


@pytest.mark.parametrize("after", ["-5", "-1e400", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_no_pause_is_below_zero(after: str) -> None:
    error = SimpleNamespace(response=SimpleNamespace(headers={"retry-after": after}))
    assert curable(error, "slow down") == 0
