"""Steps on machines that see none of these files: the code comes from git, all else goes by way of the DVC remote."""

from __future__ import annotations

import json
import os
import shutil
import socket
import types
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chain import Chain, commit, dvc, git
from warm import COLD

from motools.repo import clones
from motools.repo.git import Git
from motools.repo.work_tree import work_tree

SHIFTED = """
import datetime, os, time

shift = float(os.environ["SHIFT"])
now, now_ns = time.time, time.time_ns
time.time, time.time_ns = lambda: now() + shift, lambda: now_ns() + int(shift * 1e9)


class Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=shift)


datetime.datetime = Shifted
"""
HOSTS = """
import itertools, os, subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from motools.executors.job import Answer

count = itertools.count()


def on_a_host(job, number):
    '''Host 0 is a day ahead, host 1 a day behind.'''
    host = Path({folder!r}, f"host-{{number % 2}}")
    host.mkdir(exist_ok=True)
    (host / f"{{number}}.job").write_text(job.dumps())
    shift = {{"SHIFT": str((1 - 2 * (number % 2)) * 86400), "PYTHONPATH": {lib!r}}}
    command = [{python!r}, "-m", "motools.execution.one_step", str(host / f"{{number}}.job"), str(host / "answer")]
    subprocess.run(command, env={{**os.environ, **shift, "MOTOOLS_CLONES": str(host / "clones")}})
    return Answer.loads((host / "answer").read_text())


class Hosts(ThreadPoolExecutor):
    def __init__(self):
        super().__init__(1)

    def submit(self, fn, job):
        return super().submit(on_a_host, job, next(count))
"""


@pytest.fixture
def chain(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    """A project whose steps run in clones, by threads of this process; with a remote that is a folder."""
    chain = Chain.lay(project)
    chain.edit("chain.py", 'Path(__file__).with_name("executed.log")', f"Path({str(project / 'executed.log')!r})")
    chain.path("motools.yaml").write_text(
        "executors:\n  far: {kind: 'concurrent.futures:ThreadPoolExecutor', max_workers: 2, shared_files: false}\n"
    )
    dvc(project, "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    commit(project)
    monkeypatch.setenv("MOTOOLS_CLONES", str(tmp_path / "clones"))
    monkeypatch.setattr(clones, "_free", {})
    return chain


def objects(folder: Path) -> set[str]:
    return {path.parent.name + path.name for path in (folder / "files" / "md5").glob("??/*")}


def test_the_same_atoms_are_made_and_entered_as_if_they_had_been_made_here(chain: Chain, tmp_path: Path) -> None:
    there = chain.run("--on", "far")
    assert there.statuses == ["finished"] * 3
    assert chain.executed() == ["dataset", "model", "results"]
    assert json.loads(chain.path("metrics", "evaluate.json").read_text()) == {"task": {"score": {"mean": 0.5}}}
    assert chain.run().statuses == ["current"] * 3
    assert chain.dvc_status() == {}
    assert {chain.oid(f"atoms/{name}") for name in ("dataset", "model", "results")} <= objects(tmp_path / "store")
    record = json.loads(chain.path("runs", "train.json").read_text())
    assert record["commit"] == git(chain.folder, "rev-parse", "HEAD").strip()
    assert record["host"] == socket.gethostname()
    assert f" s on {socket.gethostname()}" in chain.command("lineage", there.ids["model"]).out
    here = Chain(Path(shutil.copytree(chain.folder, tmp_path / "here", symlinks=True)))
    assert here.run("--force").ids == there.ids


def test_a_step_that_writes_into_what_it_reads_spoils_nothing_for_the_next(chain: Chain) -> None:
    chain.edit(
        "chain.py",
        "def train(config, input_atoms, workspace):",
        "def train(config, input_atoms, workspace):\n"
        "    if config.seed == 1:\n"
        "        part = input_atoms['dataset'].get_data_path() / 'part.txt'\n"
        "        part.unlink()\n"
        "        part.write_text('spoilt')\n",
    )
    chain.edit("motools.yaml", "max_workers: 2", "max_workers: 1")
    chain.path("params.yaml").write_text("workflow: chain.py:workflow\nsweep:\n  train.seed: [1, 2]\n")
    commit(chain.folder)
    done = chain.run("--on", "far", "--stages", "prepare:train")
    trained = {stage["stage"]: stage for stage in done.stages if stage["stage"].startswith("train")}
    assert "changed while the step was reading it" in trained["train@seed=1"]["error"]
    assert trained["train@seed=2"]["status"] == "finished", trained["train@seed=2"]["error"]


@pytest.mark.parametrize("setting", ["diff.noprefix=true", "diff.context=0", "diff.mnemonicPrefix=true"])
def test_the_patch_is_the_same_however_its_person_likes_to_read_one(chain: Chain, setting: str) -> None:
    before = work_tree(Git(chain.folder), chain.path(".motools"))
    chain.edit("chain.py", '"""A dataset,', '"""One dataset,')
    chain.path("new.txt").write_text("new\n")
    plain = work_tree(Git(chain.folder), chain.path(".motools"))
    git(chain.folder, "config", *setting.split("="))
    assert work_tree(Git(chain.folder), chain.path(".motools")) == plain != before
    assert plain.patch.startswith(b"diff --git a/chain.py b/chain.py\n")


def test_a_key_is_not_sent_along_with_what_is_not_committed(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.path(".env").write_text("SOME_API_KEY=planted-value-0123456789\n")
    monkeypatch.setenv("SOME_API_KEY", "planted-value-0123456789")
    done = chain.run("--on", "far")
    assert done.code == 2
    assert "that is not committed holds the value of SOME_API_KEY, and would be sent along with steps" in done.sentence
    assert chain.executed() == []
    with chain.path(".gitignore").open("a") as ignored:
        ignored.write(".env\n")
    assert chain.run("--on", "far").code == 0


def test_a_clone_of_the_driver_has_all_from_the_remote(chain: Chain, tmp_path: Path) -> None:
    there = chain.run("--on", "far")
    commit(chain.folder)
    git(tmp_path, "clone", "-q", str(chain.folder), "clone")
    clone = Chain(tmp_path / "clone")
    got = clone.run()
    assert got.statuses == ["restored"] * 3
    assert got.ids == there.ids
    assert len(chain.executed()) == 3


def test_what_is_not_committed_goes_along_as_a_patch_whose_hash_is_in_the_record(chain: Chain) -> None:
    chain.path("words.py").write_text("WORD = 'new'\n")
    chain.edit("chain.py", "import os\n", "import os\nimport words\n")
    chain.edit("chain.py", '"part.txt").write_text(f"', '"part.txt").write_text(f"{words.WORD} ')
    done = chain.run("--on", "far")
    assert done.statuses == ["finished"] * 3
    assert chain.path("atoms", "model", "data", "part.txt").read_text().startswith("new model")
    record = json.loads(chain.path("runs", "train.json").read_text())
    assert "chain.py" in record["changed"]
    assert chain.path(".motools", "patches", f"{record['patch']}.patch").read_text().count("words") >= 2
    assert chain.run().statuses == ["current"] * 3
    chain.path("words.py").write_text("WORD = 'newer'\n")
    assert chain.run("--on", "far").statuses == ["finished"] * 3
    assert chain.path("atoms", "model", "data", "part.txt").read_text().startswith("newer model")


def test_steps_here_and_there_pass_their_results_to_each_other(chain: Chain) -> None:
    with chain.path("motools.yaml").open("a") as file:
        file.write("run_on: {model: far}\n")
    assert chain.run().statuses == ["finished"] * 3
    assert chain.run("--on", "here").statuses == ["current"] * 3


def test_files_that_dvc_tracks_are_brought_to_the_step(chain: Chain) -> None:
    chain.path("words").mkdir()
    chain.path("words", "a.txt").write_text("tracked")
    dvc(chain.folder, "add", "-q", "words")
    dvc(chain.folder, "push", "-q")
    read = "(Path(__file__).parent / 'words' / 'a.txt').read_text()"
    chain.edit("chain.py", '"part.txt").write_text(f"', f'"part.txt").write_text({read} + f"')
    assert chain.run("--on", "far").statuses == ["finished"] * 3
    assert chain.path("atoms", "model", "data", "part.txt").read_text().startswith("trackedmodel")
    assert chain.run().statuses == ["current"] * 3


def test_a_result_that_the_remote_has_is_not_made_again_by_a_driver_that_does_not_know_of_it(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Chain(Path(shutil.copytree(chain.folder, tmp_path / "other", symlinks=True)))
    there = chain.run("--on", "far")
    monkeypatch.setenv("MOTOOLS_CLONES", str(tmp_path / "another machine"))
    monkeypatch.setattr(clones, "_free", {})
    again = other.run("--on", "far")
    assert again.statuses == ["restored"] * 3
    assert again.ids == there.ids
    assert len(chain.executed()) == 3


def test_a_result_that_could_not_be_sent_is_kept_and_sent_by_the_next_run(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from motools.execution import in_clone

    monkeypatch.setattr(in_clone, "time", types.SimpleNamespace(sleep=lambda seconds: None))
    store, away = str(tmp_path / "store"), str(tmp_path / "away")
    lose = f"os.rename({store!r}, {away!r}); open({store!r}, 'w').close()"
    chain.edit("chain.py", 'return make("model"', f'{lose}\n    return make("model"')
    (tmp_path / "store").mkdir()
    done = chain.run("--on", "far")
    assert done.code == 1
    assert done.statuses == ["finished", "failed", "skipped"]
    assert "could not be sent: The DVC remote 'store'" in done.stages[1]["error"]
    assert "`motools run` sends it from there" in done.stages[1]["error"]
    (tmp_path / "store").unlink()
    (tmp_path / "away").rename(tmp_path / "store")
    done = chain.run("--on", "far")
    assert done.statuses == ["current", "restored", "finished"]
    assert chain.executed() == ["dataset", "model", "results"]


def test_a_result_is_sent_when_the_remote_is_back_while_its_worker_tries_again(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from motools.execution import in_clone

    store, away = tmp_path / "store", tmp_path / "away"
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            store.unlink()
            away.rename(store)

    monkeypatch.setattr(in_clone, "time", types.SimpleNamespace(sleep=sleep))
    lose = f"os.rename({str(store)!r}, {str(away)!r}); open({str(store)!r}, 'w').close()"
    chain.edit("chain.py", 'return make("model"', f'{lose}\n    return make("model"')
    store.mkdir()
    assert chain.run("--on", "far").statuses == ["finished"] * 3
    assert slept == [1, 3]
    assert chain.executed() == ["dataset", "model", "results"]


def test_a_clone_whose_worker_was_killed_within_git_is_made_anew(chain: Chain) -> None:
    assert chain.run("--on", "far", "--stages", "prepare").statuses[0] == "finished"
    (clone,) = [clone for kept in clones._free.values() for clone in kept]
    os.close(clone._lock)  # as when its process ends
    clones._free.clear()
    (clone.top / ".git" / "index.lock").touch()
    done = chain.run("--on", "far")
    assert done.statuses == ["current", "finished", "finished"]
    assert [clone.top for kept in clones._free.values() for clone in kept] == [clone.top]


@pytest.mark.cold
def test_clocks_that_differ_change_nothing(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "sitecustomize.py").write_text(SHIFTED)
    chain.path("hosts.py").write_text(HOSTS.format(lib=str(tmp_path / "lib"), python=COLD, folder=str(tmp_path)))
    chain.path("motools.yaml").write_text("executors: {far: {kind: 'hosts:Hosts', shared_files: false}}\n")
    commit(chain.folder)
    other = Chain(Path(shutil.copytree(chain.folder, tmp_path / "other", symlinks=True)))
    there = chain.run("--on", "far")
    assert there.statuses == ["finished"] * 3
    started = [json.loads(chain.path("runs", f"{name}.json").read_text())["started"] for name in ("prepare", "train")]
    now = datetime.now(UTC)
    assert datetime.fromisoformat(started[0]) > now + timedelta(hours=20)
    assert datetime.fromisoformat(started[1]) < now - timedelta(hours=20)
    assert chain.run().statuses == ["current"] * 3
    assert chain.dvc_status() == {}
    again = other.run("--on", "far")
    assert again.statuses == ["restored"] * 3
    assert again.ids == there.ids
    assert chain.executed() == ["dataset", "model", "results"]
    assert chain.run("--force").ids == there.ids


def test_what_costs_money_stays_where_what_was_paid_is_written_down(chain: Chain) -> None:
    chain.edit("chain.py", '{"model": "model"}, Config, train)', '{"model": "model"}, Config, train, paid=True)')
    chain.edit("chain.py", 'return make("model"', 'print("in", Path(__file__).parent)\n    return make("model"')
    done = chain.command("run", str(chain.folder), "--on", "far")
    assert done.code == 0
    assert f"in {chain.folder}\n" in chain.path(".motools", "logs", "train.log").read_text()
    said = " ".join((done.out + done.err).split())
    assert said.count("far: steps that cost money run here, where what was paid for is written down.") == 1


def test_what_fails_there_is_told_here_with_its_log(chain: Chain, tmp_path: Path) -> None:
    chain.edit(
        "chain.py", 'return make("model"', "print('so far'); raise RuntimeError('no luck')\n    return make(\"model\""
    )
    chain.path("afar.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\nfrom dataclasses import replace\n\n"
        "class Afar(ThreadPoolExecutor):  # where the driver's log cannot be seen\n    def submit(self, fn, job):\n"
        f"        return super().submit(fn, replace(job, log={str(tmp_path / 'none' / 'log')!r}))\n"
    )
    with chain.path("motools.yaml").open("a") as file:
        file.write("  afar: {kind: 'afar:Afar', shared_files: false}\n")
    done = chain.run("--on", "afar")
    assert not (tmp_path / "none").exists()
    assert done.statuses == ["finished", "failed", "skipped"]
    assert "The step 'train' failed: RuntimeError: no luck" in done.stages[1]["error"]
    assert "so far" in Path(done.stages[1]["log"]).read_text()


def test_what_was_made_with_other_surroundings_is_not_taken_for_a_result_of_here(chain: Chain) -> None:
    chain.edit("chain.py", 'return make("model"', 'os.environ.get("COLOUR")\n    return make("model"')
    chain.path("green.py").write_text(
        "import os\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "class Green(ThreadPoolExecutor):\n    def submit(self, fn, job):\n"
        "        os.environ['COLOUR'] = 'green'\n        try:\n            done = super().submit(fn, job)\n"
        "            done.exception()\n            return done\n"
        "        finally:\n            del os.environ['COLOUR']\n"
    )
    chain.path("motools.yaml").write_text("executors: {far: {kind: 'green:Green', shared_files: false}}")
    done = chain.run("--on", "far")
    assert done.statuses == ["finished", "failed", "skipped"]
    assert "where other things were used than are here: environment COLOUR" in done.stages[1]["error"]


@pytest.mark.parametrize("case", ["no remote", "not pushed", "no commit"])
def test_what_other_machines_could_not_get_is_refused_before_anything_runs(
    chain: Chain, tmp_path: Path, case: str
) -> None:
    if case == "no remote":
        dvc(chain.folder, "remote", "remove", "store")
        told = "there is no DVC remote to send them by. Type: dvc remote add -d NAME URL"
    elif case == "not pushed":
        git(tmp_path, "clone", "-q", "--bare", str(chain.folder), "origin.git")
        git(chain.folder, "remote", "add", "origin", str(tmp_path / "origin.git"))
        git(chain.folder, "fetch", "-q", "origin")
        assert chain.run("--on", "far", "--stages", "prepare").code == 0
        chain.path("new.txt").write_text("x")
        commit(chain.folder)
        told = "is not at " + str(tmp_path / "origin.git")
    else:
        shutil.rmtree(chain.path(".git"))
        git(chain.folder, "init", "-q")
        told = "has no commit yet"
    chain.executed()
    done = chain.run("--on", "far", "--force")
    assert done.code == 2
    assert told in done.sentence
    assert chain.executed() == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:secret@example.org/x.git", "https://example.org/x.git"),
        ("https://token@example.org/x.git", "https://example.org/x.git"),
        ("ssh://git@example.org/x.git", "ssh://git@example.org/x.git"),
        ("ssh://git:secret@example.org/x", "ssh://git@example.org/x"),
        ("git@example.org:x.git", "git@example.org:x.git"),
        ("/a/b@c/d", "/a/b@c/d"),
    ],
)
def test_no_password_of_an_address_goes_along(url: str, shown: str) -> None:
    from motools.repo.work_tree import without_password

    assert without_password(url) == shown
