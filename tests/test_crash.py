"""kill -9: what had finished is not done again, and nothing of what had not is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sampling
from chain import OUTPUTS, Chain, descendants, eventually, kill_at_once, living, remove

from motools.atom import ModelAtom

CRASH = Path(__file__).parents[1] / "benchmarks" / "crash.py"


@pytest.mark.cold
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.long
@pytest.mark.parametrize(
    ("ways", "scenes"),
    [
        ("the runner,its group", "several outputs;two clones"),
        ("everything,a worker,the server", "twelve stages;dvc repro"),
    ],
)
def test_a_pipeline_that_is_killed_at_random_moments_loses_nothing(tmp_path: Path, ways: str, scenes: str) -> None:
    seed, kills = os.environ.get("CRASH_SEED", "0"), 5 if sampling.ALL else 2
    words = [
        sys.executable,
        str(CRASH),
        "--kills",
        str(kills),
        "--seed",
        seed,
        "--ways",
        ways,
        "--scenes",
        scenes,
        "--json",
    ]
    done = subprocess.run([*words, "--folder", str(tmp_path / "crash")], capture_output=True, text=True, timeout=900)
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert told["problems"] == []
    assert told["kills"] == kills
    assert done.returncode == 0


@pytest.fixture
def chain(project: Path) -> Chain:
    return Chain.lay(project)


def everybody(pid: int) -> list[int]:
    return [pid, *descendants(pid)]


CHILD = """
    import subprocess, sys
    write = "import sys, time; open(sys.argv[1], 'w').close(); time.sleep(600); open(sys.argv[1], 'w').write('late')"
    child = subprocess.Popen([sys.executable, "-c", write, str(workspace / "child.txt")])
    LOG.with_name("child.pid").write_text(str(child.pid))
    if LOG.with_name("slow").exists():
        child.wait()
    child.kill()
"""


@pytest.mark.cold
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_what_a_killed_step_had_started_is_ended_before_the_step_runs_again(chain: Chain) -> None:
    chain.edit("chain.py", "    time.sleep(config.pause)\n", CHILD)
    with chain.path(".gitignore").open("a") as file:
        file.write("slow\nchild.pid\n")
    chain.path("slow").touch()
    process = chain.start()
    eventually(lambda: chain.path("child.pid").exists() and chain.path("child.pid").read_text())
    child = int(chain.path("child.pid").read_text())
    kill_at_once(pid for pid in everybody(process.pid) if pid != child)
    process.communicate()
    assert living(child)
    chain.path("slow").unlink()
    assert chain.run().code == 0
    assert not living(child)
    assert chain.executed() == ["dataset", *OUTPUTS]
    assert chain.leftovers() == []


OWN = """\
  mine:
    cmd: >-
      echo started $$ >> own.log;
      while [ -e slow ]; do sleep 0.1; done;
      cat atoms/dataset/data/part.txt > mine.txt;
      echo ended >> own.log
    deps: [atoms/dataset]
    outs: [mine.txt]
"""


@pytest.mark.cold
@pytest.mark.parametrize("whom", [lambda pid: [pid], everybody], ids=["the runner", "everybody but the command"])
def test_the_command_of_a_persons_own_stage_does_not_outlive_a_run_that_is_killed(
    chain: Chain, whom: Callable[[int], list[int]]
) -> None:
    assert chain.run().code == 0
    chain.path("dvc.yaml").write_text(chain.path("dvc.yaml").read_text() + OWN)
    chain.path("slow").touch()
    log = chain.path("own.log")
    process = chain.start()
    eventually(lambda: log.exists() and log.read_text())
    command = int(log.read_text().split()[1])
    kill_at_once(set(whom(process.pid)) - set(everybody(command)))
    process.communicate()
    again = chain.start()
    eventually(lambda: log.read_text().count("started") == 2)
    assert not living(command)
    chain.path("slow").unlink()
    assert again.wait(300) == 0
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["started", "started", "ended"]
    again.communicate()
    assert chain.dvc_status() == {}
    assert chain.executed() == OUTPUTS
    assert chain.leftovers() == []


# -- interrupted ---------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop_says_what_it_has_kept_and_goes_on_from_there(
    chain: Chain, word: signal.Signals
) -> None:
    chain.set("train", pause=60.0)
    process = chain.start()
    eventually(lambda: chain.executed() or chain.path("executed.log").exists())
    eventually(lambda: "model" in chain.path("executed.log").read_text())
    process.send_signal(word)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Error: Interrupted. Kept: prepare. `motools run` goes on from there." in said
    assert not chain.path("atoms/model").exists()
    assert chain.leftovers() == []
    chain.executed()
    chain.set("train", pause=0.0)
    assert chain.run().statuses == ["current", "finished", "finished"]
    assert chain.executed() == ["model", "results"]
    assert chain.dvc_status() == {}


def test_a_step_that_does_not_listen_is_killed_when_told_twice(chain: Chain) -> None:
    chain.edit(
        "chain.py",
        "    time.sleep(config.pause)\n",
        "    import signal\n    signal.signal(signal.SIGTERM, lambda *_: LOG.with_name('deaf').touch())\n"
        "    LOG.with_name('ready').touch()\n    deadline = time.monotonic() + config.pause\n"
        "    while time.monotonic() < deadline:\n        time.sleep(0.1)\n",
    )
    chain.set("prepare", pause=120.0)
    process = chain.start()
    eventually(chain.path("ready").exists)
    process.send_signal(signal.SIGINT)
    eventually(chain.path("deaf").exists)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "stopping prepare; again to kill" in said


LARGE = """
    if name == "dataset":
        for number in range(30):  # those of 16 MB and more would be linked into place, at once
            (out / f"large_{number:02}.bin").write_bytes(bytes(15 << 20))
"""


STOPS_WHILE_RESTORING = """
import os, sys, time

def look(event, args):
    if event == "open" and str(args[0]).endswith("/new/data/large_03.bin"):
        there = os.environ["THERE"]
        open(there, "w").close()
        while os.path.exists(there):
            time.sleep(0.01)

sys.addaudithook(look)
"""


def test_ctrl_c_ends_a_run_that_restores_much(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(STOPS_WHILE_RESTORING)
    chain.edit("chain.py", '    (out / "metrics.json")', f"{LARGE.strip(chr(10))}\n" + '    (out / "metrics.json")')
    assert chain.run().code == 0
    chain.executed()
    remove(chain.path("atoms/dataset"))
    before = tree(chain.path("atoms"))
    process = chain.start(PYTHONPATH=str(tmp_path), THERE=str(tmp_path / "there"))
    eventually((tmp_path / "there").exists)
    assert [*chain.path("atoms").glob(".motools-*/new/data/large_00.bin")]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert (process.returncode, "Error: Interrupted." in said) == (130, True), said
    assert (tmp_path / "there").exists()  # it did not go on with its work
    assert tree(chain.path("atoms")) == before
    assert chain.leftovers() == []
    assert chain.run().statuses == ["restored", "current", "current"]
    assert chain.executed() == []
    assert chain.dvc_status() == {}


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# -- killed between two writes ----------------------------------------------------------------------


def test_a_metric_that_a_killed_run_had_written_is_taken_for_no_persons_file(chain: Chain) -> None:
    assert chain.run().code == 0
    chain.path("dvc.lock").unlink()  # it is written last
    chain.set("evaluate", seed=2)
    done = chain.run()
    assert done.code == 0
    assert not chain.path(".motools/replaced").exists(), done.err


KILLED_WHILE_REMOVING = """
import os, sys

left = ["part.txt", "fill.txt", "metrics.json"]

def look(event, args):
    if event == "os.remove" and os.path.basename(os.fspath(args[0])) in left:
        left.remove(os.path.basename(os.fspath(args[0])))
        if len(left) == 1:
            os.kill(os.getpid(), 9)

sys.addaudithook(look)
"""


def test_an_output_that_a_killed_run_had_half_removed_is_taken_for_no_persons_file(
    chain: Chain, tmp_path: Path
) -> None:
    assert chain.run().code == 0
    chain.set("train", seed=1)
    (tmp_path / "sitecustomize.py").write_text(KILLED_WHILE_REMOVING)
    killed = chain.start("--json", PYTHONPATH=str(tmp_path))
    killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL
    done = chain.run()
    assert done.statuses == ["current", "finished", "finished"], done.err
    assert not chain.path(".motools/replaced").exists(), done.err
    assert chain.leftovers() == []


def test_an_input_file_that_was_being_written_is_old_or_new(chain: Chain) -> None:
    atom = ModelAtom.create(user="me", metadata={"model_id": "a"})
    chain.edit("chain.py", '"model": "model", "dataset": "dataset"', '"given": "model", "dataset": "dataset"')
    chain.edit("chain.py", "read = [", "read = [] and [")
    given = chain.command("workflow", "run", "chain.py:workflow", "--input", f"given={atom.id}", "--json")
    assert given.code == 0, given.err
    before = chain.path("atoms/given.dvc").stat()
    other = ModelAtom.create(user="me", metadata={"model_id": "b"})
    given = chain.command("workflow", "run", "chain.py:workflow", "--input", f"given={other.id}", "--json")
    assert given.statuses == ["current", "current", "finished"]
    after = chain.path("atoms/given.dvc").stat()
    assert (before.st_mode, before.st_ino != after.st_ino) == (after.st_mode, True)


def test_what_killed_writers_left_is_swept_and_what_is_being_written_is_not(chain: Chain, tmp_path: Path) -> None:
    from motools.base.files import new_file, scratch

    assert chain.run().code == 0
    chain.path(".dvc/cache/tmp").mkdir(exist_ok=True)
    left = [".motools-1", "atoms/.motools-2", ".motools/.motools-3", ".dvc/tmp/.motools-4", ".dvc/cache/tmp/.motools-5"]
    for name in left:
        chain.path(name).mkdir()
        chain.path(name, "x").write_text("")
    chain.path("atoms/.motools-file").write_text("")
    for name in ("work", "kept", "../.dvc/cache/locks"):
        chain.path(".motools", name).mkdir(exist_ok=True)
    chain.path(".motools/work/abc").mkdir()
    for name in ("abc", "def"):
        chain.path(f".motools/kept/{name}.trace").write_text("")
    chain.path(".motools/kept/def").mkdir()
    chain.path(".dvc/cache/locks/abc").write_text("")
    chain.path(".dvc/cache/locks/def").write_text("")
    with new_file(chain.path("atoms/kept")) as file, scratch(chain.path("atoms")) as folder:
        file.write(b"x")
        chain.set("train", seed=1)
        assert chain.run().code == 0
        assert folder.is_dir()
    assert chain.path("atoms/kept").read_text() == "x"
    chain.path("atoms/kept").unlink()
    assert chain.leftovers() == []
    assert list(chain.path(".dvc/cache/locks").iterdir()) == []
    assert {path.name for path in chain.path(".motools/kept").iterdir()} == {"def", "def.trace"}


def test_nothing_is_left_of_what_was_observed_of_a_step_that_fails_and_keeps_nothing(chain: Chain) -> None:
    chain.edit("chain.py", "    time.sleep(config.pause)\n", "    raise ValueError\n")
    assert chain.run().code == 1
    assert list(chain.path(".motools/kept").iterdir()) == []
