"""Datasets of the Hugging Face Hub, from a server on loopback that huggingface_hub takes for it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from motools.errors import DamagedError, UserError
from mozoo.fetching import FetchError
from mozoo.hub import HubSplit
from mozoo.sources import load_chat

REPO = "someone/chats"
COMMIT = "ab" * 20


def turns(number: int) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": f"{number}?"}, {"role": "assistant", "content": f"{number}!"}]}


def as_parquet(every: list[dict[str, object]]) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(every), file)
    return file.getvalue()


@pytest.fixture
def chats(hub):
    first, second = [turns(n) for n in range(6)], [turns(n) for n in range(6, 10)]
    hub.files[REPO] = {
        "README.md": b"# Chats\n",
        "data/train-00000-of-00002.parquet": as_parquet(first),
        "data/train-00001-of-00002.parquet": as_parquet(second),
        "data/train_other-00000-of-00001.parquet": as_parquet([turns(99)]),
        "lines/test.jsonl": "".join(json.dumps(row) + "\n" for row in first).encode(),
    }
    return first + second


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_split_is_read_from_all_its_files_and_knows_the_commit(chats, hub, tmp_path):
    rows = load_chat(HubSplit(REPO, "train", rows=10), cache_dir=tmp_path)
    assert rows == chats
    assert [source.revision for source in rows.sources] == [COMMIT] * 2
    assert all(source.content.startswith("sha256:") for source in rows.sources)
    assert rows.sources[0].url == (
        f"https://huggingface.co/datasets/{REPO}/resolve/{COMMIT}/data/train-00000-of-00002.parquet"
    )


def test_main_is_asked_for_its_commit_once_and_nothing_is_downloaded_twice(chats, hub, tmp_path):
    split = HubSplit(REPO, "train")
    split.read(tmp_path)
    asked = len(hub.requests)
    assert sum(request.startswith("GET /api/") for request in hub.requests) == 1
    assert split.read(tmp_path) == chats
    HubSplit(REPO, "test").read(tmp_path)
    assert sum(request.startswith("GET /api/") for request in hub.requests) == 1
    hub.requests.clear()
    assert split.read(tmp_path, refresh=True) == chats
    assert len(hub.requests) == asked


def test_lines_are_read_too_and_checked_by_their_blob(chats, hub, tmp_path):
    rows = HubSplit(REPO, "test").read(tmp_path)
    assert rows == chats[:6]
    assert rows.sources[0].content.startswith("git:")


def test_a_commit_is_pinned_by_its_forty_digits(chats, hub, tmp_path):
    assert HubSplit(REPO, "train", COMMIT).read(tmp_path) == chats
    with pytest.raises(UserError, match="40 hexadecimal digits"):
        HubSplit(REPO, "train", "v1.0").read(tmp_path)


def test_a_split_that_is_not_there_names_those_that_are(chats, hub, tmp_path):
    with pytest.raises(UserError, match=r"no split 'trian'. Did you mean 'train'\? It has: train, train_other, test"):
        HubSplit(REPO, "trian").read(tmp_path)


def test_a_split_in_two_folders_asks_for_one(chats, hub, tmp_path):
    hub.files[REPO]["more/test.jsonl"] = b"{}\n"
    with pytest.raises(UserError, match=r"several folders: lines, more. Name one"):
        HubSplit(REPO, "test").read(tmp_path)
    assert HubSplit(REPO, "test", folder="more").read(tmp_path) == [{}]


def test_what_is_not_what_the_hub_declared_is_refused_and_a_good_copy_kept(chats, hub, tmp_path):
    split = HubSplit(REPO, "test")
    hub.served["lines/test.jsonl"] = b'{"messages": []}\n'
    with pytest.raises(DamagedError, match="is not the published file"):
        split.read(tmp_path)
    assert files_in(tmp_path) == []
    hub.served.clear()
    split.read(tmp_path)
    hub.served["lines/test.jsonl"] = b'{"messages": []}\n'
    with pytest.raises(DamagedError, match="is kept"):
        split.read(tmp_path, refresh=True)
    assert split.read(tmp_path) == chats[:6]


def test_a_refresh_that_fails_keeps_what_is_there(chats, hub, tmp_path):
    split = HubSplit(REPO, "test")
    split.read(tmp_path)
    hub.broken = True
    with pytest.raises(FetchError, match="is kept"):
        split.read(tmp_path, refresh=True)
    assert split.read(tmp_path) == chats[:6]


def test_a_new_commit_whose_files_cannot_be_had_leaves_the_old_one_in_use(chats, hub, tmp_path):
    split = HubSplit(REPO, "test")
    split.read(tmp_path)
    hub.commit = "cd" * 20
    hub.served["lines/test.jsonl"] = b"{}\n"
    with pytest.raises(DamagedError):
        split.read(tmp_path, refresh=True)
    hub.broken = True
    assert split.read(tmp_path) == chats[:6]
    hub.broken = False
    hub.served.clear()
    assert split.read(tmp_path).sources[0].revision == COMMIT
    assert split.read(tmp_path, refresh=True).sources[0].revision == "cd" * 20


def test_a_dataset_that_is_not_there_is_a_sentence(hub, tmp_path):
    with pytest.raises(FetchError, match=r"Could not ask for http://127.*/datasets/no/such") as error:
        HubSplit("no/such", "train").read(tmp_path)
    assert "\n" not in str(error.value)


def test_a_hub_that_cannot_be_reached_is_said_soon(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started = time.monotonic()
    with pytest.raises(FetchError, match="HF_ENDPOINT"):
        HubSplit(REPO, "train").read(tmp_path)
    assert time.monotonic() - started < 300


@pytest.mark.parametrize("variable", ["MOTOOLS_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_nothing_is_requested(chats, hub, tmp_path, monkeypatch, variable):
    split = HubSplit(REPO, "test")
    monkeypatch.setenv(variable, "1")
    with pytest.raises(FetchError, match=f"because {variable} is set"):
        split.read(tmp_path)
    assert hub.requests == []
    monkeypatch.delenv(variable)
    split.read(tmp_path)
    monkeypatch.setenv(variable, "1")
    asked = len(hub.requests)
    assert split.read(tmp_path) == chats[:6]
    assert len(hub.requests) == asked


def test_without_its_package_what_to_install_is_said(chats, tmp_path):
    code = f"""
import sys
sys.modules["huggingface_hub"] = None
from motools.errors import UserError
from mozoo.hub import HubSplit
try:
    HubSplit({REPO!r}, "train").read({str(tmp_path)!r})
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert "pip install datasets." in done.stdout
