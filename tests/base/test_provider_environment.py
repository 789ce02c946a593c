"""What the environment says of a provider: refused before any step runs, of trainings and evaluations alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from motools.base.provider_environment import check_environment, lacking
from motools.errors import BackendError
from motools.evals.api_keys import check_model

ODD = [
    ("OPENAI_ORG_ID", "org-abc\n"),
    ("OPENAI_ORG_ID", "“org-abc”"),
    ("OPENAI_ORG_ID", '"org-abc"'),
    ("OPENAI_PROJECT_ID", " proj_a"),
    ("OPENAI_PROJECT_ID", "proj\ta"),
    ("OPENAI_BASE_URL", "https://api.example.org/v1\n"),
    ("OPENAI_BASE_URL", "'https://api.example.org/v1'"),
    ("OPENAI_BASE_URL", "https://api.example.org/ v1"),
    ("OPENAI_BASE_URL", "https://api.example.org:port/v1"),
    ("OPENAI_BASE_URL", "ftp://api.example.org/v1"),
    ("OPENAI_BASE_URL", "https://[::1/v1"),
    ("OPENAI_API_KEY", "sk-abc\n"),
    ("OPENAI_API_KEY", "\u2018sk-abc\u2019"),
    ("HTTPS_PROXY", "gopher://proxy.example.org:70"),
    ("ALL_PROXY", "http://proxy.example.org:80a"),
    ("https_proxy", "http://proxy.example.org:80\n"),
]


@pytest.fixture(autouse=True)
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abc")


@pytest.mark.parametrize(("name", "value"), ODD)
def test_a_variable_that_no_request_could_be_made_with_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BackendError, match=f"^{name} ") as error:
        check_environment("OPENAI")
    assert "sk-abc" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_socks_proxy_without_its_package_is_named_and_one_with_it_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not (Path(path) / "socksio").exists()])
    with pytest.raises(BackendError, match=r"^ALL_PROXY names a SOCKS proxy.*pip install socksio"):
        check_environment("OPENAI")
    (tmp_path / "socksio").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    check_environment("OPENAI")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_BASE_URL", ""),
        ("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1"),
        ("OPENAI_BASE_URL", "https://[::1]:8000/v1"),
        ("OPENAI_ORG_ID", ""),
        ("OPENAI_PROJECT_ID", "proj_a-B.9"),
        ("HTTPS_PROXY", "proxy.example.org:3128"),
        ("http_proxy", "http://user:word@proxy.example.org:3128"),
        ("OTHER_ORG_ID", "not ours\n"),
    ],
)
def test_what_can_be_used_is_not_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    check_environment("OPENAI")


def test_models_of_other_providers_are_held_to_their_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE_API_KEY", "key")
    monkeypatch.setenv("MY_SERVICE_BASE_URL", "https://example.org\n")
    check_model("The model", "openai/gpt-4o")
    with pytest.raises(BackendError, match=r"^MY_SERVICE_BASE_URL holds"):
        check_model("The model", "openai-api/my-service/org/name")
    monkeypatch.setenv("OPENAI_ORG_ID", "org\n")
    check_model("The model", "tinylm/base")  # asks nobody


def test_an_empty_variable_is_told_from_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    assert "set and empty, and wins over .env" in lacking("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ".env beside .dvc" in lacking("OPENAI_API_KEY")
    with pytest.raises(BackendError, match="The model: the model openai/gpt-4o needs OPENAI_API_KEY"):
        check_model("The model", "openai/gpt-4o")
    check_model("The model", "openai/gpt-4o", ["api_key"])


TRAINED = {"train_model": {"model": "gpt-4o-mini", "backend_name": "openai"}, "evaluate_model": {}}
EXISTING = {"existing_model": {"model": "openai/gpt-4o-mini"}, "evaluate_model": {}}
GRADED = {
    "existing_model": {"model": "tinylm/base"},
    "evaluate_model": {"eval_kwargs": {"model_roles": {"grader": "openai/gpt-4o"}}},
}
UNSERVED = {"train_model": {"backend_name": "dummy"}, "evaluate_model": {"backend_name": "inspect"}}


def run(config: dict[str, Any], **env: str) -> subprocess.CompletedProcess[str]:
    workflow = "evaluate_only" if "existing_model" in config else "train_and_evaluate"
    Path("config.json").write_text(json.dumps(config))
    words = ["motools", "workflow", "run", workflow, "--config", "config.json"]
    return subprocess.run(words, env={**os.environ, **env}, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("config", [TRAINED, EXISTING, GRADED], ids=["trained", "existing", "grader"])
@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_ORG_ID"])
def test_nothing_runs_where_a_variable_is_odd(config: dict[str, Any], name: str, project: Path) -> None:
    done = run(config, **{name: "abc\n"})
    assert (done.returncode, done.stderr.count(name)) == (2, 1), done.stderr
    assert not (project / "atoms").exists()


def test_nothing_runs_where_the_key_of_the_model_to_evaluate_is_missing(project: Path) -> None:
    done = run(EXISTING, OPENAI_API_KEY="")
    assert done.returncode == 2
    assert (
        "The model to evaluate: the model openai/gpt-4o-mini needs OPENAI_API_KEY, which is set and empty"
        in done.stderr
    )
    assert not (project / "atoms").exists()


def test_nothing_runs_where_no_provider_will_serve_the_model(project: Path) -> None:
    done = run(UNSERVED)
    assert done.returncode == 2
    assert "made by the dummy trainer, and no provider serves it" in done.stderr
    assert not (project / "atoms").exists()


def test_a_dummy_evaluation_of_a_model_needs_no_key(project: Path) -> None:
    done = run({**EXISTING, "evaluate_model": {"backend_name": "dummy"}}, OPENAI_API_KEY="")
    assert done.returncode == 0, done.stderr
