"""The snapshot: whatever may have changed goes the long way, and what has not is answered from stats alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chain import Chain, Lay, dvc, eventually, git, remove

from motools.engine import snapshot
from motools.repo import file_hashes

HELPED = (
    ("import os\n", "import os\nfrom pkg.helper import word\n"),
    ('f"{name} {config.seed}', 'f"{word} {name} {config.seed}'),
)


def finished(folder: Path) -> Chain:
    """Run the chain once."""
    chain = Chain.lay(folder)
    for before, after in HELPED:
        chain.edit("chain.py", before, after)
    for name in ("pkg", "data", "whole"):
        chain.path(name).mkdir()
    chain.path("pkg/helper.py").write_text("word = 'a'\n")
    chain.path("pkg/__init__.py").write_text("")
    chain.path("whole/part.txt").write_text("part")
    chain.set("evaluate", more={"path": "data/rows.txt", "folder": "whole"})
    assert chain.run().code == 0
    return chain


def grown_up(chain: Chain) -> None:
    """Run the chain until there is proof that nothing has changed, all of it by stats."""
    time.sleep(0.06)
    chain.run()
    time.sleep(0.06)
    for _ in range(2):
        assert snapshot.unchanged(chain.folder) is not None
    (path,) = chain.path(".motools/unchanged").iterdir()
    assert '"young_files": {}, "young_folders": {}' in path.read_text()


@pytest.fixture(autouse=True)
def short_grain(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (file_hashes, snapshot):
        monkeypatch.setattr(module, "_GRAIN", 20_000_000)


@pytest.fixture
def ran(lay: Lay) -> Chain:
    chain = Chain(lay(finished))
    shutil.rmtree(chain.path(".motools/unchanged"), ignore_errors=True)  # of the folder that it was made in
    return chain


@pytest.fixture
def chain(ran: Chain) -> Chain:
    grown_up(ran)
    return ran


def long_way(chain: Chain) -> list[str]:
    """What the long way would do with each stage."""
    done = chain.command("status", str(chain.folder), "--json")
    assert done.code == 0, done.err
    return [stage["action"] for stage in done.stages]


def restored_times(path: Path, change: Callable[[Path], Any]) -> None:
    """Change a file or folder and put its modification time back, as `cp -p`, `rsync -a` and `tar` do."""
    before = path.stat()
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rewrite(path: Path) -> None:
    """The same number of other bytes, in place."""
    path.chmod(0o644)
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.write(bytes([data[0] ^ 1]))


def replace(path: Path) -> None:
    """The same number of other bytes, in a new file under its name."""
    data = path.read_bytes()
    path.with_name("new").write_bytes(bytes([data[0] ^ 1]) + data[1:])
    path.with_name("new").rename(path)


def shadow(chain: Chain) -> None:
    chain.path("pkg/helper").mkdir()
    chain.path("pkg/helper/__init__.py").write_text("word = 'b'\n")


def appear(chain: Chain) -> None:
    chain.path("data/rows.txt").write_text("rows\n")


CHANGES: dict[str, Callable[[Chain], Any]] = {
    "a param": lambda c: c.set("train", seed=1),
    "a comment in params.yaml": lambda c: c.path("params.yaml").write_text(c.path("params.yaml").read_text() + "# x\n"),
    "code": lambda c: c.edit("chain.py", "of {read}", "out of {read}"),
    "code it imports": lambda c: c.path("pkg/helper.py").write_text("word = 'c'\n"),
    "code, its time put back": lambda c: restored_times(c.path("chain.py"), rewrite),
    "code it imports, its time put back": lambda c: restored_times(c.path("pkg/helper.py"), rewrite),
    "a file of a folder that the config names, its time put back": lambda c: restored_times(
        c.path("whole/part.txt"), rewrite
    ),
    "a file more in a folder that the config names": lambda c: c.path("whole/more.txt").write_text(""),
    "a package that hides a module": shadow,
    "a module that hides an installed one": lambda c: c.path("dataclasses.py").write_text("x = 1\n"),
    "a file that the config names appears": appear,
    "an out, in place": lambda c: rewrite(c.path("atoms/model/data/part.txt")),
    "an out, its time put back": lambda c: restored_times(c.path("atoms/model/data/part.txt"), rewrite),
    "an out, replaced": lambda c: replace(c.path("atoms/model/data/part.txt")),
    "an out, replaced, its time put back": lambda c: restored_times(c.path("atoms/model/data/part.txt"), replace),
    "an out deleted": lambda c: remove(c.path("atoms/model")),
    "a file of an out deleted": lambda c: remove(c.path("atoms/model/data/sub/fill.txt")),
    "a file added to an out": lambda c: c.path("atoms/model/data/sub/new.txt").write_text(""),
    "a file added to an out, the folder's time put back": lambda c: restored_times(
        c.path("atoms/model/data/sub"), lambda path: (path / "new.txt").write_text("")
    ),
    "a folder with a file added": lambda c: (
        c.path("atoms/model/more").mkdir(),
        c.path("atoms/model/more/new.txt").write_text(""),
    ),
    "an out replaced by another folder": lambda c: (
        remove(c.path("atoms/model")),
        shutil.copytree(c.path("atoms/dataset"), c.path("atoms/model")),
    ),
    "two outs exchanged": lambda c: (
        c.path("atoms/model").rename(c.path("atoms/x")),
        c.path("atoms/dataset").rename(c.path("atoms/model")),
        c.path("atoms/x").rename(c.path("atoms/dataset")),
    ),
    "metrics": lambda c: rewrite(c.path("metrics/evaluate.json")),
    "a record": lambda c: rewrite(c.path("runs/train.json")),
    "dvc.lock deleted": lambda c: c.path("dvc.lock").unlink(),
    "dvc.lock of another state": lambda c: rewrite_hash(c.path("dvc.lock")),
    "dvc.yaml": lambda c: c.edit("dvc.yaml", "  train:", "  strain:"),
    "a stage of a person's own": lambda c: c.path("dvc.yaml").write_text(
        c.path("dvc.yaml").read_text() + "  mine:\n    cmd: echo x > mine.txt\n    outs: [mine.txt]\n"
    ),
    "the cache deleted": lambda c: shutil.rmtree(c.path(".dvc/cache")),
    "an object deleted": lambda c: remove(c.object("atoms/model", "data/part.txt")),
    "a folder object deleted": lambda c: remove(c.object("atoms/model")),
    "the cache moved": lambda c: dvc(c.folder, "config", "cache.dir", "/nowhere/at/all"),
    "the cache moved, for this clone": lambda c: dvc(c.folder, "config", "--local", "cache.dir", "/nowhere/at/all"),
    "the configuration of the user": lambda c: (
        Path(os.environ["DVC_GLOBAL_CONFIG_DIR"]).mkdir(parents=True, exist_ok=True),
        Path(os.environ["DVC_GLOBAL_CONFIG_DIR"], "config").write_text("[cache]\ndir = /nowhere/at/all\n"),
    ),
    "what is ignored": lambda c: c.path(".dvcignore").write_text("*.txt\n"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_never_overlooked(chain: Chain, what: str) -> None:
    CHANGES[what](chain)
    assert snapshot.unchanged(chain.folder) is None


@pytest.mark.parametrize("what", CHANGES)
def test_right_after_a_run_there_is_proof_and_a_change_in_the_same_moment_is_not_overlooked(
    project: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    config = (str(project / ".dvc" / "config"), str(project / ".dvcignore"))
    aged = snapshot._age

    def age(path: str, *stat: Any) -> int:
        return aged(path, *stat) if path.startswith(str(project)) and not path.startswith(config) else 1

    monkeypatch.setattr(snapshot, "_age", age)
    for module in (file_hashes, snapshot):
        monkeypatch.setattr(module, "_GRAIN", 3600 * 10**9)  # nothing of the project is known by its stat
    chain = finished(project)
    assert snapshot.unchanged(chain.folder) is not None
    CHANGES[what](chain)
    monkeypatch.setattr(snapshot, "_age", aged)
    assert snapshot.unchanged(chain.folder) is None


MEANWHILE: dict[str, Callable[[Path], Any]] = {
    "pkg/helper.py": lambda path: path.write_text("word = 'b'\n"),
    "whole/part.txt": lambda path: path.write_text("trap"),
    "dataclasses.py": lambda path: path.write_text(""),
    "data/rows.txt": lambda path: path.write_text("rows"),
    "chain.py": lambda path: path.write_text(path.read_text() + "\nX = 1\n"),
}


def test_configuration_that_is_no_older_than_a_moment_is_known_by_what_it_says(project: Path) -> None:
    chain = Chain.lay(project)
    config = project / ".dvc" / "config"
    for path in (config, project / ".dvc" / "config.local"):
        path.write_text("[core]\n    analytics = false\n")
    time.sleep(0.1)
    assert chain.run().code == 0
    assert snapshot.unchanged(project) is not None
    stat = config.stat()
    config.write_text("[core]\n    analytics = False\n")
    os.utime(config, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert snapshot.unchanged(project) is None


@pytest.mark.parametrize("name", MEANWHILE)
def test_what_changes_while_a_run_goes_on_is_proven_only_as_far_as_it_was_used(ran: Chain, name: str) -> None:
    chain = ran
    chain.set("train", pause=1.0)
    chain.executed()
    run = chain.start()
    eventually(lambda: "model" in chain.executed())
    MEANWHILE[name](chain.path(name))
    said = run.communicate(timeout=300)[1]
    assert run.returncode in (0, 1), said
    if snapshot.unchanged(chain.folder) is not None:  # the last step, which alone uses it, has used it as it is now
        assert name in ("whole/part.txt", "data/rows.txt")
        shutil.rmtree(chain.path(".motools/unchanged"))
        assert chain.run().statuses == ["current"] * 3
        assert chain.executed() == ["results"]


@pytest.mark.parametrize("what", ["PYTHONPATH", "DVC_GLOBAL_CONFIG_DIR", "XDG_CONFIG_HOME", "HOME", "MOTOOLS_CACHE"])
def test_a_variable_that_moves_configuration_or_code_is_never_overlooked(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv(what, "/somewhere/else")
    assert snapshot.unchanged(chain.folder) is None
    monkeypatch.undo()


def test_of_the_environment_as_a_whole_each_variable_counts_that_the_code_may_ask_for(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_MODE", "1")
    chain.edit("chain.py", "LOG = ", 'SEEN = sorted(v for k, v in os.environ.items() if k.startswith("APP_"))\nLOG = ')
    chain.edit("chain.py", 'return make("results"', 'return SEEN and make("results"')
    assert chain.run().code == 0
    assert chain.run().statuses == ["current"] * 3
    assert snapshot.unchanged(chain.folder) is not None
    for name in ("APP_MODE", "APP_SIZE"):
        monkeypatch.setenv(name, "2")
        assert snapshot.unchanged(chain.folder) is None
        assert long_way(chain) != ["current"] * 3
        monkeypatch.undo()
        monkeypatch.setenv("APP_MODE", "1")


def rewrite_hash(path: Path) -> None:
    text = path.read_text()
    at = text.index("md5: ") + 60
    path.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])


def test_who_asks_and_what_lies_elsewhere_change_nothing(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTOOLS_USER", "somebody")
    chain.path("pkg/notes").mkdir()
    remove(chain.path("pkg/notes"))
    chain.path(".dvc/tmp/x").write_text("")
    git(chain.folder, "add", "-A")
    git(chain.folder, "commit", "-q", "-m", "x")
    assert long_way(chain) == ["current"] * 3
    chain.run()
    assert snapshot.unchanged(chain.folder) is not None


def test_objects_that_were_added_to_the_cache_are_no_change(chain: Chain) -> None:
    for number in range(0, 256, 5):
        path = chain.path(".dvc/cache/files/md5", f"{number:02x}", "0" * 30)
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    assert snapshot.unchanged(chain.folder) is not None


# -- what is young ------------------------------------------------------------------------------


@pytest.mark.parametrize("age", ["known by content", "known by stat"])
def test_an_edit_within_the_grain_of_the_clock_is_seen_and_so_is_one_that_is_taken_back(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, age: str
) -> None:
    before = chain.run().ids
    if age == "known by content":
        for module in (file_hashes, snapshot):
            monkeypatch.setattr(module, "_GRAIN", 60_000_000_000)
        chain.path(".motools", "index.json").unlink()
        aged = snapshot._age
        outs = str(chain.path("atoms"))
        monkeypatch.setattr(snapshot, "_age", lambda path, *stat: aged(path, *stat) if path.startswith(outs) else 1)
        chain.path("dvc.lock").touch()
        assert chain.run().statuses == ["current"] * 3
        (proof,) = chain.path(".motools/unchanged").iterdir()
        assert '"young_files": {}' not in proof.read_text()
    path = chain.path("atoms/model/data/part.txt")
    content, stat = path.read_bytes(), path.stat()
    for data in (b"x" * len(content), content):
        with path.open("r+b") as file:
            file.write(data)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        known = snapshot.unchanged(chain.folder)
        assert known is None or data == content
        assert chain.run().ids == before
        assert path.read_bytes() == content


def test_the_young_are_known_by_content_until_they_are_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_GRAIN", 60_000_000_000)
    root = tmp_path / "p"
    (root / ".dvc").mkdir(parents=True)
    file, folder = root / "file", root / "folder"
    file.write_text("one")
    folder.mkdir()
    (folder / "a").write_text("")
    for path in (*snapshot._buckets(str(root / "cache")),):
        Path(path).mkdir(parents=True)
    md5 = "f97c5d29941bfb1b2fdab0874906ab82"  # of "one"
    snapshot.save(root, root, root / "cache", {str(file): md5}, {str(folder): ["a"]}, [], [{"stage": "x"}])
    assert snapshot.unchanged(root) == [{"stage": "x"}]
    file.write_text("two")
    assert snapshot.unchanged(root) is None
    file.write_text("one")
    assert snapshot.unchanged(root) == [{"stage": "x"}]
    monkeypatch.setattr(snapshot, "_GRAIN", 20_000_000)
    time.sleep(0.05)
    assert snapshot.unchanged(root) == [{"stage": "x"}]
    file.write_text("one")  # the same again, but written
    assert snapshot.unchanged(root) is None


def test_what_is_young_and_was_not_read_leaves_no_proof(tmp_path: Path) -> None:
    root = tmp_path / "p"
    (root / ".dvc").mkdir(parents=True)
    (root / "file").write_text("one")
    snapshot.save(root, root, root / "cache", {}, {}, [], [])
    assert snapshot.unchanged(root) == []
    snapshot.save(root, root, root / "cache", {str(root / "file"): None}, {}, [], [])
    assert snapshot.unchanged(root) is None


def test_a_snapshot_that_cannot_be_written_or_read_costs_time_only(chain: Chain) -> None:
    (path,) = chain.path(".motools/unchanged").iterdir()
    shutil.rmtree(path.parent)
    path.parent.write_text("in the way")
    assert chain.run().statuses == ["current"] * 3
    path.parent.unlink()
    path.mkdir(parents=True)
    assert snapshot.unchanged(chain.folder) is None


# -- the door ------------------------------------------------------------------------------------


@pytest.mark.cold
def test_nothing_but_the_standard_library_is_imported_for_the_answer(chain: Chain) -> None:
    code = (
        "import sys\nsys.argv = ['motools', 'run', '--json']\nimport motools.engine.snapshot as s\n"
        "from pathlib import Path\nassert s.unchanged(Path()) is not None\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=chain.folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert {"dvc", "yaml", "typer", "git", "pydantic", "rich"}.isdisjoint(done.stdout.split())


def test_outside_a_project_there_is_no_answer(tmp_path: Path) -> None:
    assert snapshot.unchanged(tmp_path) is None
