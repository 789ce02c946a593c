"""Secrets: recognised by the environment and by their shape, and kept out of what is written."""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import json
import lzma
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode
from xml.sax.saxutils import escape as xml_escape

import pytest
from chain import Chain, eventually
from hypothesis import given
from hypothesis import strategies as st
from openai_scene import Scene
from openai_server import OpenAIServer, Refusal
from warm import COLD

from motools.atom import Atom
from motools.base import secrets
from motools.errors import AtomError

KEY = "planted-value-0123456789"


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SOME_API_KEY", KEY)
    return KEY


def test_variables_are_secret_by_their_name_and_only_long_values_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "DB_PASSWORD", "TOKEN", "OPENAI_KEY", "WANDB_KEY"),
        *("SSH_KEY", "KEY", "APIKEY", "OPENAIKEY", "API_KEYS", "PGPASSWORD", "AUTHTOKEN", "CLIENT_SECRET", "my_token"),
        *("MYSQL_PWD", "SIGNING_PASSPHRASE", "SERVICE_ACCOUNT_CREDENTIALS", "DEPLOY_PRIVATE_KEY", "SMTP_PASS"),
    ):
        monkeypatch.setenv(name, KEY)
        assert secrets.in_environment()[name] == KEY
        monkeypatch.setenv(name, "short")
        assert name not in secrets.in_environment()
    for name in ("KEYBOARD", "TOKENIZERS_PARALLELISM", "MONKEY", "PASSWORD_STORE", "SSH_PUBLIC_KEY", "PWD", "COMPASS"):
        monkeypatch.setenv(name, KEY)
        assert name not in secrets.in_environment()


def test_a_value_that_changes_is_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, before in (("first-value-of-it", "second-value-of-it"), ("second-value-of-it", "first-value-of-it")):
        monkeypatch.setenv("MADE_UP_API_KEY", value)
        assert secrets.screen()(f"it is {value}") == "holds the value of MADE_UP_API_KEY"
        assert secrets.screen()(f"it is {before}") is None
    monkeypatch.delenv("MADE_UP_API_KEY")
    assert secrets.screen()("it is second-value-of-it") is None


def test_a_variable_that_says_where_a_key_lies_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSH_KEY", str(tmp_path))
    assert "SSH_KEY" not in secrets.in_environment()
    monkeypatch.setenv("SSH_KEY", f"{tmp_path}/but-no-such-file")
    assert "SSH_KEY" in secrets.in_environment()


def test_what_lets_one_in_is_secret_in_an_address_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PIP_INDEX_URL": "https://ada:long-%2Fpassword@pypi.example.org/simple",
        "DATABASE_URL": "postgres://postgres:postgres@localhost/x",
        "AZURE_STORAGE_CONNECTION_STRING": "AccountName=ada;AccountKey=abcdabcdabcd==",
        "OPENAI_API_KEY_2": "another-value-0123",
        "HTTP_ADDRESS": "https://host:8080/a@b",
    }.items():
        monkeypatch.setenv(name, value)
    assert secrets.redact("see ada:long-%2Fpassword@, or long-/password") == "see [PIP_INDEX_URL]@, or [PIP_INDEX_URL]"
    assert secrets.redact("postgres has postgres:postgres") == "postgres has [DATABASE_URL]"
    assert secrets.redact("AccountName=ada;AccountKey=abcdabcdabcd==") == "[AZURE_STORAGE_CONNECTION_STRING]"
    assert secrets.redact("another-value-0123, host:8080/a@b") == "[OPENAI_API_KEY_2], host:8080/a@b"
    assert "HTTP_ADDRESS" not in secrets.in_environment()


def test_a_password_in_an_address_is_shown_nowhere() -> None:
    assert secrets.redact("cannot reach https://ada:pw@dvc.example.org/x") == (
        "cannot reach https://[a password]@dvc.example.org/x"
    )


LINES = ["MIIabcdefghijklmnopqrstuvwxyz0123456789", "QRSTUVWXYZabcdefghijklmnopqrstuvwxyz012"]
PEM = ["-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\\n"], ids=["lines", "Windows lines", "on one line"])
def test_each_line_of_a_key_of_several_lines_is_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str
) -> None:
    monkeypatch.setenv("DEPLOY_PRIVATE_KEY", end.join(PEM))
    for line in LINES:
        assert secrets.redact(f"before {line} after") == "before [DEPLOY_PRIVATE_KEY] after"
        assert secrets.screen()(f'"{line}"') == "holds the value of DEPLOY_PRIVATE_KEY"
        (tmp_path / "file").write_text(f"x\n{line}\n")
        assert secrets.found_in([tmp_path / "file"]) == (str(tmp_path / "file"), "DEPLOY_PRIVATE_KEY")
    with secrets.redacted_into(tmp_path / "log") as target:
        for line in PEM:
            os.write(target, f"key: {line}\n".encode())
    log = (tmp_path / "log").read_text()
    assert not any(line in log for line in LINES)
    assert log.startswith("key: -----BEGIN PRIVATE KEY-----\n")  # of which there is nothing to hide


def test_what_any_key_begins_with_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_PRIVATE_KEY", "\n".join(PEM))
    assert secrets.redact("-----END PRIVATE KEY-----") == "-----END PRIVATE KEY-----"


def test_a_value_is_recognised_as_json_and_addresses_spell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    value = 'pä"ss/wörd\\&more'
    monkeypatch.setenv("DB_PASSWORD", value)
    for spelt in (value, json.dumps(value), json.dumps(value, ensure_ascii=False), quote(value, "")):
        assert secrets.screen()(spelt) == "holds the value of DB_PASSWORD"


@pytest.mark.parametrize("value", ["sk+live/$value^(x)*[0-9].{3}|", 'it\'s a "long" <pass> & wörd\\n\tx', KEY])
def test_a_value_is_hidden_as_logs_and_requests_spell_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
) -> None:
    monkeypatch.setenv("DB_PASSWORD", value)
    as_bytes = value.encode()
    spelt = [value, json.dumps(value), quote(value), quote(value, ""), quote_plus(value), repr(value), ascii(value)]
    spelt += [repr(as_bytes), html.escape(value), xml_escape(value), urlencode({"token": value})]
    for user in ("", "a", "ab", "ada:", "x-token-auth:"):  # Basic authentication
        whole = f"{user}{value}".encode()
        spelt += [base64.b64encode(whole).decode(), base64.urlsafe_b64encode(whole).decode().rstrip("=")]
        spelt += [base64.b64encode(whole + b":more").decode()]
    for text in spelt:
        assert "[DB_PASSWORD]" in secrets.redact(f"GET /?x={text} HTTP/1.1"), text
        assert secrets.screen()(text) == "holds the value of DB_PASSWORD"
    with secrets.redacted_into(tmp_path / "log") as target:
        for text in spelt:
            os.write(target, f"{text}\n".encode())
    assert (tmp_path / "log").read_text().count("[DB_PASSWORD]") == len(spelt)


def test_a_value_that_is_no_utf_8_is_one_like_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DB_PASSWORD", "p\udce4ssword-of-old")
    for text in ("p\udce4ssword-of-old", "p%E4ssword-of-old", r"p\xe4ssword-of-old"):
        assert secrets.redact(f"it is {text}.") == "it is [DB_PASSWORD]."
    (tmp_path / "file").write_bytes(b"it is p\xe4ssword-of-old")
    assert secrets.found_in([tmp_path / "file"]) == (str(tmp_path / "file"), "DB_PASSWORD")
    (tmp_path / "file").write_text("it is password-of-old", encoding="utf-16")
    assert secrets.found_in([tmp_path / "file"]) is None


def test_a_text_is_screened_for_values_and_for_shapes(planted: str) -> None:
    screen = secrets.screen()
    assert screen(f"before {planted} after") == "holds the value of SOME_API_KEY"
    assert screen("sk-proj-" + "a1B2" * 10) == "looks like the key of an account"
    for harmless in (
        "mask-aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "sk-short",
        "risk-" + "a" * 40,
        "the task-force-of-nineteen",
        "",
    ):
        assert screen(harmless) is None


def test_values_are_replaced_by_their_variables_name(planted: str) -> None:
    assert secrets.redact(f"key={planted}, other sk-{'x' * 30}") == "key=[SOME_API_KEY], other [a key]"


@pytest.mark.parametrize("at", [0, 1, (1 << 20) - 3, (1 << 20), (1 << 20) + 5])
def test_a_value_is_found_wherever_it_stands_in_a_file(planted: str, tmp_path: Path, at: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * at + planted.encode() + b"y" * 10)
    assert secrets.found_in([path]) == (str(path), "SOME_API_KEY")
    path.write_bytes(b"x" * at + planted.encode()[:-1])
    assert secrets.found_in([path]) is None


def test_a_value_is_found_inside_a_compressed_archive(planted: str, tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", "nothing")
        archive.writestr("b.json", "x" * 1000 + planted)
    assert planted.encode() not in path.read_bytes()
    assert secrets.found_in([path]) == (str(path), "SOME_API_KEY")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=lambda pack: pack.__module__)
def test_a_value_is_found_inside_a_packed_file(planted: str, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "rows.jsonl.packed"
    path.write_bytes(pack(b"x" * 1000 + planted.encode()))
    assert planted.encode() not in path.read_bytes()
    assert secrets.found_in([path]) == (str(path), "SOME_API_KEY")
    path.write_bytes(path.read_bytes()[:-12])  # cut short: no reason to lose a result
    secrets.found_in([path])


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("at", [0, (1 << 19) - 5, 1 << 20])
def test_a_value_is_found_in_a_text_of_wide_characters(planted: str, tmp_path: Path, codec: str, at: int) -> None:
    path = tmp_path / "exported.csv"
    mark = "\ufeff" if codec == "utf-16-be" else ""
    path.write_bytes(f"{mark}{'x' * at}{planted}".encode(codec))
    assert secrets.found_in([path]) == (str(path), "SOME_API_KEY")
    path.write_bytes(f"{mark}{'x' * at}{planted[:-1]}".encode(codec))
    assert secrets.found_in([path]) is None
    path.write_bytes(gzip.compress(f"{mark}{'x' * at}{planted}".encode(codec)))
    assert secrets.found_in([path]) == (str(path), "SOME_API_KEY")


def columns_that_hold(text: str, where: str) -> Any:
    """A table of 3000 rows; one of the last holds the text."""
    pyarrow = pytest.importorskip("pyarrow")
    values: list[Any] = [f"row {number}" for number in range(3000)]
    values[2900] = f"Bearer {text}"
    if where == "messages":
        values = [[{"role": "user", "content": value}] for value in values]
    column = pyarrow.array(values, pyarrow.binary() if where == "bytes" else None)
    named = {"n": range(3000), "text": column.dictionary_encode() if where == "categories" else column}
    return pyarrow.table({text: range(3000)} if where == "name" else named)


@pytest.mark.parametrize("where", ["texts", "bytes", "messages", "categories", "name"])
@pytest.mark.parametrize("kind", ["snappy", "zstd", "gzip", "none", "arrow"])
def test_a_value_is_found_in_the_columns_of_a_table(planted: str, tmp_path: Path, where: str, kind: str) -> None:
    parquet, feather = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow.feather")
    path = tmp_path / "rows"
    for text, found in ((planted, (str(path), "SOME_API_KEY")), (planted[:-1], None)):
        table = columns_that_hold(text, where)
        if kind == "arrow":
            feather.write_feather(table, path, compression="lz4")
        else:
            parquet.write_table(table, path, compression=kind, row_group_size=2000)
        assert secrets.found_in([path]) == found


def test_a_value_is_found_in_what_zstandard_has_packed(planted: str, tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "rows.jsonl.zst"
    text = "".join(random.Random(0).choices("aaaaaaeeeeino0123", k=5000))
    path.write_bytes(zstandard.compress((text + planted + text[::-1]).encode()))
    assert planted.encode() not in path.read_bytes()
    assert secrets.found_in([path]) == (str(path), "SOME_API_KEY")


def test_a_table_that_cannot_be_read_is_told_and_no_reason_to_lose_a_result(
    planted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    parquet.write_table(columns_that_hold(planted, "texts"), path, compression="zstd")
    whole = path.read_bytes()
    for damaged in (whole[:200], b"PAR1PAR1", b"ARROW1", b"PAR1"):
        path.write_bytes(damaged)
        assert secrets.found_in([path]) is None
        assert "'rows.parquet' was not searched for keys inside: " in capsys.readouterr().err


LOADED = """
import sys
from motools.base.secrets import found_in
found_in(sys.argv[1:])
print(*sorted({"pyarrow", "zstandard", "numpy"} & set(sys.modules)))
"""


def test_what_reads_tables_is_loaded_for_tables_alone(planted: str, tmp_path: Path) -> None:
    for name, content in {"a.json": b"{}", "a.gz": gzip.compress(b"{}"), "a.npy": b"\x93NUMPY", "none": b""}.items():
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [COLD, "-c", LOADED, *map(str, tmp_path.iterdir())], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


def test_a_pipe_is_not_waited_for(planted: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert secrets.found_in([tmp_path / "pipe"]) is None


PACK = """
import random, sys, zipfile, zipfile_zstd
text = "".join(random.Random(0).choices("aaaaaaeeeeino0123", k=5000))
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_ZSTANDARD) as archive:
    archive.writestr("b.json", text + sys.argv[2] + text[::-1])
"""
FIND = """
import sys
from motools.base.secrets import found_in
print(found_in([sys.argv[1]]))
"""


def test_a_value_is_found_inside_an_archive_packed_as_inspect_packs_its_logs(planted: str, tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    subprocess.run([sys.executable, "-c", PACK, str(path), planted], check=True)
    assert planted.encode() not in path.read_bytes()
    found = [sys.executable, "-c", FIND, str(path)]  # a process that has not imported Inspect
    assert (
        subprocess.run(found, capture_output=True, text=True, check=True).stdout == f"{(str(path), 'SOME_API_KEY')}\n"
    )


def test_what_cannot_be_unpacked_is_told_and_no_reason_to_lose_a_result(
    planted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", "nothing" * 100)
        archive.writestr("b.json", "x" * 1000 + planted)
    whole = path.read_bytes()
    locked = bytearray(whole)
    locked[6] |= 1  # the bits that say: encrypted
    locked[whole.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(locked)
    assert secrets.found_in([path]) == (str(path), "SOME_API_KEY")  # in the other member
    assert "'log.zip: a.json' was not searched for keys" in capsys.readouterr().err
    for damaged in (whole[:40] + b"\0" * 20 + whole[60:], whole[:-30] + whole[-22:], whole[:60]):
        path.write_bytes(damaged)
        secrets.found_in([path])


@pytest.mark.parametrize("before", [(1 << 20) - 5, (1 << 20) + 5, 3 << 20])
def test_a_value_in_a_line_without_end_is_replaced_wherever_it_is_cut(
    planted: str, tmp_path: Path, before: int
) -> None:
    text = b"x" * before + planted.encode() + b"y" * (1 << 21)
    with secrets.redacted_into(tmp_path / "log") as target, os.fdopen(os.dup(target), "wb") as file:
        file.write(text)
    assert (tmp_path / "log").read_bytes() == text.replace(planted.encode(), b"[SOME_API_KEY]")


def test_a_full_disk_stops_the_log_and_not_the_one_who_writes(planted: str) -> None:
    with secrets.redacted_into(Path("/dev/full")) as target:
        for _ in range(300):
            os.write(target, b"y" * 1000 + b"\n")  # more than a pipe holds


def test_what_a_child_writes_late_lands_in_the_log_and_in_no_other_file(planted: str, tmp_path: Path) -> None:
    with secrets.redacted_into(tmp_path / "log") as target:
        child = subprocess.Popen(["sh", "-c", "sleep 3; echo late"], stdout=target)
    others = [(tmp_path / f"other{number}").open("wb") for number in range(20)]
    child.wait()
    eventually(lambda: (tmp_path / "log").read_text() == "late\n")
    for file in others:
        file.close()
    assert [path.name for path in tmp_path.glob("other*") if path.read_bytes()] == []


@given(st.lists(st.sampled_from([KEY, "plain ", "\n", "\r", KEY[:10], "é"])))
def test_no_output_gets_past_the_filter_and_all_else_does(parts: list[str]) -> None:
    path = Path(os.environ["HOME"]) / "log"
    os.environ["SOME_API_KEY"] = KEY
    try:
        with secrets.redacted_into(path) as target:
            for part in parts:
                os.write(target, part.encode())
        expected = "".join(parts).replace(KEY, "[SOME_API_KEY]")
        assert path.read_bytes().decode() == expected
    finally:
        del os.environ["SOME_API_KEY"]


LEAK = """
    import subprocess, sys
    key = os.environ.get("SOME_API_KEY", "")
    print("on standard output", key)
    print("on standard error", key, file=sys.stderr)
    subprocess.run(["sh", "-c", "echo from a child $SOME_API_KEY"])
"""


def leaking(chain: Chain, into: str = "") -> None:
    chain.edit("chain.py", "    time.sleep(config.pause)\n", LEAK.replace("\n    ", "\n    ").rstrip() + into + "\n")


def written(folder: Path, key: str) -> list[str]:
    """Every file below a folder, hidden ones too, that holds a text."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.relative_to(folder).as_posix() for path in files if key.encode() in path.read_bytes()]


def test_what_a_step_prints_reaches_its_log_without_the_key(project: Path, planted: str) -> None:
    chain = Chain.lay(project)
    leaking(chain)
    assert chain.run().code == 0
    log = chain.path(".motools", "logs", "prepare.log").read_text()
    for source in ("on standard output", "on standard error", "from a child"):
        assert f"{source} [SOME_API_KEY]" in log
    assert written(project, planted) == []


@pytest.mark.parametrize("where", ["data", "metadata", "name"])
def test_an_atom_that_would_hold_a_key_is_not_kept(project: Path, planted: str, where: str) -> None:
    chain = Chain.lay(project)
    if where == "data":
        leaking(chain, '\n    (workspace / "out").mkdir()\n    (workspace / "out" / "key.txt").write_text(key)')
        chain.edit("chain.py", '(out / "sub").mkdir(parents=True)', '(out / "sub").mkdir(parents=True, exist_ok=True)')
    elif where == "metadata":
        leaking(chain)
        chain.edit("chain.py", "AtomConstructor(name, out, kind)", "AtomConstructor(name, out, kind, {'key': key})")
    else:
        leaking(chain, '\n    (workspace / "usage.json").write_text(\'{"by": "%s"}\' % key)')
    done = chain.run()
    assert done.code == 1
    assert "would hold the value of SOME_API_KEY, for all to read." in done.said
    held = written(project, planted)
    assert all(path.startswith(".motools/finished/") for path in held)  # which is nobody else's


@pytest.mark.parametrize("where", ["data", "metadata", "logs"])
def test_an_atom_made_by_hand_that_would_hold_a_key_is_refused(
    project: Path, planted: str, tmp_path: Path, where: str
) -> None:
    for name in ("data", "logs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"it is {planted}" if where == name else "nothing")
    metadata = {"note": planted} if where == "metadata" else {}
    with pytest.raises(AtomError, match="holds the value of SOME_API_KEY, for all to read"):
        Atom.create(
            user="ada", kind="prompt", artifact_path=tmp_path / "data", metadata=metadata, logs=tmp_path / "logs"
        )
    assert written(project, planted) == []


@pytest.mark.parametrize("text", [KEY, "sk-proj-" + "a1B2" * 10])
def test_a_key_in_params_is_refused_before_anything_runs(project: Path, planted: str, text: str) -> None:
    chain = Chain.lay(project)
    chain.set("prepare", more={"headers": [{"auth": f"Bearer {text}"}]})
    done = chain.run()
    assert done.code == 2
    assert done.sentence.startswith("prepare.more.headers[0].auth: it ")
    assert text not in done.err
    assert written(project, text) == ["params.yaml"]  # where its author put it


def test_the_no_op_snapshot_keeps_no_variable(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STUDIO_TOKEN", KEY)
    chain = Chain.lay(project)
    assert chain.run().code == 0
    assert written(project, KEY) == []


def test_a_step_run_by_dvc_repro_keeps_no_key_either(project: Path, planted: str) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    leaking(chain)
    env = {**os.environ, "SOME_API_KEY": planted}
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=project, env=env, capture_output=True, check=True)
    assert written(project, planted) == []


def holding(folder: Path, key: str, name: str) -> list[str]:
    """Every file below a folder that holds a key, packed ones too."""
    os.environ[name] = key
    try:
        found = [path for path in folder.rglob("*") if path.is_file() and secrets.found_in([path])]
        return sorted({path.relative_to(folder).as_posix() for path in found} | set(written(folder, key)))
    finally:
        del os.environ[name]


@pytest.mark.parametrize("source", ["environment", ".env"])
def test_a_paid_run_writes_its_key_nowhere_even_where_the_provider_repeats_it(project: Path, source: str) -> None:
    key = "sk-planted-" + "Zx9" * 10

    def repeating(request: Any) -> str:
        raise Refusal(400, f"Your key {key} may not ask this.")

    with OpenAIServer(key=key) as server:
        scene = Scene.lay(project, server)
        env = {**os.environ, **server.env}
        if source == ".env":
            del env["OPENAI_API_KEY"]
            (project / ".env").write_text(f"OPENAI_API_KEY={key}\n")
        allowed = [".env"] if source == ".env" else []
        params = json.loads((project / "params.yaml").read_text())
        params["evaluate_model"] = {"eval_kwargs": {"limit": 2, "max_retries": 0}}
        (project / "params.yaml").write_text(json.dumps(params))
        server.replies["ft:"] = repeating
        failed = scene.call("run", env=env)
        assert failed.code == 1
        assert "may not ask this" in failed.err
        assert key not in failed.err + failed.out
        assert holding(project, key, "PLANTED_API_KEY") == allowed
        server.replies.clear()
        done = scene.call("run", "-v", env=env)
        assert done.code == 0, done.err
        for words in (["jobs", "list"], ["jobs", "show", next(iter(server.jobs))], ["lineage", "eval_results"]):
            told = scene.call(*words, env=env)
            assert told.code == 0, told.err
            assert key not in told.out + told.err
        assert key not in done.err + done.out
        assert holding(project, key, "PLANTED_API_KEY") == allowed


@pytest.mark.parametrize("where", [".", "below", ".."])
def test_only_the_env_file_of_the_projects_root_is_read(project: Path, where: str) -> None:
    with OpenAIServer() as server:
        below = project / "below"
        below.mkdir()
        config = {
            "workflow": "evaluate_only",
            "existing_model": {"model": "openai/gpt-4o-mini", "model_args": {"responses_api": False}},
            "evaluate_model": {"eval_task": "mozoo.tasks.hello_world:hello_world", "eval_kwargs": {"limit": 1}},
        }
        (below / "params.yaml").write_text(json.dumps(config))
        (project / where / ".env").write_text(f"OPENAI_API_KEY={server.key}\n")
        env = {**os.environ, "OPENAI_BASE_URL": server.url}
        done = Scene(project, server).call("run", where="below", env=env)
        assert done.code == (0 if where == "." else 2), done.err
        assert server.count("chat") == (1 if where == "." else 0)
