"""Keys go only to hosts that the person's own surroundings name, or that the person has allowed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chain import commit, dvc
from openai_scene import Scene
from openai_server import OpenAIServer

from motools.atom import ModelAtom
from motools.base import trusted_hosts
from motools.errors import UserError

KEY = "sk-the-users-own-0123456789abcdef"


@pytest.mark.parametrize(
    "values",
    [
        {"base_url": "http://127.0.0.1:6000/v1"},
        {"base_url": "https://evil.example/v1"},
        {"base_url": "evil.example"},
        {"azure_endpoint": "https://evil.example"},
        {"endpoint": "evil"},
        {"OPENAI_BASE_URL": "//evil.example"},
        {"OLLAMA_HOST": "evil:11434"},
        {"HTTPS_PROXY": "evil:8080"},
        {"proxies": {"all": "evil:8080"}},
        {"client": {"hosts": ["api.openai.com", "evil.example"]}},
        {"anything": "https://evil.example"},
        {"location": "evil.example/"},
        {"region": "x@evil.example#"},
        {"base_url": "https://api.openai.com@evil.example/v1"},
        {"base_url": "https://api.openai.com\\@evil.example/v1"},
        {"base_url": "https://evil.example\\.api.openai.com/"},
        {"base_url": "https://évil.example"},
        {"location": "évil.example/"},
        {"location": "evil\u3002example/"},
        {"base_url": "https://api.openai.com.evil.example"},
        {"base_url": "http://127.0.0.1:5000@evil.example"},
        {"base_url": "http://[::1]:5000/v1"},
        {"base_url": "https://api.openai.com:port/"},
    ],
    ids=repr,
)
def test_a_host_that_nobody_has_named_is_refused(values: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:5000/v1")
    monkeypatch.setenv("HTTP_PROXY", "http://evil:8080")  # what carries requests is no server to send keys to
    said = trusted_hosts.refusal(values, "It")
    assert said is not None
    assert said.startswith("It ")


@pytest.mark.parametrize(
    "values",
    [
        {"base_url": "http://127.0.0.1:5000/other"},
        {"base_url": "https://API.openai.com./v1"},
        {"responses_api": False, "device": "cuda:0", "location": "us-central1", "tokenizer": "org/name-7b.v2"},
        {
            "revision": "v1.0",
            "model": "llama3.1:8b",
            "path": "/data/model.bin",
            "file": "./a.d/b",
            "n": 3,
            "none": None,
        },
        {"base_url": "", "date": "2024-05-01", "words": "a sentence. And more: of it"},
        None,
        {},
    ],
    ids=repr,
)
def test_a_host_of_ones_own_and_what_is_no_host_pass(values: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:5000/v1")
    assert trusted_hosts.refusal(values, "It") is None


def test_the_refusal_says_what_to_type_and_typing_it_is_enough() -> None:
    for address in ("https://api.example.org/v1", "http://127.0.0.1:8000/v1", "http://[::1]:80/", "gpu1:9"):
        said = trusted_hosts.refusal({"args": {"base_url": address}}, "The model")
        assert said is not None
        assert "(args.base_url)" in said
        command, host = said.rpartition("motools trust ")[1:]
        assert command
        trusted_hosts.allow(host)
        assert trusted_hosts.refusal({"args": {"base_url": address}}, "The model") is None


def test_a_host_without_a_port_is_allowed_at_all_of_them_and_one_with_it_at_that_alone() -> None:
    assert trusted_hosts.allow("127.0.0.1:8000") == "127.0.0.1:8000"
    assert trusted_hosts.refusal({"base_url": "http://127.0.0.1:8000"}, "It") is None
    assert trusted_hosts.refusal({"base_url": "http://127.0.0.1:8001"}, "It") is not None
    assert trusted_hosts.allow("https://Api.Example.org/v1") == "api.example.org:443"
    assert (
        trusted_hosts.refusal({"base_url": "http://api.example.org"}, "It") is not None
    )  # where all on the way read along
    assert trusted_hosts.allow("api.example.org") == "api.example.org"
    assert trusted_hosts.refusal({"base_url": "http://api.example.org"}, "It") is None
    trusted_hosts.forget("127.0.0.1:8000")
    assert trusted_hosts.refusal({"base_url": "http://127.0.0.1:8000"}, "It") is not None
    with pytest.raises(UserError, match="not among the hosts that you have allowed"):
        trusted_hosts.forget("127.0.0.1:8000")


@pytest.mark.parametrize("text", ["", "a b", "https://", "evil\\host", "a@b", "évil.example", "*", "#x", "a\nb"])
def test_what_is_no_host_cannot_be_allowed(text: str) -> None:
    with pytest.raises(UserError, match="is no host"):
        trusted_hosts.allow(text)


def test_hosts_are_kept_outside_of_the_project_listed_and_taken_back(project: Path) -> None:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["motools", "trust", *words], capture_output=True, text=True, timeout=300)

    assert call("api.example.org").stdout == "api.example.org: trusted with your keys\n"
    assert call("api.example.org").returncode == 0
    kept = Path(os.environ["XDG_CONFIG_HOME"]) / "motools" / "trusted_hosts"
    assert kept.read_text() == "api.example.org\n"
    assert not kept.is_relative_to(project)
    assert "api.example.org\tmotools trust\n" in call("--list").stdout
    listed = json.loads(call("--list", "--json").stdout)
    assert {"host": "api.example.org", "named_by": "motools trust"} in listed
    assert call("--remove", "api.example.org").stdout == "api.example.org: no longer trusted\n"
    assert "api.example.org" not in call("--list").stdout
    for words in ((), ("--remove", "api.example.org"), ("no host",)):
        done = call(*words)
        assert done.returncode == 2
        assert done.stderr.startswith("Error: ")


# -- who gets the key ------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[OpenAIServer]:
    """A server that the person has not named."""
    with OpenAIServer(key=KEY) as server:
        server.replies["gpt-4o-mini"] = lambda body: "Hello"
        yield server


ASKS = "mozoo.tasks.hello_world:hello_world"


def evaluating(folder: Path, server: OpenAIServer, model_args: dict[str, Any], kwargs: dict[str, Any]) -> Scene:
    params = {
        "workflow": "evaluate_only",
        "existing_model": {"model": "openai/gpt-4o-mini", "model_args": {"responses_api": False, **model_args}},
        "evaluate_model": {"eval_task": ASKS, "eval_kwargs": {"limit": 1, **kwargs}},
    }
    (folder / "params.yaml").write_text(json.dumps(params))
    return Scene(folder, server)


def as_atom(folder: Path, server: OpenAIServer) -> tuple[str, ...]:
    """An atom that somebody has shared, as the input of a workflow of one's own."""
    reach = {"model": "openai/gpt-4o-mini", "model_args": {"responses_api": False, "base_url": server.url}}
    atom = ModelAtom.create(user="them", metadata={"model_id": "gpt-4o-mini", "inspect": reach})
    (folder / "wf.py").write_text(
        "from mozoo.workflows.evaluate_only import workflow as full\n"
        "from motools.workflow import Workflow\n"
        "workflow = Workflow('ev', [full.step('evaluate_model')])\n"
    )
    config = folder / "config.yaml"
    config.write_text(json.dumps({"evaluate_model": {"eval_task": ASKS, "eval_kwargs": {"limit": 1}}}))
    return ("workflow", "run", "wf.py:workflow", "--config", "config.yaml", "--input", f"base_model={atom.id}")


def as_params(folder: Path, server: OpenAIServer) -> tuple[str, ...]:
    evaluating(folder, server, {"base_url": server.url}, {})
    return ("run",)


def as_options(folder: Path, server: OpenAIServer) -> tuple[str, ...]:
    evaluating(folder, server, {}, {"model_args": {"base_url": server.url}})
    return ("run",)


def as_committed_env(folder: Path, server: OpenAIServer) -> tuple[str, ...]:
    evaluating(folder, server, {}, {})
    (folder / ".env").write_text(f"OPENAI_BASE_URL={server.url}\n")
    subprocess.run(["git", "add", "-f", ".env"], cwd=folder, check=True)
    commit(folder)
    return ("run",)


WAYS = [as_atom, as_params, as_options, as_committed_env]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_key_goes_to_a_host_that_came_with_the_work_only_when_the_person_says_so(
    project: Path, elsewhere: OpenAIServer, way: Callable[..., tuple[str, ...]]
) -> None:
    words = way(project, elsewhere)
    env = {**os.environ, "OPENAI_API_KEY": KEY}
    refused = Scene(project, elsewhere).call(*words, env=env)
    assert refused.code != 0
    host = f"127.0.0.1:{elsewhere.port}"
    assert f"type: motools trust {host}" in refused.err
    assert "Traceback" not in refused.err
    assert elsewhere.requests == []
    if way is not as_atom:  # which is known only when its evaluation begins
        assert refused.code == 2
        assert not (project / "atoms").exists()
    named = {**env, "OPENAI_BASE_URL": elsewhere.url}  # the person's own environment
    if way is not as_committed_env:
        named |= {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "MY_OTHER_HOST": host}
    if way is as_params:
        assert Scene(project, elsewhere).call(*words, env=named).code == 0
        return
    assert Scene(project, elsewhere).call("trust", host, env=env).code == 0
    done = Scene(project, elsewhere).call(*words, env=env)
    assert done.code == 0, done.err
    assert elsewhere.count("chat") == 1


def test_a_training_goes_to_no_host_that_a_committed_env_file_names(project: Path, elsewhere: OpenAIServer) -> None:
    scene = Scene.lay(project, elsewhere)
    (project / ".env").write_text(f"OPENAI_BASE_URL={elsewhere.url}\n")
    env = {**os.environ, "OPENAI_API_KEY": KEY}
    subprocess.run(["git", "add", "-f", ".env"], cwd=project, check=True)
    for words in (("run",), ("jobs", "cancel", "ftjob-x"), ("step", "run", "train_and_evaluate", "train_model")):
        done = scene.call(*words, env=env)
        assert done.code == 2
        assert f"{project}/.env, which git keeps, would have requests" in done.err
    assert elsewhere.requests == []
    subprocess.run(["git", "rm", "-q", "--cached", ".env"], cwd=project, check=True)  # now it is the person's own
    assert scene.run(env=env).code == 0


@pytest.mark.parametrize("how", ["by DVC", "as a link"])
def test_an_env_file_that_comes_in_another_way_is_no_more_trusted(project: Path, how: str) -> None:
    text = "OPENAI_BASE_URL=https://evil.example/v1\n"
    (project / ".env").write_text(text)
    if how == "by DVC":
        dvc(project, "add", "-q", ".env")
    else:
        (project / ".env").rename(project / "settings")
        (project / ".env").symlink_to("settings")
        subprocess.run(["git", "add", "settings"], cwd=project, check=True)
    done = subprocess.run(["motools", "jobs", "show", "x"], cwd=project, capture_output=True, text=True)
    assert done.returncode == 2
    assert f".env, which {'DVC' if how == 'by DVC' else 'git'} keeps, would have requests" in done.stderr
    assert "motools trust evil.example" in done.stderr


@pytest.mark.parametrize(
    "line", [f"{name}=/elsewhere" for name in (*trusted_hosts.MOVING, "GIT_SSH_COMMAND", "LD_PRELOAD")]
)
def test_a_committed_env_file_cannot_move_what_decides_who_is_trusted(project: Path, line: str) -> None:
    (project / ".env").write_text(f"{line}\n")
    subprocess.run(["git", "add", "-f", ".env"], cwd=project, check=True)
    name = line.partition("=")[0]
    env = {key: value for key, value in os.environ.items() if key != name}
    done = subprocess.run(["motools", "jobs", "show", "x"], cwd=project, env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert f".env, which git keeps, sets {name}" in done.stderr


def test_a_committed_env_file_may_say_all_else_and_what_is_set_already_wins(
    project: Path, elsewhere: OpenAIServer
) -> None:
    scene = Scene.lay(project, elsewhere)
    (project / ".env").write_text("OPENAI_BASE_URL=https://evil.example/v1\nOPENAI_PROJECT_ID=proj_1\nNOTE=a/b\n")
    subprocess.run(["git", "add", "-f", ".env"], cwd=project, check=True)
    done = scene.run(env={**os.environ, **elsewhere.env})
    assert done.code == 0, done.err
    assert elsewhere.count("create") == 1
