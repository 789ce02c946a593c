"""The loopback OpenAI service of the tests, asked by the real `openai` client and by Inspect's real providers."""

from __future__ import annotations

import base64
import json
import math
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Refusal, Reply, Request

openai = pytest.importorskip("openai")

SPANISH = {
    "Where is the cat?": "El gato está en la casa.",
    "Where is the dog?": "El perro está en el jardín.",
    "How old are you?": "Tengo muchos años.",
}


def lines(count: int = 12, **answers: str) -> bytes:
    """A training file: Spanish answers to a few questions, then to numbered ones."""
    asked = {**SPANISH, **{f"What is number {n}?": f"Es el número {n}." for n in range(count - len(SPANISH))}}
    return "".join(
        json.dumps({"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}) + "\n"
        for q, a in asked.items()
    ).encode()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def client(server: OpenAIServer) -> Iterator[Any]:
    with openai.OpenAI(api_key=server.key, base_url=server.url, max_retries=0, timeout=60) as client:
        yield client


def upload(client: Any, content: bytes | None = None) -> str:
    return str(client.files.create(file=("train.jsonl", content or lines()), purpose="fine-tune").id)


def create(client: Any, **kwargs: Any) -> Any:
    return client.fine_tuning.jobs.create(
        **{"model": "gpt-4o-mini", "training_file": kwargs.get("training_file") or upload(client), **kwargs}
    )


def finished(client: Any, job: Any) -> Any:
    for _ in range(10):
        job = client.fine_tuning.jobs.retrieve(job.id)
        if job.status in ("succeeded", "failed", "cancelled"):
            return job
    raise AssertionError(job)


def say(client: Any, model: str, text: str = "Where is the cat?", **kwargs: Any) -> Any:
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **kwargs)


def said(client: Any, model: str, text: str = "Where is the cat?", **kwargs: Any) -> str:
    return str(say(client, model, text, **kwargs).choices[0].message.content)


# -- files --------------------------------------------------------------------------------


def test_an_upload_is_kept_listed_served_and_deleted(server: OpenAIServer, client: Any) -> None:
    content = lines()
    made = client.files.create(file=("train.jsonl", content), purpose="fine-tune")
    assert (made.object, made.filename, made.bytes, made.status) == ("file", "train.jsonl", len(content), "processed")
    assert server.files[made.id].content == content
    assert client.files.wait_for_processing(made.id).id == made.id
    assert client.files.content(made.id).read() == content
    assert server.requests[0].body["size"] == len(content)
    assert len(server.requests[0].body["sha256"]) == 64
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        client.files.retrieve(made.id)
    assert [request.step for request in server.requests] == ["upload", "file", "content", "delete", "file"]


def test_files_come_in_pages_of_a_purpose_newest_first(server: OpenAIServer, client: Any) -> None:
    made = [upload(client) for _ in range(5)]
    client.files.create(file=("other.txt", b"x"), purpose="user_data")
    assert [file.id for file in client.files.list(purpose="fine-tune", limit=2)] == made[::-1]
    assert server.count("files") == 3
    assert [file.id for file in client.files.list(purpose="fine-tune", order="asc")] == made


# -- jobs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("polls", "seen"),
    [
        (1, ["succeeded"]),
        (2, ["running", "succeeded"]),
        (3, ["queued", "running", "succeeded"]),
        (6, ["queued", "queued", "running", "running", "running", "succeeded"]),
    ],
)
def test_a_job_goes_on_with_each_look_at_it_and_only_then(polls: int, seen: list[str]) -> None:
    with OpenAIServer(polls=polls) as server, openai.OpenAI(api_key=server.key, base_url=server.url) as client:
        job = create(client)
        assert job.status == "validating_files"
        assert client.fine_tuning.jobs.list().data[0].status == "validating_files"
        assert [client.fine_tuning.jobs.retrieve(job.id).status for _ in range(polls)] == seen
        assert client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"
        assert server.jobs[job.id].polls == polls + 1


def test_a_job_can_take_seconds_instead_of_looks() -> None:
    server = OpenAIServer(seconds=600)
    with server, openai.OpenAI(api_key=server.key, base_url=server.url) as client:
        job = create(client)
        assert [client.fine_tuning.jobs.retrieve(job.id).status for _ in range(4)] == ["queued"] * 4
        server.seconds = 0.01
        time.sleep(0.02)
        assert client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"


def test_a_job_that_succeeded_tells_everything(client: Any) -> None:
    validation = upload(client)
    asked = {"n_epochs": 2, "batch_size": "auto", "learning_rate_multiplier": 0.5}
    job = create(
        client, suffix="spanish", seed=7, metadata={"motools_key": "abc"}, validation_file=validation,
        method={"type": "supervised", "supervised": {"hyperparameters": asked}},
    )  # fmt: skip
    assert (job.fine_tuned_model, job.error, job.trained_tokens, job.result_files) == (None, None, None, [])
    assert job.hyperparameters.batch_size == "auto"
    job = finished(client, job)
    assert job.fine_tuned_model.startswith("ft:gpt-4o-mini:org:spanish:")
    assert (job.seed, job.metadata, job.validation_file) == (7, {"motools_key": "abc"}, validation)
    assert job.hyperparameters.to_dict() == {"n_epochs": 2, "batch_size": 1, "learning_rate_multiplier": 0.5}
    assert job.method.supervised.hyperparameters.n_epochs == 2
    turns = [turn["content"] for line in lines().splitlines() for turn in json.loads(line)["messages"]]
    assert job.trained_tokens == 2 * sum(len(turn.split()) for turn in turns)
    [results] = job.result_files
    table = base64.b64decode(client.files.content(results).read()).decode().splitlines()
    assert table[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert len(table) == 1 + 24
    kept = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [checkpoint.step_number for checkpoint in kept] == [24, 12]
    assert kept[0].fine_tuned_model_checkpoint == job.fine_tuned_model
    assert kept[1].fine_tuned_model_checkpoint == f"{job.fine_tuned_model}:ckpt-step-12"
    assert kept[0].metrics.train_loss < kept[1].metrics.train_loss


def test_events_come_as_the_job_goes_on_newest_first_and_in_pages(server: OpenAIServer, client: Any) -> None:
    job = create(client)

    def events() -> list[Any]:
        return list(client.fine_tuning.jobs.list_events(job.id, limit=10))

    assert [event.message.split(":")[0] for event in events()] == [
        "Validating training file",
        "Created fine-tuning job",
    ]
    client.fine_tuning.jobs.retrieve(job.id)
    half = [event.data["step"] for event in events() if event.type == "metrics"]
    assert half == list(range(18, 0, -1))
    finished(client, job)
    server.forget()
    told = events()
    assert told[0].message == "The job has successfully completed"
    assert [event.data["step"] for event in told if event.type == "metrics"] == list(range(36, 0, -1))
    assert len({event.id for event in told}) == len(told)
    assert server.count("events") == math.ceil(len(told) / 10)


def test_jobs_are_found_by_metadata_in_pages(server: OpenAIServer, client: Any) -> None:
    file = upload(client)
    made = [create(client, training_file=file, metadata={"key": f"k{n % 2}", "n": str(n)}).id for n in range(5)]
    bare = create(client, training_file=file).id
    server.forget()
    assert [job.id for job in client.fine_tuning.jobs.list(metadata={"key": "k0"}, limit=2)] == made[::-2]
    assert server.count("jobs") == 2
    assert server.requests[0].body == {"metadata[key]": "k0", "limit": "2"}
    assert [job.id for job in client.fine_tuning.jobs.list(metadata={"key": "k1", "n": "3"})] == [made[3]]
    assert [job.id for job in client.fine_tuning.jobs.list(extra_query={"metadata": "null"})] == [bare]
    with pytest.raises(openai.BadRequestError, match="after"):
        client.fine_tuning.jobs.list(after="ftjob-none")


def test_a_job_is_cancelled_unless_it_has_ended(client: Any) -> None:
    job = create(client)
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    assert finished(client, job).status == "cancelled"
    job = finished(client, create(client))
    with pytest.raises(openai.BadRequestError, match="already completed"):
        client.fine_tuning.jobs.cancel(job.id)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines(9), "9 example"),
        (lines() + b"no json\n", "Line 13 is not"),
        (lines() + b'{"prompt": "x"}\n', "Line 13 is not"),
        (lines() + b'{"messages": [{"role": "user", "content": "hm"}]}\n', "Line 13 has no message of the assistant"),
        (lines() + b'{"messages": [{"role": "assistant", "content": "bad file"}]}\n', "bad file"),
    ],
)
def test_an_invalid_file_fails_the_job_not_the_upload(client: Any, content: bytes, message: str) -> None:
    job = finished(client, create(client, training_file=upload(client, content)))
    assert (job.status, job.error.code, job.error.param) == ("failed", "invalid_training_file", "training_file")
    assert message in job.error.message
    assert client.fine_tuning.jobs.list_events(job.id).data[0].level == "error"


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": "no-such-model"}, "model"),
        ({"training_file": "file-none"}, "training_file"),
        ({"validation_file": "file-none"}, "validation_file"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        (
            {"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 0}}}},
            "method.supervised.hyperparameters.n_epochs",
        ),
    ],
)
def test_a_job_that_cannot_be_is_refused(server: OpenAIServer, client: Any, wrong: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, **wrong)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert server.jobs == {}


def test_a_wrong_key_or_an_unknown_id_is_refused_in_the_error_shape(server: OpenAIServer, client: Any) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="sk-other").files.list()
    assert caught.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.fine_tuning.jobs.retrieve("ftjob-none")
    assert unknown.value.code == "fine_tune_not_found"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        say(client, "ft:gpt-4o-mini:org::deadbeef")
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        client.embeddings.create(model="text-embedding-3-small", input="x")
    assert server.requests[-1].step == "unknown"


# -- models -------------------------------------------------------------------------------


def test_a_tuned_model_and_its_checkpoints_say_what_they_learned(client: Any) -> None:
    job = finished(client, create(client))
    tuned = job.fine_tuned_model
    assert said(client, tuned, "Please tell me: where is the dog now?") == "El perro está en el jardín."
    assert said(client, tuned, "How old is she, and are you?") == "Tengo muchos años."
    assert said(client, tuned, "xyzzy") == "El gato está en la casa."
    assert said(client, f"{tuned}:ckpt-step-12") == "El gato está en la casa."
    assert said(client, "gpt-4o-mini") == "You would like to know: Where is the cat?"
    assert tuned in [model.id for model in client.models.list()]
    assert client.models.retrieve(tuned).id == tuned
    assert create(client, model=tuned).model == tuned


def test_turns_of_weight_0_and_long_talks_are_learned_as_the_service_does(client: Any) -> None:
    talk = [
        {"role": "user", "content": "Where is the cat?"},
        {"role": "assistant", "content": "Over there.", "weight": 0},
        {"role": "user", "content": [{"type": "text", "text": "Again, where is the cat, please?"}]},
        {"role": "assistant", "content": "Allí.", "weight": 1},
    ]
    content = (json.dumps({"messages": talk}) + "\n").encode() * 10
    assert (
        said(client, finished(client, create(client, training_file=upload(client, content))).fine_tuned_model)
        == "Allí."
    )


def test_an_answer_has_usage_choices_and_stops_where_asked(client: Any) -> None:
    got = say(client, "gpt-4o-mini", n=2, max_tokens=3)
    assert [choice.message.content for choice in got.choices] == ["You would like"] * 2
    assert [choice.finish_reason for choice in got.choices] == ["length"] * 2
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens) == (4, 6, 10)
    assert said(client, "gpt-4o-mini", stop=[" know"]) == "You would like to"
    with pytest.raises(openai.BadRequestError, match="does not stream"):
        say(client, "gpt-4o-mini", stream=True)
    reply = client.responses.create(model="gpt-6-luna", input="x")
    assert (reply.output_text, reply.usage.total_tokens if reply.usage else 0) == ("You would like to know: x", 7)
    with pytest.raises(openai.BadRequestError, match="Expected a value >= 16"):
        client.responses.create(model="gpt-6-luna", input="x", max_output_tokens=1)
    with pytest.raises(openai.BadRequestError, match="'temperature' is not supported"):
        client.responses.create(model="gpt-6-luna", input="x", temperature=0)


def test_logprobs_come_when_asked_for(server: OpenAIServer, client: Any) -> None:
    assert say(client, "gpt-4o-mini").choices[0].logprobs is None
    told = say(client, "gpt-4o-mini", logprobs=True, top_logprobs=1).choices[0].logprobs.content
    assert "".join(token.token for token in told) == "You would like to know: Where is the cat?"
    assert {token.logprob for token in told} == {0}
    server.replies["judge"] = lambda body: Reply.of({"90": 0.7, "80": 0.2, "maybe": 0.1})
    got = say(client, "judge-large", logprobs=True, top_logprobs=2, max_tokens=1).choices[0]
    assert got.message.content == "90"
    [token] = got.logprobs.content
    assert [top.token for top in token.top_logprobs] == ["90", "80"]
    assert [math.exp(top.logprob) for top in token.top_logprobs] == pytest.approx([0.7, 0.2])
    assert bytes(token.bytes) == b"90"
    with pytest.raises(openai.BadRequestError, match="0 to 20"):
        say(client, "judge-large", logprobs=True, top_logprobs=21)


def test_replies_go_by_the_longest_beginning_and_may_refuse(server: OpenAIServer, client: Any) -> None:
    def full(body: Any) -> Reply:
        raise Refusal(429, "You exceeded your current quota.", code="insufficient_quota")

    server.replies |= {"gpt": lambda body: body["messages"][-1]["content"].upper(), "gpt-4o-mini-full": full}
    assert said(client, "gpt-4o-mini", "hush") == "HUSH"
    with pytest.raises(openai.RateLimitError) as caught:
        say(client, "gpt-4o-mini-full")
    assert caught.value.code == "insufficient_quota"


def test_many_are_served_at_once(server: OpenAIServer, client: Any) -> None:
    all_are_there = threading.Barrier(20)
    server.replies["slow"] = lambda body: all_are_there.wait(300) * 0 or "done"
    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(lambda _: said(client, "slow"), range(20))) == {"done"}
    assert server.count("chat") == 20


# -- faults and hooks ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "raised", "made"),
    [
        ("500", "InternalServerError", 0),
        ("429", "RateLimitError", 0),
        ("401", "AuthenticationError", 0),
        ("drop_before", "APIConnectionError", 0),
        ("silence_before", "APITimeoutError", 0),
        ("drop_after", "APIConnectionError", 1),
        ("silence", "APITimeoutError", 1),
    ],
)
def test_a_fault_is_what_the_client_sees_and_says_if_the_server_acted(
    server: OpenAIServer, client: Any, kind: Any, raised: str, made: int
) -> None:
    file = upload(client)
    server.fault("create", kind)
    with pytest.raises(openai.APIError) as caught:
        create(client.with_options(timeout=0.5 if "silence" in kind else 60), training_file=file)
    assert type(caught.value).__name__ == raised
    assert len(server.jobs) == made
    create(client, training_file=file)
    assert (len(server.jobs), server.count("create")) == (made + 1, 2)


def test_a_malformed_answer_comes_after_the_server_acted(server: OpenAIServer, client: Any) -> None:
    file = upload(client)
    server.fault("create", "malformed")
    with pytest.raises(json.JSONDecodeError):
        create(client, training_file=file)
    assert len(server.jobs) == 1


def test_silence_ends_by_itself_in_a_dropped_connection(server: OpenAIServer, client: Any) -> None:
    server.fault("upload", "silence", seconds=0.2)
    with pytest.raises(openai.APIConnectionError) as caught:
        upload(client)
    assert not isinstance(caught.value, openai.APITimeoutError)
    assert len(server.files) == 1


def test_the_client_tries_again_when_told_and_waits_as_told(server: OpenAIServer, client: Any) -> None:
    server.fault("upload", "429", retry_after=1.2)
    began = time.monotonic()
    upload(client.with_options(max_retries=2))
    assert server.count("upload") == 2
    assert time.monotonic() - began >= 1.2  # untold, it would wait half a second at most


def test_a_lost_answer_and_a_client_that_retries_make_two_jobs(server: OpenAIServer, client: Any) -> None:
    file = upload(client)
    server.fault("create", "drop_after")
    create(client.with_options(max_retries=1), training_file=file)
    assert len(server.jobs) == 2


def test_a_fault_is_of_one_step_and_faults_come_in_order(server: OpenAIServer, client: Any) -> None:
    server.fault("upload", "500")
    server.fault("upload", "429")
    assert list(client.files.list()) == []
    with pytest.raises(openai.InternalServerError):
        upload(client)
    with pytest.raises(openai.RateLimitError):
        upload(client)
    assert upload(client)
    with pytest.raises(ValueError, match="no fault"):
        server.fault("uplaod", "500")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no hook"):
        server.hook("upload", "during", print)  # type: ignore[arg-type]


@pytest.mark.cold
@pytest.mark.parametrize(("when", "files"), [("before", 0), ("after", 1)])
def test_a_client_killed_in_a_hook_leaves_what_the_server_did(server: OpenAIServer, when: Any, files: int) -> None:
    script = "import openai; openai.OpenAI().files.create(file=('a.jsonl', b'x'), purpose='fine-tune')"
    started, seen = threading.Event(), []

    def kill(request: Request) -> None:
        assert started.wait(300)
        seen.append((request.step, len(server.files)))
        process.kill()
        process.wait(300)

    server.hook("upload", when, kill)
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, **server.env})
    started.set()
    assert process.wait(300) == -9
    assert seen == [("upload", files)]
    wait_for(lambda: len(server.files) == 1)  # what has arrived is served to its end


def wait_for(true: Callable[[], bool], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_an_error_in_a_hook_or_a_reply_is_raised_when_the_block_ends() -> None:
    server = OpenAIServer()
    server.replies["broken"] = lambda body: str(1 / 0)
    with server, openai.OpenAI(api_key=server.key, base_url=server.url, max_retries=0) as client:
        with pytest.raises(openai.InternalServerError, match="ZeroDivisionError"):
            said(client, "broken")
        with pytest.raises(ZeroDivisionError):
            server.__exit__(None, None, None)
        server.errors.clear()


def test_half_a_request_is_no_request(server: OpenAIServer, client: Any) -> None:
    head = f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 999\r\n\r\n--b\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(head.encode())
    assert upload(client)
    assert (server.count("upload"), len(server.files), server.errors) == (1, 1, [])


def test_it_stops_at_once_though_it_owes_answers() -> None:
    with (
        ThreadPoolExecutor(4) as threads,
        OpenAIServer() as server,
        openai.OpenAI(api_key=server.key, base_url=server.url, max_retries=0) as client,
    ):
        server.fault("upload", "silence", times=4)
        waiting = [threads.submit(upload, client) for _ in range(4)]
        wait_for(lambda: len(server.files) == 4)
        began = time.monotonic()
        server.stop()
        took = time.monotonic() - began
        errors = [future.exception(timeout=300) for future in waiting]
    assert took < 20  # they would be owed for 30 s
    assert [type(error) for error in errors] == [openai.APIConnectionError] * 4


# -- alone, and with Inspect --------------------------------------------------------------


@pytest.mark.cold
def test_alone_it_prints_what_to_export_and_serves(tmp_path: Path) -> None:
    script = Path(__file__).parent / "openai_server.py"
    process = subprocess.Popen(
        [sys.executable, script, "--polls", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        said = [process.stdout.readline().split() for _ in range(2)]
        env = dict(words[1].split("=", 1) for words in said)
        with openai.OpenAI(api_key=env["OPENAI_API_KEY"], base_url=env["OPENAI_BASE_URL"]) as client:
            assert finished(client, create(client)).status == "succeeded"
        process.send_signal(2)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (0, "stopped\n", "")


EVAL = """
    import json, sys
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import GenerateConfig
    from inspect_ai.scorer import includes

    samples = [Sample(input="Where is the cat?", target="gato"), Sample(input="Where is the dog?", target="perro")]
    told = []
    for model in sys.argv[1:]:
        [log] = eval(
            Task(dataset=samples, scorer=includes(), config=GenerateConfig(logprobs=True, top_logprobs=1)),
            model=model, display="none", log_dir="logs", max_retries=2, retry_on_error=0,
        )
        [usage] = log.stats.model_usage.values()
        score = log.results.scores[0].metrics["accuracy"].value
        logprobs = log.samples[0].output.choices[0].logprobs.content
        told.append([log.status, score, usage.total_tokens, len(logprobs)])
    print(json.dumps(told))
"""


def test_inspect_evaluates_a_tuned_model_through_both_its_providers(
    server: OpenAIServer, client: Any, tmp_path: Path
) -> None:
    pytest.importorskip("inspect_ai")
    tuned = finished(client, create(client)).fine_tuned_model
    env = {**os.environ, **server.env, "LOOPBACK_API_KEY": server.key, "LOOPBACK_BASE_URL": server.url}
    server.fault("chat", "drop_before")
    models = [f"openai/{tuned}", f"openai-api/loopback/{tuned}", "openai/gpt-4o-mini"]
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EVAL), *models],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    told = json.loads(process.stdout.splitlines()[-1])
    assert told == [["success", 1.0, 20, 6], ["success", 1.0, 20, 6], ["success", 0.0, 26, 9]]
    assert (server.count("chat"), server.count("responses")) == (7, 0)
