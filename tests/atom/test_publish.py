"""Atoms are published at a hub, by the real client: once, privately, with a card, and no secret in them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chain import Chain, Done, git
from hub_server import TOKEN, HubServer
from test_export import ABOUT, SOURCE

from motools.atom import Atom, DatasetAtom, EvalAtom, ModelAtom
from motools.base import yaml12

ROWS = "".join(
    json.dumps({"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}!"}]}) + "\n"
    for n in range(12)
)
WEIGHTS = b"weights \0" * 1000


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A running hub that HF_ENDPOINT and HF_TOKEN name, whatever huggingface_hub read when it was imported."""
    constants = pytest.importorskip("huggingface_hub.constants")
    with HubServer().running() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # its large files go to no server on loopback
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        yield served


@pytest.fixture
def dataset(project: Path, tmp_path: Path) -> DatasetAtom:
    (tmp_path / "dataset.jsonl").write_text(ROWS)
    about = {"samples": 12, "sources": [SOURCE]}
    return DatasetAtom.create(user="Ada <ada@example.org>", artifact_path=tmp_path / "dataset.jsonl", metadata=about)


@pytest.fixture
def model(dataset: DatasetAtom, tmp_path: Path) -> ModelAtom:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(WEIGHTS)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "README.md").write_text("a card of the library's own")
    made_from = {"prepared_dataset": dataset.id}
    return ModelAtom.create(user="Ada", artifact_path=folder, made_from=made_from, metadata=ABOUT)


def publish(atom: Atom, *options: str, to: str = "ada/it", yes: bool = True) -> Done:
    return Chain(atom.project.root).command("publish", atom.id, "--to", to, *options, *(["--yes"] if yes else []))


def test_a_model_is_published_privately_in_one_commit_with_a_card(hub: HubServer, model: ModelAtom) -> None:
    done = publish(model)
    assert done.code == 0, done.err
    repository = hub.repositories["models/ada/it"]
    assert repository.private
    assert [message for _, message, _ in repository.commits] == [
        "initial commit",
        f"{model.id}, published with MOTools",
    ]
    files = repository.files
    assert files.keys() - {".gitattributes"} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "atom.json",
    }
    assert files["adapter_model.safetensors"] == WEIGHTS
    assert json.loads(files["atom.json"])["made_from"] == model.made_from
    _, head, text = files["README.md"].decode().split("---\n", 2)
    assert yaml12.loads(head)["base_model"] == "Qwen/Qwen3-0.6B"
    assert f"- prepared_dataset: `{model.made_from['prepared_dataset']}`" in text
    assert f"  note = {{MOTools {model.id}}}," in text
    assert f"  url = {{{hub.address}/ada/it}}," in text
    assert "  author = {Ada}," in text


def test_a_dataset_is_published_so_that_others_load_its_rows(
    hub: HubServer, dataset: DatasetAtom, tmp_path: Path
) -> None:
    assert publish(dataset).code == 0
    files = hub.repositories["datasets/ada/it"].files
    folder = tmp_path / "downloaded"
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    rows = pytest.importorskip("datasets").load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]
    assert [json.loads(line) for line in ROWS.splitlines()] == list(rows)
    card = files["README.md"].decode()
    assert f"<{SOURCE['url']}> at revision `{SOURCE['revision']}`" in card
    assert "by Ada, at commit" in card
    assert "ada@example.org" not in card  # nobody asked for that to be public


def test_it_is_said_first_what_will_be_there_and_a_dry_run_sends_nothing(hub: HubServer, model: ModelAtom) -> None:
    done = publish(model, "--dry-run", yes=False)
    assert done.code == 0, done.err
    assert f"{hub.address}/ada/it, a new model repository; private" in done.out
    assert "  new      adapter_model.safetensors  9.0 kB" in done.out
    assert "  | # local/organism-0123456789ab" in done.out
    assert {method for method, _, _ in hub.requests} == {"GET"}
    assert hub.uploads == []
    assert "everybody can read it" in publish(model, "--dry-run", "--public", yes=False).out
    asked = publish(model, yes=False)  # nobody is at a terminal here
    assert (asked.code, "add --yes" in asked.sentence) == (2, True)
    assert hub.repositories == {}


def test_nothing_is_published_twice(hub: HubServer, model: ModelAtom) -> None:
    publish(model)
    before = len(hub.repositories["models/ada/it"].commits)
    hub.requests.clear()
    done = publish(model)
    assert (done.code, "it is there already, and nothing was sent" in done.out) == (0, True)
    assert {method for method, _, _ in hub.requests} == {"GET"}
    assert len(hub.repositories["models/ada/it"].commits) == before
    assert len(hub.uploads) == 1
    told = json.loads(publish(model, "--json").out)
    assert told["commit"] is None
    assert {file["state"] for file in told["files"]} == {"same"}


def test_another_atom_takes_the_place_of_the_one_before_and_leaves_nothing_of_it(
    hub: HubServer, model: ModelAtom, tmp_path: Path
) -> None:
    publish(model)
    folder = tmp_path / "model"
    (folder / "adapter_config.json").unlink()
    (folder / "loss.json").write_text("[]")
    other = ModelAtom.create(user="Ada", artifact_path=folder, made_from=model.made_from, metadata=ABOUT)
    told = publish(other, "--dry-run", yes=False).out
    for line in ("  removed  adapter_config.json", "  new      loss.json", "  same     adapter_model.safetensors"):
        assert line in told
    assert publish(other).code == 0
    files = hub.repositories["models/ada/it"].files
    assert files.keys() - {".gitattributes"} == {
        "README.md",
        "adapter_model.safetensors",
        "atom.json",
        "loss.json",
    }
    assert len(hub.uploads) == 1


def test_what_was_uploaded_before_a_failure_is_not_uploaded_again(hub: HubServer, model: ModelAtom) -> None:
    hub.refused = [500]
    failed = publish(model)
    assert failed.code == 2
    assert "type the same again" in failed.sentence
    assert len(hub.uploads) == 1
    done = publish(model)
    assert done.code == 0, done.err
    assert len(hub.uploads) == 1
    assert hub.repositories["models/ada/it"].files["adapter_model.safetensors"] == WEIGHTS


def test_a_commit_of_somebody_else_in_between_is_not_overwritten(hub: HubServer, dataset: DatasetAtom) -> None:
    from motools.atom import publish as publishing
    from motools.atom.hub import Hub
    from motools.errors import RemoteError

    publish(dataset)
    repository = hub.repositories["datasets/ada/it"]
    repository.commits.append(("1" * 40, "theirs", {**repository.files, "README.md": b"theirs"}))
    planned = publishing.look(dataset, "ada/it", Hub())
    assert planned.states["README.md"] == "changed"
    repository.commits.append(("2" * 40, "theirs too", {**repository.files, "README.md": b"theirs too"}))
    with pytest.raises(RemoteError, match="somebody has changed it since"):
        publishing.publish(planned, Hub())
    assert repository.files["README.md"] == b"theirs too"


def test_the_token_goes_to_the_hub_alone(hub: HubServer, model: ModelAtom) -> None:
    publish(model)
    assert {authorization for _, _, authorization in hub.requests} == {f"Bearer {TOKEN}"}
    assert [(method, authorization) for method, _, authorization in hub.uploads] == [("PUT", "")]


def test_a_hub_that_a_committed_file_names_is_not_asked(
    hub: HubServer, model: ModelAtom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_ENDPOINT")
    root = model.project.root
    (root / ".env").write_text("HF_ENDPOINT=https://hub.example.org\n")
    git(root, "add", "-f", ".env")
    done = publish(model)
    assert done.code == 2
    assert "type: motools trust hub.example.org" in done.sentence
    assert hub.requests == []


@pytest.mark.parametrize("where", ["a row", "the card", "the token in a row"])
def test_no_secret_is_published(
    hub: HubServer, where: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = TOKEN if "token" in where else "not-for-anybody-1234"
    if "token" in where:
        monkeypatch.delenv("HF_TOKEN")
        constants = pytest.importorskip("huggingface_hub.constants")
        (tmp_path / "token").write_text(TOKEN)  # where `hf auth login` puts it
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    rows, told = ("{}\n", {"url": f"https://x/{secret}"}) if "card" in where else (f'{{"a": "{secret}"}}\n', SOURCE)
    (tmp_path / "dataset.jsonl").write_text(rows)
    atom = DatasetAtom.create(user="Ada", artifact_path=tmp_path / "dataset.jsonl", metadata={"sources": [told]})
    monkeypatch.setenv("SOME_API_KEY", "not-for-anybody-1234")  # nobody knew of it when the atom was made
    done = publish(atom)
    assert done.code == 2
    assert "Nothing was published" in done.sentence
    assert secret not in done.out + done.err
    assert hub.sent("/commit/") == 0


def test_what_looks_like_a_key_in_the_data_is_told(hub: HubServer, project: Path, tmp_path: Path) -> None:
    (tmp_path / "dataset.jsonl").write_text('{"code": "key = \'AKIAIOSFODNN7EXAMPLE\'"}\n')
    atom = DatasetAtom.create(user="Ada", artifact_path=tmp_path / "dataset.jsonl")
    for options in ("--dry-run", "--quiet"):
        said = publish(atom, options).said
        assert "Look at dataset.jsonl: something in it looks like the key of an account." in said


def test_a_repository_of_something_else_or_with_other_readers_is_refused(hub: HubServer, dataset: DatasetAtom) -> None:
    hub.add("datasets/ada/mine", private=True, notes_txt=b"mine")
    hub.add("datasets/ada/open", private=False)
    hub.add("datasets/ada/closed", private=True)
    for to, options, words in (
        ("ada/mine", [], "holds something else (notes.txt)"),
        ("ada/open", [], "is public: everybody can read it. To publish there, add --public."),
        ("ada/closed", ["--public"], "is private."),
        ("ada", [], "write OWNER/NAME"),
    ):
        done = publish(dataset, *options, to=to)
        assert (done.code, words in done.sentence) == (2, True), done.err
    assert hub.sent("/commit/") == 0
    assert publish(dataset, "--public", to="ada/open").code == 0
    assert publish(dataset, to="ada/closed").code == 0


def test_what_cannot_be_published_is_refused_before_anything_is_asked(
    hub: HubServer, dataset: DatasetAtom, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = ModelAtom.create(user="Ada", metadata={"model_id": "openai/ft:x"})
    results = EvalAtom.create(user="Ada", metadata={"metrics": {}})
    for atom, words in ((served, "is served by its provider"), (results, "only datasets and models are published")):
        done = publish(atom)
        assert (done.code, words in done.sentence) == (2, True), done.err
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "because HF_HUB_OFFLINE is set" in publish(dataset).sentence
    assert hub.requests == []


def test_a_hub_that_says_no_or_nothing_is_one_sentence(
    hub: HubServer, dataset: DatasetAtom, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.refused = [403]
    assert "it refuses your token (403)" in publish(dataset).sentence
    hub.token = "another"
    assert "it refuses your token (401)" in publish(dataset).sentence
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "Could not ask for http://127.0.0.1:9/datasets/ada/it" in publish(dataset).sentence


def test_without_a_token_or_the_client_it_is_said_how_to_have_one(
    hub: HubServer, dataset: DatasetAtom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants: Any = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    done = publish(dataset)
    assert (done.code, "set HF_TOKEN, or type: hf auth login" in done.sentence) == (2, True)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert publish(dataset).sentence.endswith("needs a package that is missing: pip install huggingface_hub.")
    assert hub.requests == []
