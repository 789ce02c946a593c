"""Damage: what is lost or broken is brought back at the least cost, no wrong object is trusted, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import random
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sampling
from chain import OUTPUTS, Chain, dvc, git, remove, spoil
from sampling import sample
from warm import COLD

from motools.engine import snapshot
from motools.repo import file_hashes

CURRENT, RESTORED, FINISHED = (["current"] * 3, ["restored"] * 3, ["finished"] * 3)


@pytest.fixture(scope="session")
def ran_once(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the chain has run and is committed; copied by each test."""
    folder = tmp_path_factory.mktemp("ran") / "project"
    chain = Chain.lay(Path(shutil.copytree(template, folder, symlinks=True)))
    assert chain.run().statuses == FINISHED
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "ran")
    return folder


@pytest.fixture
def chain(ran_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    for module in (file_hashes, snapshot):  # so that what is as old as a test is old enough to be known by its stat
        monkeypatch.setattr(module, "_GRAIN", 20_000_000)
    folder = Path(shutil.copytree(ran_once, tmp_path / "project", symlinks=True))
    monkeypatch.chdir(folder)
    found = Chain(folder)
    found.executed()
    time.sleep(0.03)
    found.before = found.run().ids  # type: ignore[attr-defined]
    assert len(found.before) == 3  # type: ignore[attr-defined]
    return found


def remote(chain: Chain, tmp_path: Path) -> Path:
    dvc(chain.folder, "remote", "add", "-q", "-d", "shared", str(tmp_path / "remote"))
    dvc(chain.folder, "push", "-q")
    return tmp_path / "remote"


def is_sound(chain: Chain) -> None:
    """All is as it was before the damage, in the folder, in dvc.lock and in the cache."""
    again = chain.run()
    assert again.statuses == CURRENT, again.err
    assert again.ids == chain.before  # type: ignore[attr-defined]
    assert chain.dvc_status() == {}
    from motools.repo.project import Project

    store = Project(chain.folder).store
    for stage in chain.locked().values():
        for out in stage["outs"]:
            if out["path"].startswith("metrics/"):
                continue
            store.check_out(out["md5"], chain.path("..", "checked"))  # hashes whatever it reads
            remove(chain.path("..", "checked"))


# -- objects that are missing ---------------------------------------------------------


@pytest.mark.parametrize("lost", ["a file", "a folder object", "a record", "all", "all and the step cache"])
def test_missing_objects_are_put_back_from_the_folder(chain: Chain, tmp_path: Path, lost: str) -> None:
    shutil.rmtree(remote(chain, tmp_path))  # were it asked, it would say so
    if lost == "a file":
        remove(chain.object("atoms/model", "data/part.txt"))
    elif lost == "a folder object":
        remove(chain.object("atoms/model"))
    elif lost == "a record":
        remove(chain.object("runs/train.json"))
    else:
        shutil.rmtree(chain.path(".dvc/cache/files"))
        if lost != "all":
            shutil.rmtree(chain.path(".dvc/cache/runs"))
    done = chain.run()
    assert done.code == 0, done.err
    assert done.statuses == (RESTORED if lost.startswith("all") else ["current", "restored", "current"])
    assert chain.executed() == []
    is_sound(chain)


def test_what_neither_folder_nor_cache_has_is_fetched_from_the_remote(chain: Chain, tmp_path: Path) -> None:
    remote(chain, tmp_path)
    shutil.rmtree(chain.path(".dvc/cache"))
    shutil.rmtree(chain.path("atoms"))
    done = chain.run()
    assert done.statuses == RESTORED, done.err
    assert chain.executed() == []
    is_sound(chain)


def test_what_is_nowhere_is_made_again_and_nothing_else(chain: Chain) -> None:
    remove(chain.object("atoms/model", "data/part.txt"))
    remove(chain.path("atoms/model"))
    done = chain.run()
    assert done.statuses == ["current", "finished", "current"], done.err
    assert chain.executed() == ["model"]
    is_sound(chain)


def test_an_out_that_only_the_folder_holds_is_kept_when_another_takes_its_place(chain: Chain) -> None:
    shutil.rmtree(chain.path(".dvc/cache/files"))
    chain.set("train", seed=1)
    assert chain.run().code == 0
    chain.set("train", seed=0)
    assert chain.executed() == ["model", "results"]
    assert chain.run().statuses == ["current", "restored", "restored"]
    assert chain.executed() == []
    is_sound(chain)


# -- outs that were edited -------------------------------------------------------------


EDITS: dict[str, Callable[[Chain], object]] = {
    "a file of it": lambda c: c.path("atoms/model/data/part.txt").write_text("mine"),
    "its atom.json": lambda c: c.path("atoms/model/atom.json").write_text("{}"),
    "a file added": lambda c: c.path("atoms/model/data/new.txt").write_text("mine"),
    "a file removed": lambda c: c.path("atoms/model/data/sub/fill.txt").unlink(),
    "a file renamed": lambda c: c.path("atoms/model/data/part.txt").rename(c.path("atoms/model/data/art.txt")),
    "deleted": lambda c: remove(c.path("atoms/model")),
    "a file in its place": lambda c: (remove(c.path("atoms/model")), c.path("atoms/model").write_text("mine")),
    "a dangling link in its place": lambda c: (
        remove(c.path("atoms/model")),
        c.path("atoms/model").symlink_to("nowhere"),
    ),
    "its record": lambda c: c.path("runs/train.json").write_text("{}"),
    "a folder in its record's place": lambda c: (remove(c.path("runs/train.json")), c.path("runs/train.json").mkdir()),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_out_that_was_edited_is_as_it_was_after_the_next_run(chain: Chain, what: str) -> None:
    EDITS[what](chain)
    done = chain.run()
    assert done.statuses == ["current", "restored", "current"], done.err
    assert chain.executed() == []
    is_sound(chain)
    assert chain.leftovers() == []


@pytest.mark.parametrize("where", [".dvcignore", "atoms/.dvcignore"])
def test_an_output_that_dvc_would_not_see_is_refused_with_the_file_at_fault(chain: Chain, where: str) -> None:
    chain.path(where).write_text("fill.*\n")
    chain.set(seed=1)
    done = chain.run()
    assert done.code == 1
    assert "A .dvcignore hides atoms/dataset/data/sub/fill.txt from DVC" in done.said
    chain.path(where).unlink()
    assert chain.run().statuses == FINISHED
    assert chain.dvc_status() == {}


def test_metrics_that_were_edited_are_as_they_were(chain: Chain) -> None:
    for damage in ('{"task": {}}', None):
        path = chain.path("metrics/evaluate.json")
        text = path.read_text()
        path.write_text(damage) if damage else path.unlink()
        assert chain.run().statuses == ["current", "current", "restored"]
        assert path.read_text() == text
    is_sound(chain)


def test_an_empty_folder_in_an_out_is_nothing_to_dvc_and_to_us(chain: Chain) -> None:
    chain.path("atoms/model/data/empty").mkdir()
    assert chain.run().statuses == CURRENT
    assert chain.dvc_status() == {}


# -- objects that are not what their name says ------------------------------------------


SPOILT = {
    "a file of equal size": ("data/part.txt", None),
    "a longer file": ("data/part.txt", b"x" * 4000),
    "the folder object": (None, None),
    "the folder object, another listing": (None, b'[{"md5": "d41d8cd98f00b204e9800998ecf8427e", "relpath": "x"}]'),
}


@pytest.mark.parametrize("what", SPOILT)
@pytest.mark.parametrize("engine", ["motools", "dvc"])
def test_a_wrong_object_is_not_restored_but_made_again(chain: Chain, what: str, engine: str) -> None:
    inside, data = SPOILT[what]
    spoil(chain.object("atoms/model", inside), data)
    remove(chain.path("atoms/model"))
    if engine == "motools":
        done = chain.run("-v")
        assert done.statuses == ["current", "finished", "current"], done.err
    else:
        dvc(chain.folder, "repro", "-q")
    assert chain.executed() == ["model"]
    is_sound(chain)


@pytest.mark.parametrize("inside", [None, "data/part.txt"])
def test_an_object_that_was_replaced_by_a_wrong_one_is_put_back_from_the_folder(
    chain: Chain, inside: str | None
) -> None:
    path = chain.object("atoms/model", inside)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1])  # of the usual mode: DVC looks into it, and deletes it
    assert snapshot.unchanged(chain.folder) is None
    assert chain.run().statuses == ["current", "restored", "current"]
    assert chain.executed() == []
    assert chain.dvc_status() == {}
    is_sound(chain)


def test_a_wrong_object_is_fetched_anew_where_a_remote_has_it(chain: Chain, tmp_path: Path) -> None:
    remote(chain, tmp_path)
    spoil(chain.object("atoms/model", "data/part.txt"))
    remove(chain.path("atoms/model"))
    done = chain.run()
    assert done.statuses == ["current", "restored", "current"], done.err
    assert chain.executed() == []
    is_sound(chain)


def test_a_wrong_record_does_no_harm(chain: Chain) -> None:
    spoil(chain.object("runs/train.json"))
    remove(chain.path("atoms/model"))
    remove(chain.path("runs/train.json"))
    assert chain.run().code == 0
    is_sound(chain)


def test_a_wrong_object_is_put_aside_and_not_destroyed(chain: Chain) -> None:
    path = chain.object("atoms/model", "data/part.txt")
    spoil(path)
    content = path.read_bytes()
    remove(chain.path("atoms/model"))
    done = chain.command("run", str(chain.folder))
    assert "damaged" in done.said
    (kept,) = chain.path(".motools/damaged").iterdir()
    assert str(kept) in done.err.replace("\n", "")
    assert kept.read_bytes() == content


# -- link types -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reflink,copy", "hardlink", "symlink", "copy"])
def test_outs_that_are_links_into_the_cache_are_handled_and_an_edit_through_one_is_not_trusted(
    chain: Chain, kind: str
) -> None:
    dvc(chain.folder, "config", "cache.type", kind)
    dvc(chain.folder, "checkout", "-q", "--relink")
    path, target = chain.path("atoms/model/data/part.txt"), chain.object("atoms/model", "data/part.txt")
    assert (path.is_symlink(), os.path.samefile(path, target)) == (kind == "symlink", kind in ("symlink", "hardlink"))
    assert chain.run().statuses == CURRENT
    is_sound(chain)
    target.chmod(0o644)
    path.chmod(0o644)
    with path.open("r+") as file:
        file.write("EDITED")
    target.chmod(0o444)
    path.chmod(0o444)
    done = chain.run()
    through = kind in ("symlink", "hardlink")
    assert done.statuses == ["current", "finished" if through else "restored", "current"], done.err
    assert "EDITED" not in path.read_text()
    is_sound(chain)
    dvc(chain.folder, "checkout", "-q", "--relink")
    assert chain.run().statuses == CURRENT
    chain.set("train", seed=3)  # outs that are links make way for others
    assert chain.run().statuses == ["current", "finished", "finished"]
    chain.set("train", seed=0)
    assert chain.run().statuses == ["current", "restored", "restored"]
    is_sound(chain)


def test_outs_whose_link_leads_nowhere_any_more_are_made_again(chain: Chain) -> None:
    dvc(chain.folder, "config", "cache.type", "symlink")
    dvc(chain.folder, "checkout", "-q", "--relink")
    shutil.rmtree(chain.path(".dvc/cache/files"))
    done = chain.run()
    assert done.statuses == FINISHED, done.err
    is_sound(chain)


# -- files of the project ----------------------------------------------------------------------


BROKEN = [
    (name, text)
    for name in ("dvc.lock", "params.yaml", "dvc.yaml")
    for text in (
        "stages: [",
        "<<<<<<< HEAD\nstages: {}\n=======\nx: 1\n>>>>>>> b\n",
        "- 1\n- 2\n",
        "stages: 5\n",
        "stages: {train: 5}\n",
        "stages: {train: {cmd: 5, deps: 7, outs: {a: b}, params: [1]}}\n",
        "schema: '2.0'\nstages:\n  train:\n    outs:\n    - 5\n    - path: atoms/model\n    deps:\n    - {x: 1}\n",
        "schema: '1.0'\nstages: {}\n",
        "train: 5\nworkflow: chain.py:workflow\n",
        "\x00\x01\x02",
        b"\xff\xfe\xfd",
        "x: 2001-01-01\n",
        "a: 1\na: 2\n",
    )
]


@pytest.mark.parametrize(("name", "text"), sample(BROKEN, 0, axes=lambda case: case), ids=lambda each: repr(each)[:24])
def test_a_broken_file_gets_one_sentence_and_nothing_is_lost(chain: Chain, name: str, text: str | bytes) -> None:
    path = chain.path(name)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = path.read_bytes()
    for command in ("status", "run"):
        done = chain.command(command, str(chain.folder), "--json")
        assert done.code in (0, 2), done.err
        if done.code == 2:
            assert name in done.sentence or "train" in done.sentence
            assert path.read_bytes() == before
    assert chain.executed() == []
    git(chain.folder, "checkout", "-q", "--", name)
    assert chain.run().code == 0
    assert chain.executed() == []
    is_sound(chain)


def test_whatever_is_left_of_dvc_lock_nothing_is_executed_again(chain: Chain) -> None:
    path = chain.path("dvc.lock")
    whole = path.read_bytes()
    dice = random.Random(0)
    hashes = [match.start() for match in re.finditer(rb"[0-9a-f]{32}", whole)]
    for _ in range(25 if sampling.ALL else 10):
        at = dice.randrange(len(whole))
        damaged = whole[:at]
        if dice.random() < 0.3:
            at = dice.choice(hashes) + dice.randrange(32)
            damaged = whole[:at] + dice.choice([b"0", b"e", b"x", b"\n", b"\xff"]) + whole[at + 1 :]
        path.write_bytes(damaged)
        done = chain.run()
        if done.code == 2:
            assert "dvc.lock" in done.sentence
            assert path.read_bytes() == damaged
            path.unlink()
            done = chain.run()
        assert done.code == 0, (done.err, damaged)
        assert done.ids == chain.before, damaged  # type: ignore[attr-defined]
        assert chain.executed() == [], damaged
        assert chain.dvc_status() == {}, damaged


def test_a_step_cache_entry_that_was_changed_or_cut_is_not_believed(chain: Chain) -> None:
    other = chain.oid("atoms/dataset")
    for path in chain.path(".dvc/cache/runs").glob("*/*/*"):
        text = path.read_text()
        if "out/model" not in text:
            continue
        for damaged in (text.replace(chain.oid("atoms/model"), other), text[:-20], "", "[1]", "outs: 5\n", "\0"):
            path.write_text(damaged)
            remove(chain.path("atoms"))
            chain.path("dvc.lock").unlink()
            done = chain.run()
            assert done.code == 0, done.err
            assert chain.executed() == ["model"]
            is_sound(chain)
            for entry in path.parent.iterdir():
                if entry != path:
                    entry.unlink()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1, "files": []}', '{"version": 1, "files": {"/": 5}}', "\0"]
)
def test_a_broken_index_or_snapshot_costs_time_only(chain: Chain, text: str) -> None:
    shutil.rmtree(chain.path(".motools/unchanged"), ignore_errors=True)  # that of the folder which this is a copy of
    for _ in range(20):  # this process's modules lie where others may be at work: then there is no proof
        if snapshot.unchanged(chain.folder):
            break
        assert chain.run().statuses == CURRENT
    (proof,) = chain.path(".motools/unchanged").glob("*.json")
    for path in (proof, chain.path(".motools/index.json")):
        assert path.exists()
        path.write_text(text)
        assert snapshot.unchanged(chain.folder) is None or path != proof
        assert chain.run().statuses == CURRENT
    is_sound(chain)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"read": 5}', '{"write": {"x": {"pid": "?", "cmd": "dvc repro"}}}'])
def test_claims_that_a_killed_dvc_left_unreadable_are_mended(chain: Chain, text: str) -> None:
    chain.path(".dvc/tmp").mkdir(exist_ok=True)
    chain.path(".dvc/tmp/rwlock").write_text(text)
    chain.set("train", seed=1)
    assert chain.run().statuses == ["current", "finished", "finished"]
    assert chain.dvc_status() == {}
    if text in ("{", '{"read": 5}') or sampling.ALL:
        dvc(chain.folder, "repro", "-q")
        assert chain.dvc_status() == {}


def test_a_broken_configuration_gets_one_sentence(chain: Chain) -> None:
    chain.path(".dvc/config").write_text("[cache\ndir = x\n")
    done = chain.run()
    assert done.code == 2
    assert ".dvc/config" in done.sentence


@pytest.mark.parametrize("text", [b"[core]\nremote = %(name)s\n", b"[core]\nremote = \xff\n"], ids=repr)
def test_a_configuration_of_odd_values_gets_one_sentence(chain: Chain, text: bytes) -> None:
    chain.path(".dvc/config").write_bytes(text)
    done = chain.run()
    assert done.code == 2
    assert ".dvc/config is not a DVC configuration: " in done.sentence


def test_a_number_of_too_many_digits_gets_one_sentence(chain: Chain) -> None:
    for number in ("9" * 5000, "0x" + "f" * 5000):
        chain.path("params.yaml").write_text(f"workflow: chain.py:workflow\nprepare: {{seed: {number}}}\n")
        done = chain.run()
        assert done.code == 2
        assert "a number of more than 3,500 digits" in done.sentence


def test_a_broken_input_file_gets_one_sentence(chain: Chain) -> None:
    chain.edit("chain.py", "import os", "import os ][")
    done = chain.run()
    assert done.code == 2
    assert "chain.py" in done.sentence


# -- a disk that is full, a cache that cannot be written -----------------------------------------


def limited(size: int) -> Callable[[], None]:
    """Have files of a child refuse to grow beyond a size, as they do on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def without_logs(said: str) -> str:
    """What was said, but for the ends of steps' logs."""
    return "\n".join(line for line in said.splitlines() if not line.lstrip().startswith("|"))


def run_with(chain: Chain, prepare: Callable[[], None] | None, *options: str) -> subprocess.CompletedProcess[str]:
    words = [COLD, "-m", "motools", "run", "--quiet", *options]
    return subprocess.run(words, cwd=chain.folder, capture_output=True, text=True, timeout=300, preexec_fn=prepare)


def test_an_output_that_cannot_be_written_fails_its_step_and_what_finished_is_kept(chain: Chain) -> None:
    chain.set("train", fill=40_000)  # times five letters
    chain.set("prepare", seed=1)
    done = run_with(chain, limited(100_000))
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in without_logs(done.stderr)
    assert chain.executed() == ["dataset", "model"]
    assert chain.run().statuses == ["current", "finished", "finished"]
    assert chain.dvc_status() == {}
    assert chain.leftovers() == []


@pytest.mark.parametrize("at_last_only", [True, False])
def test_books_that_cannot_be_written_are_told_in_one_sentence_and_no_step_is_lost(
    chain: Chain, at_last_only: bool
) -> None:
    chain.set(seed=1, more={f"key_{n}": n for n in range(300)})  # all of it stands in dvc.lock
    if not at_last_only:
        assert chain.run().statuses == FINISHED
        assert chain.executed() == OUTPUTS
        chain.set("evaluate", pause=1.1)  # where a step takes more than a second, writing is tried when it ends, too
    done = run_with(chain, limited(chain.path("params.yaml").stat().st_size))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert f"Error: File too large: {chain.path('dvc.lock')}. What has finished is kept" in done.stderr
    assert chain.executed() == (OUTPUTS if at_last_only else ["results"])
    assert set(chain.run().statuses) <= {"current", "restored"}  # the first may have been entered in time
    assert chain.executed() == []
    assert chain.dvc_status() == {}
    assert chain.leftovers() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "none", str(disk)]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_on_a_full_disk_every_command_says_so_and_goes_on_when_there_is_room(
    ran_once: Path, small_disk: Path, tmp_path: Path
) -> None:
    chain = Chain(Path(shutil.copytree(ran_once, small_disk / "project", symlinks=True)))
    chain.executed()
    expected = chain.run()
    filler = small_disk / "filler"
    for number, room in enumerate((0, 8, 24, 40, 80) if sampling.ALL else (0, 24, 80)):
        chain.set(seed=number + 1)
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        os.truncate(filler, max(0, filler.stat().st_size - room * 1024))
        done = run_with(chain, None)
        assert "Traceback" not in without_logs(done.stderr), done.stderr
        assert done.returncode in (0, 1), done.stderr
        assert done.returncode == 0 or "No space left" in done.stderr
        filler.unlink()
        before = chain.executed()
        again = chain.run()
        assert again.code == 0, again.err
        assert sorted({*before, *chain.executed()}) == sorted(OUTPUTS)
        assert chain.dvc_status() == {}
        assert chain.leftovers() == []
    assert expected.statuses == CURRENT


def test_where_nothing_changed_a_full_disk_is_no_hindrance(chain: Chain) -> None:
    done = run_with(chain, limited(0))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_from_a_cache_that_cannot_be_written_results_are_restored_and_steps_fail_with_one_sentence(
    chain: Chain,
) -> None:
    folders = [path for path in chain.path(".dvc/cache").rglob("*") if path.is_dir()]
    for folder in [chain.path(".dvc/cache"), *folders]:
        folder.chmod(0o555)
    try:
        remove(chain.path("atoms/model"))
        assert chain.run().statuses == ["current", "restored", "current"]
        chain.set("train", seed=5)
        done = chain.command("run", str(chain.folder))
        assert done.code == 1
        assert "Permission denied" in done.said
        assert not chain.path("atoms/model").exists()
    finally:
        for folder in [chain.path(".dvc/cache"), *folders]:
            folder.chmod(0o755)
    assert chain.run().statuses == ["current", "finished", "finished"]
    assert chain.dvc_status() == {}


def test_where_the_remote_cannot_be_read_what_is_free_is_executed(chain: Chain, tmp_path: Path) -> None:
    shutil.rmtree(remote(chain, tmp_path))
    (tmp_path / "remote").write_text("not a folder")
    shutil.rmtree(chain.path(".dvc/cache"))
    shutil.rmtree(chain.path("atoms"))
    done = chain.run()
    assert done.statuses == FINISHED
    is_sound(chain)
