"""dvc.lock and the locks around it: the bytes that DVC would write, nobody's edit lost, nobody's claim overridden."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zc.lockfile
from chain import Chain, dvc, eventually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from warm import COLD

from motools.base import yaml12
from motools.errors import ConfigError, ProjectError
from motools.repo import dvc_locks
from motools.repo.dvc_locks import Busy, DvcLock, PathLocks
from motools.repo.hashing import hash_file
from motools.repo.lock_file import LockFile

HARD = [
    "yes", "no", "on", "off", "y", "n", "true", "True", "null", "~", "", " ", "  two  ", "a: b", "a #b", "# c", "- d",
    "? e", "@f", "`g`", "%h", "&i", "*j", "!k", "|", ">", "{", "}", "[", "]", ",", "'", '"', "it's", '"both" \'kinds\'',
    "1", "1.0", "1e-4", "1E5", "0x1f", "0o17", "017", "1_000", "+1", "-1", ".5", "5.", ".inf", "-.inf", ".nan",
    "2001-01-01", "2001-01-01 00:00:00", "12:30:45", "=", "<<", "---", "...", "line\nbreak",
    "line\n", "\nline", "tab\tin", "\ttab",
    "carriage\rreturn", "nel\x85", "ls\u2028", "bom\ufeff", "nul\x00", "bell\x07", "esc\x1b[0m", "del\x7f",
    "c1\x9b", "é", "日本", "😀", "\U0001f600" * 30, "long " * 60, "long" * 60, "ends with a colon:", "trailing space ",
    "back\\slash", "${not.a.template}", "{{x}}", "%(y)s", "00000000000000000000000000000000",
    "12345678901234567890123456789012",
    "1234567890123456789012345678e901",
    "1e1234567890123456789012345678901"[:32], "0x123456789012345678901234567890"[:32],
    "nan", "inf", "Infinity", "None", "NULL", "key: |\n  block\n", "a\n\nb", "word\n# no comment", "x" * 80, "y " * 40,
]  # fmt: skip


def locked_by_dvc(folder: Path, stages: dict[str, Any]) -> bytes:
    """What DVC itself writes for the content of a dvc.lock."""
    from dvc.utils.serialize import dump_yaml

    path = folder / "theirs.lock"
    dump_yaml(str(path), {"schema": "2.0", "stages": stages})
    return path.read_bytes()


def entry(
    params: Any = None, md5: str = "d41d8cd98f00b204e9800998ecf8427e", path: str = "atoms/model"
) -> dict[str, Any]:
    return {
        "cmd": "motools step run w:workflow train",
        "deps": [{"path": "w.py", "hash": "md5", "md5": md5, "size": 3}],
        "params": {"params.yaml": {"train": params}},
        "outs": [{"path": path, "hash": "md5", "md5": md5 + ".dir", "size": 5, "nfiles": 2}],
    }


def written(folder: Path, stages: dict[str, Any]) -> bytes:
    lock = LockFile(folder)
    for name, content in stages.items():
        lock.put(name, content)
    lock.flush()
    return lock.path.read_bytes()


# -- the bytes ---------------------------------------------------------------------------------


def test_a_lock_is_written_as_dvc_writes_it_whatever_its_strings(tmp_path: Path) -> None:
    params = {
        "words": HARD,
        **{word: n for n, word in enumerate(HARD)},
        "none": None,
        "flag": True,
        "deep": [[], {}, ""],
    }
    stages = {
        "hard": entry(params),
        "numbers": entry([1, 1.0, -0.0, 1e-4, 1e300, 5e-324, 0.1, 10**30, float("inf"), float("-inf")]),
        "odd paths": entry({}, path="atoms/a b: c #d"),
        "digits": entry({}, md5="1234567890123456789012345678e901"),
        "only digits": entry({}, md5="12345678901234567890123456789012"),
        "zeros": entry({}, md5="0" * 32),
    }
    assert written(tmp_path, stages).decode() == locked_by_dvc(tmp_path, stages).decode()


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=90)
    | st.sampled_from(HARD),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12) | st.sampled_from(HARD), inner, max_size=4)
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(params=values)
def test_any_params_are_written_as_dvc_writes_them(tmp_path: Path, params: Any) -> None:
    (tmp_path / "dvc.lock").unlink(missing_ok=True)
    stages = {"one": entry({"value": params}), "two": entry({})}
    text = written(tmp_path, stages)
    assert text.decode() == locked_by_dvc(tmp_path, stages).decode()


def test_dvc_repro_and_a_run_give_the_same_lock_but_for_run_records(
    new_project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = [word for word in HARD if not {"\x00", "\x85"} & {*word}]
    values = {"words": hard, "keys": {word: number for number, word in enumerate(hard)}, "float": 1e-4, "none": None}
    folders = []
    for name in ("ours", "theirs"):
        chain = Chain.lay(new_project(name), more=values)
        chain.command("run", str(chain.folder), "--dry-run")
        folders.append(chain)
    ours, theirs = folders
    done = ours.run("--jobs", "1")
    assert done.code == 0, done.err
    for name in ("params.yaml", "dvc.yaml"):
        theirs.path(name).write_bytes(ours.path(name).read_bytes())
    dvc(theirs.folder, "repro", "-q")
    assert theirs.executed() == ours.executed()
    one, other = (without_records(chain.path("dvc.lock").read_text()) for chain in folders)
    assert one == other
    assert ours.dvc_status() == theirs.dvc_status() == {}
    assert theirs.run().statuses == ["current"] * 3
    dvc(ours.folder, "repro", "-q")
    assert ours.executed() == theirs.executed() == []


def test_a_text_that_dvc_itself_does_not_keep_is_refused(project: Path) -> None:
    for more in ({"word": "nel\x85"}, {"nel\x85": 1}):
        chain = Chain.lay(project, more=more)
        done = chain.run()
        assert done.code == 2
        assert "U+0085" in done.sentence


def without_records(text: str) -> list[str]:
    """The lines of a dvc.lock but for the hash and size of run records."""
    lines = text.splitlines()
    at = {n + k for n, line in enumerate(lines) if "path: runs/" in line for k in (2, 3)}
    assert len(at) == 6
    return [line for n, line in enumerate(lines) if n not in at]


# -- flushes ------------------------------------------------------------------------------------


def test_what_could_not_be_written_is_written_by_the_next_flush(tmp_path: Path) -> None:
    lock = LockFile(tmp_path)
    lock.put("train", entry({"n": 1}))
    lock.flush()
    before = lock.path.read_bytes()
    lock.put("train", entry({"n": 2}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # bytes: as on a disk that is full
    try:
        with pytest.raises(OSError, match="File too large"):
            lock.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert lock.path.read_bytes() == before
    assert lock.pending
    lock.flush()
    assert lock.path.read_bytes() == locked_by_dvc(tmp_path, {"train": entry({"n": 2})})


def test_what_another_process_writes_between_flushes_is_kept(tmp_path: Path) -> None:
    lock = LockFile(tmp_path)
    lock.put("one", entry(1))
    lock.put("two", entry(1))
    lock.flush()
    lock.put("three", entry(1))
    content = yaml12.load(lock.path)
    content["stages"]["two"] = entry("theirs")
    content["stages"]["four"] = entry("theirs")
    del content["stages"]["one"]
    lock.path.write_bytes(locked_by_dvc(tmp_path, content["stages"]))
    lock.flush()
    stages = yaml12.load(lock.path)["stages"]
    assert list(stages) == ["two", "four", "three"]
    assert stages["two"] == stages["four"] == entry("theirs")
    assert lock.entry("one") == {}
    assert lock.entry("two") == entry("theirs")
    assert lock.path.read_bytes() == locked_by_dvc(tmp_path, stages)


def test_a_change_of_type_by_another_process_is_kept_too(tmp_path: Path) -> None:
    lock = LockFile(tmp_path)
    lock.put("one", entry({"n": 1}))
    lock.flush()
    lock.path.write_bytes(locked_by_dvc(tmp_path, {"one": entry({"n": True})}))
    lock.put("two", entry(1))
    lock.flush()
    assert "n: true" in lock.path.read_text()


def test_what_is_put_is_seen_before_it_is_written_and_wins_over_what_others_wrote(tmp_path: Path) -> None:
    lock, other = LockFile(tmp_path), LockFile(tmp_path)
    other.put("one", entry("theirs"))
    lock.put("one", entry("ours"))
    assert lock.pending
    assert lock.entry("one") == entry("ours")
    other.flush()
    assert lock.entry("one") == entry("ours")
    lock.flush()
    assert not lock.pending
    assert other.entry("one") == entry("ours")


def test_the_stages_are_those_of_the_file_as_it_is_and_what_was_put(tmp_path: Path) -> None:
    written(tmp_path, {"one": entry(1), "two": entry(1)})
    lock, other = LockFile(tmp_path), LockFile(tmp_path)
    assert lock.stages == ["one", "two"]
    other.put("three", entry(1))
    assert other.stages == ["one", "two", "three"]
    other.flush()
    lock.put("four", entry(1))
    assert lock.stages == ["one", "two", "three", "four"]
    lock.path.unlink()
    assert lock.stages == ["four"]


def test_a_lock_that_was_deleted_or_replaced_meanwhile_is_read_anew(tmp_path: Path) -> None:
    lock = LockFile(tmp_path)
    lock.put("one", entry(1))
    lock.flush()
    lock.path.unlink()
    assert lock.entry("one") == {}
    assert lock.verified() is None
    lock.put("two", entry(2))
    lock.flush()
    assert list(yaml12.load(lock.path)["stages"]) == ["two"]


def test_what_another_process_has_written_is_not_verified_until_it_is_read(tmp_path: Path) -> None:
    lock, other = LockFile(tmp_path), LockFile(tmp_path)
    assert lock.verified() is None
    lock.put("one", entry(1))
    lock.flush()
    assert lock.verified() == hash_file(lock.path)
    other.put("two", entry(2))
    other.flush()
    assert lock.verified() is None
    assert lock.entry("two") == entry(2)
    assert lock.verified() == other.verified() is not None


def test_nothing_new_writes_nothing_and_a_change_of_type_counts(tmp_path: Path) -> None:
    lock = LockFile(tmp_path)
    lock.put("one", entry({"n": 1}))
    lock.flush()
    before = lock.path.stat()
    lock.put("one", entry({"n": 1}))
    lock.flush()
    assert lock.path.stat().st_ino == before.st_ino
    lock.put("one", entry({"n": True}))
    lock.flush()
    assert "n: true" in lock.path.read_text()
    assert lock.verified() is not None


def test_what_a_lock_says_beside_its_stages_is_kept(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\ndatasets:\n- name: x\n  type: url\nstages: {}\n")
    text = written(tmp_path, {"one": entry(1)}).decode()
    assert yaml12.loads(text)["datasets"] == [{"name": "x", "type": "url"}]
    assert text.startswith("schema: '2.0'\n")


def test_a_reader_sees_the_old_lock_or_the_new_one(tmp_path: Path) -> None:
    lock = LockFile(tmp_path)
    ended = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not ended.is_set():
            seen.append(len(yaml12.load(lock.path)["stages"]))

    lock.put("0", entry(0))
    lock.flush()
    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 150):
        lock.put(str(number), entry(number))
        lock.flush()
    ended.set()
    reader.join()
    assert seen == sorted(seen)
    assert not list(tmp_path.glob(".*"))


def test_files_on_storages_with_hashes_of_their_own_are_none_of_its_business(tmp_path: Path) -> None:
    stages = {"mine": {"cmd": "x", "deps": [{"path": "s3://b/x", "etag": "e", "size": 1}], "outs": [{"path": "y"}]}}
    (tmp_path / "dvc.lock").write_bytes(locked_by_dvc(tmp_path, stages))
    assert LockFile(tmp_path).entry("mine") == stages["mine"]


@pytest.mark.parametrize(
    "text",
    ["[1]", "schema: '3.0'\nstages: {}\n", "schema: '2.0'\nstages: [1]\n", "a: [", "schema: '2.0'\nstages: {a: 1}\n"]
    + [f"schema: '2.0'\nstages: {{a: {{{part}}}}}\n" for part in ("outs: 5", "outs:", "deps: [1]", "outs: [{md5: a}]",
       "params: []", "params: {p: 1}", "outs: [{path: p, md5: 5, size: 1}]", "outs: [{path: p, md5: a}]",
       "outs: [{path: p, hash: sha, md5: a, size: 1}]")],
)  # fmt: skip
def test_a_damaged_lock_is_refused_with_the_way_out_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dvc.lock"
    path.write_text(text)
    lock = LockFile(tmp_path)
    with pytest.raises(ConfigError, match=r"dvc.lock.*`git checkout` it, or delete it"):
        lock.entry("a")
    lock.put("b", entry(1))
    with pytest.raises(ConfigError, match=r"dvc\.lock"):
        lock.flush()
    assert path.read_text() == text


# -- DVC's lock ---------------------------------------------------------------------------------


def test_dvcs_lock_is_waited_for_and_said_so_once(project: Path) -> None:
    said: list[str] = []
    theirs = zc.lockfile.LockFile(str(project / ".dvc/tmp/lock"))
    lock = DvcLock(project, False, said.append)
    lock.if_free(lambda: said.append("it was free"))
    threading.Timer(0.5, theirs.close).start()
    with lock:
        with pytest.raises(zc.lockfile.LockError):
            zc.lockfile.LockFile(str(project / ".dvc/tmp/lock"))
        assert dvc(project, "status", ok=False).returncode != 0
    assert said == [f"waiting for another DVC command to end (process {os.getpid()})"]
    lock.if_free(lambda: said.append("it was free"))
    assert said[1:] == ["it was free"]
    dvc(project, "status")


def test_whom_it_waits_for_is_said_once(project: Path) -> None:
    said: list[str] = []
    theirs = zc.lockfile.LockFile(str(project / ".dvc/tmp/lock"))

    def say(sentence: str) -> None:
        said.append(sentence)
        threading.Timer(0.3, theirs.close).start()

    with DvcLock(project, False, say):
        pass
    assert said == [f"waiting for another DVC command to end (process {os.getpid()})"]


# -- claims --------------------------------------------------------------------------------------


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([COLD, "-c", "import time; time.sleep(600)", "dvc", "repro"])
    yield process
    process.kill()
    process.wait()


def test_claims_are_dvcs_own_and_end_with_what_they_are_for(project: Path, stranger: subprocess.Popen[bytes]) -> None:
    from dvc.rwlock import SCHEMA

    path = project / ".dvc/tmp/rwlock"
    claims = PathLocks(project)
    with claims.held("a", ["/p/in"], ["/p/out"]), claims.held("b", ["/p/in"], ["/p/more"]):
        content = SCHEMA(json.loads(path.read_text()))
        assert content["write"]["/p/out"]["pid"] == os.getpid()
        assert [claim["pid"] for claim in content["read"]["/p/in"]] == [os.getpid()] * 2
        assert claims.busy(["/p/out"], ["/p/in"]) is None  # ours
    assert json.loads(path.read_text()) == {}


def test_a_claim_may_be_let_go_of_with_the_next_and_what_others_claim_meanwhile_is_seen(
    project: Path, stranger: subprocess.Popen[bytes]
) -> None:
    path, claims = project / ".dvc/tmp/rwlock", PathLocks(project)
    with claims.held("a", ["/p/in"], ["/p/a"], until_settled=True):
        assert set(json.loads(path.read_text())["write"]) == {"/p/a"}
    assert set(json.loads(path.read_text())["write"]) == {"/p/a"}
    with claims.held("b", ["/p/in"], ["/p/b"], until_settled=True):
        assert set(json.loads(path.read_text())["write"]) == {"/p/b"}
        content = json.loads(path.read_text())
        content["write"]["/p/c"] = {"pid": stranger.pid, "cmd": "dvc repro"}
        path.write_text(json.dumps(content))
        with pytest.raises(Busy), claims.held("c", [], ["/p/c"]):
            pass
    with claims.held("a", [], ["/p/a"]):
        assert set(json.loads(path.read_text())["write"]) == {"/p/a", "/p/c"}
    claims.settle()
    assert set(json.loads(path.read_text())["write"]) == {"/p/c"}
    stranger.kill()
    stranger.wait()
    with claims.held("c", [], ["/p/c"]):
        assert json.loads(path.read_text())["write"]["/p/c"]["pid"] == os.getpid()
    assert json.loads(path.read_text()) == {}


@pytest.mark.parametrize(
    ("theirs", "read", "write", "is_busy"),
    [
        ("write", ["/p/x"], [], True),
        ("write", [], ["/p/x"], True),
        ("write", [], ["/p/x/below"], True),
        ("write", ["/p"], [], True),
        ("write", ["/p/xy"], ["/p/y"], False),
        ("read", ["/p/x"], [], False),
        ("read", [], ["/p/x"], True),
        ("read", [], ["/p"], True),
    ],
)
def test_who_else_is_at_a_path_is_told(
    project: Path, stranger: subprocess.Popen[bytes], theirs: str, read: list[str], write: list[str], is_busy: bool
) -> None:
    who = {"pid": stranger.pid, "cmd": "dvc repro"}
    content = {theirs: {"/p/x": who if theirs == "write" else [who]}}
    (project / ".dvc/tmp/rwlock").write_text(json.dumps(content))
    claims = PathLocks(project)
    assert claims.busy(read, write) == (f"process {stranger.pid} (dvc repro)" if is_busy else None)
    claims.repair()
    assert json.loads((project / ".dvc/tmp/rwlock").read_text()) == content
    stranger.kill()
    stranger.wait()
    assert claims.busy(read, write) is None
    claims.repair()
    assert json.loads((project / ".dvc/tmp/rwlock").read_text()) == {}


@pytest.mark.parametrize("text", ["", "{", "5", '{"read": []}', '{"write": {"x": 1}}', '{"read": {"x": [{"pid": 1}]}}'])
def test_claims_that_cannot_be_read_are_nobodys(project: Path, text: str) -> None:
    path = project / ".dvc/tmp/rwlock"
    path.write_text(text)
    claims = PathLocks(project)
    assert claims.busy(["/p"], ["/q"]) is None
    claims.repair()
    with claims.held("a", [], ["/q"]):
        assert "/q" in path.read_text()
    dvc(project, "status")


@pytest.mark.cold
def test_many_processes_claim_at_once_and_none_is_lost(project: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom motools.repo.dvc_locks import PathLocks\n"
        "claims = PathLocks(Path(sys.argv[1]))\nheld = claims.held('a', [], [f'/p/{sys.argv[2]}'])\nheld.__enter__()\n"
        "print('held', flush=True)\nsys.stdin.readline()\nheld.__exit__(None, None, None)\n"
    )
    words = [sys.executable, "-c", code, str(project)]
    pipe = subprocess.PIPE
    started = [subprocess.Popen([*words, str(n)], stdin=pipe, stdout=pipe, text=True) for n in range(5)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
    path = project / ".dvc/tmp/rwlock"
    assert sorted(json.loads(path.read_text())["write"]) == [f"/p/{n}" for n in range(5)]
    for process in started:
        process.communicate("\n", timeout=300)
    eventually(lambda: json.loads(path.read_text()) == {})


def test_a_path_that_is_claimed_meanwhile_is_not_claimed_a_second_time(
    project: Path, stranger: subprocess.Popen[bytes]
) -> None:
    content = {"write": {"/p/x": {"pid": stranger.pid, "cmd": "dvc repro"}}}
    (project / ".dvc/tmp/rwlock").write_text(json.dumps(content))
    with (
        pytest.raises(Busy, match=f"train waits for process {stranger.pid}"),
        PathLocks(project).held("train", [], ["/p"]),
    ):
        pass
    assert json.loads((project / ".dvc/tmp/rwlock").read_text()) == content


def test_the_list_of_claims_is_not_edited_while_another_holds_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dvc_locks, "_MOMENT", 0.3)
    theirs = zc.lockfile.LockFile(str(project / ".dvc/tmp/rwlock.lock"))
    refused = pytest.raises(
        ProjectError, match=r"rwlock.lock has been held .*End that command, or, where there is none"
    )
    with refused, PathLocks(project).held("a", [], ["/p"]):
        pass
    theirs.close()
    assert not (project / ".dvc/tmp/rwlock").exists()


def test_dvcs_lock_is_not_waited_for_without_end(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dvc_locks, "_PATIENCE", 0.3)
    theirs = zc.lockfile.LockFile(str(project / ".dvc/tmp/lock"))
    with pytest.raises(ProjectError, match=rf"held for 0 s \(process {os.getpid()}\)"), DvcLock(project, False, print):
        pass
    theirs.close()


@pytest.mark.parametrize("hardlink", [False, True])
def test_dvc_and_we_take_turns_at_the_list_of_claims(project: Path, hardlink: bool) -> None:
    from dvc.fs import localfs
    from dvc.rwlock import rwlock

    claims = PathLocks(project, hardlink)
    theirs = rwlock(str(project / ".dvc/tmp"), localfs, "dvc repro", ["/p/in"], ["/p/out"], hardlink)
    with theirs, claims.held("a", ["/p/in"], ["/p/more"]):
        assert sorted(json.loads((project / ".dvc/tmp/rwlock").read_text())["write"]) == ["/p/more", "/p/out"]
    assert json.loads((project / ".dvc/tmp/rwlock").read_text()) == {}


def test_dvc_keeps_its_claim_in_a_process_that_calls_itself_by_another_name(project: Path) -> None:
    """As children of `multiprocessing` do, and servers. DVC ends in an error where its claim is gone before it."""
    code = (
        "import sys\nfrom dvc.fs import localfs\nfrom dvc.rwlock import rwlock\n"
        "with rwlock(sys.argv[1], localfs, 'dvc status', ['/p/in'], ['/p/out'], False):\n"
        "    print('held', flush=True)\n    sys.stdin.readline()\n"
    )
    words = [sys.executable, "-c", code, str(project / ".dvc/tmp")]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with PathLocks(project).held("a", ["/p/in"], ["/p/more"]):
        pass
    _, err = process.communicate("\n", timeout=300)
    assert process.returncode == 0, err


GONE = {
    "another program has its number": ["sleep", "600"],
    "another Python program has its number": [COLD, "-m", "http.server", "--bind", "127.0.0.1", "0"],
    "the same command was started later": [COLD, "-c", "import time; time.sleep(600)", "dvc", "repro"],
    "it is a zombie": ["true"],
}


@pytest.mark.parametrize("how", GONE)
def test_the_claim_of_a_process_that_is_gone_is_nobodys(project: Path, how: str) -> None:
    process = subprocess.Popen(GONE[how], stdout=subprocess.DEVNULL)
    if how != "it is a zombie":  # for a moment, while it becomes this program, it has no words
        eventually(lambda: GONE[how][-1].encode() in Path(f"/proc/{process.pid}/cmdline").read_bytes())
    path = project / ".dvc/tmp/rwlock"
    path.write_text(json.dumps({"write": {"/p/x": {"pid": process.pid, "cmd": "/usr/bin/dvc repro"}}}))
    if how == "the same command was started later":
        os.utime(path, (time.time() - 3600,) * 2)
    if how == "it is a zombie":
        eventually(lambda: Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "Z")
    assert PathLocks(project).busy([], ["/p/x"]) is None
    with PathLocks(project).held("a", [], ["/p/x"]):
        pass
    process.kill()
    process.wait()


@pytest.mark.cold
@pytest.mark.parametrize(
    "words",
    [
        ["{python}", "{script}", "a b", "--flag"],
        ["{python}", "-m", "held", "x"],
        ["{python}", "-m", "held"],
        ["{python}", "{script}"],
    ],
)
def test_the_claim_of_whoever_runs_python_somehow_is_alive(project: Path, words: list[str]) -> None:
    script = project / "with space" / "held.py"
    script.parent.mkdir()
    script.write_text(
        f"import sys\nfrom pathlib import Path\nfrom motools.repo.dvc_locks import PathLocks\n"
        f"with PathLocks(Path({str(project)!r})).held('a', [], ['/p/x']):\n    print('held', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    env = {**os.environ, "PYTHONPATH": str(script.parent)}
    words = [word.format(python=sys.executable, script=script) for word in words]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert str(PathLocks(project).busy([], ["/p/x"])).startswith(f"process {process.pid}")
    process.communicate("\n", timeout=300)
