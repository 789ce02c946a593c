"""Two at once: runs, DVC commands and checkouts beside each other neither corrupt, nor deadlock, nor pay twice."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zc.lockfile
from chain import OUTPUTS, Chain, commit, dvc, eventually, git, holding
from warm import COLD


@pytest.fixture
def chain(project: Path) -> Chain:
    return Chain.lay_to_be_held(project)


def end(process: subprocess.Popen[str], limit: float = 300) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert "Traceback" not in err, err
    return process.returncode, out, err


def hears(process: subprocess.Popen[str], words: str) -> str:
    """Wait until a process says something on standard error; the line that it says it in."""
    assert process.stderr is not None
    said = [""]
    limit = threading.Timer(300, process.kill)
    limit.start()
    while words not in said[-1]:
        said.append(process.stderr.readline())
        assert said[-1], said
    limit.cancel()
    return said[-1]


def executing(chain: Chain, name: str, times: int = 1) -> Callable[[], bool]:
    log = chain.path("executed.log")
    return lambda: log.exists() and log.read_text().count(f"{name} ") == times


def is_sound(chain: Chain, executed: list[str]) -> None:
    assert sorted(chain.executed()) == sorted(executed)
    assert chain.run().statuses == ["current"] * 3
    assert chain.dvc_status() == {}
    assert chain.leftovers() == []


# -- runs ---------------------------------------------------------------------------------


def test_five_runs_at_once_in_a_clone_execute_each_step_once(chain: Chain) -> None:
    started = [chain.start("--json") for _ in range(5)]
    ended = [end(process) for process in started]
    assert [code for code, _, _ in ended] == [0] * 5, ended
    told = [json.loads(out) for _, out, _ in ended]
    assert sorted(stages[0]["status"] for stages in told) == ["current"] * 4 + ["finished"]
    assert len({json.dumps([stage["atoms"] for stage in stages]) for stages in told}) == 1
    is_sound(chain, OUTPUTS)


@pytest.mark.cold
def test_a_second_run_waits_and_says_for_whom_and_refuses_where_it_must_not_wait(chain: Chain) -> None:
    with holding(chain, "dataset"):
        first = chain.start("--json")
        eventually(executing(chain, "dataset"))
        refused = chain.run("--no-wait")
        assert refused.code == 2
        assert f"process {first.pid}, since 20" in refused.sentence
        second = chain.start()
        said = hears(second, f"waiting for another run: process {first.pid}, since 20")
        assert f", on {socket.gethostname()}" in said
    assert end(second)[0] == 0
    assert end(first)[0] == 0
    is_sound(chain, OUTPUTS)


def test_what_is_edited_while_a_run_waits_is_what_it_runs(chain: Chain) -> None:
    with holding(chain, "dataset"):
        first = chain.start("--json")
        eventually(executing(chain, "dataset"))
        second = chain.start()
        hears(second, "waiting for another run")
        chain.set("evaluate", seed=7)
    assert end(second)[0] == 0
    assert end(first)[0] == 0
    assert "seed: 7" in chain.path("params.yaml").read_text()
    is_sound(chain, [*OUTPUTS, "results"])


def test_runs_in_two_clones_that_share_a_cache_execute_each_step_once(chain: Chain, tmp_path: Path) -> None:
    dvc(chain.folder, "cache", "dir", str(tmp_path / "shared"))
    chain.set(pause=0.3)
    commit(chain.folder)
    other = Chain(tmp_path / "clone")
    git(tmp_path, "clone", "-q", str(chain.folder), str(other.folder))
    started = [found.start("--json") for found in (chain, other, chain, other)]
    ended = [end(process) for process in started]
    assert [code for code, _, _ in ended] == [0] * 4, ended
    assert sorted([*chain.executed(), *other.executed()]) == sorted(OUTPUTS)
    for found in (chain, other):
        is_sound(found, [])
    assert {path.name for path in (tmp_path / "shared").iterdir() if any(path.iterdir())} == {"files", "runs"}


def test_a_run_that_is_killed_keeps_nobody_waiting(chain: Chain, tmp_path: Path) -> None:
    dvc(chain.folder, "cache", "dir", str(tmp_path / "shared"))
    commit(chain.folder)
    other = Chain(tmp_path / "clone")
    git(tmp_path, "clone", "-q", str(chain.folder), str(other.folder))
    with holding(chain, "dataset"):
        first = chain.start("--json")
        eventually(executing(chain, "dataset"))
        second = other.start()
        hears(second, "prepare: running")  # and waits for the first
        first.kill()
        first.communicate()
    assert end(second)[0] == 0
    assert chain.run().code == 0
    assert sorted([*chain.executed(), *other.executed()]) == sorted(["dataset", *OUTPUTS])
    for found in (chain, other):
        is_sound(found, [])


# -- DVC and git beside a run --------------------------------------------------------------------


@pytest.fixture
def ran(chain: Chain, tmp_path: Path) -> Chain:
    """Has run and is committed, on a branch `before` too."""
    dvc(chain.folder, "remote", "add", "-q", "-d", "shared", str(tmp_path / "remote"))
    assert chain.run().code == 0
    assert chain.executed() == OUTPUTS
    commit(chain.folder)
    git(chain.folder, "branch", "before")
    return chain


def beside(chain: Chain, *commands: list[str]) -> list[subprocess.CompletedProcess[str]]:
    """Carry out commands while the second of three steps runs; the run itself must succeed."""
    chain.set(seed=1)
    with holding(chain, "model"):
        process = chain.start("--json")
        eventually(executing(chain, "model", 2))
        limit = 300
        done = [subprocess.run(c, cwd=chain.folder, capture_output=True, text=True, timeout=limit) for c in commands]
    code, out, err = end(process)
    assert code == 0, (out, err, [(d.args, d.stderr) for d in done])
    return done


def test_dvc_repro_beside_a_run_keeps_off_what_the_run_is_at(ran: Chain) -> None:
    (repro,) = beside(ran, [str(Path(COLD).with_name("dvc")), "repro"])  # it is known by its words
    assert repro.returncode == 0 or "busy" in repro.stderr or "blocked" in repro.stderr, repro.stderr
    is_sound(ran, OUTPUTS)


def test_objects_that_vanish_while_a_run_ends_do_not_fail_it(chain: Chain) -> None:
    """As `dvc gc` takes them, which goes by a dvc.lock that does not know of them yet."""
    vanish = "    import shutil\n    shutil.rmtree('.dvc/cache/files')\n"
    chain.edit(
        "chain.py",
        "def evaluate(config, input_atoms, workspace):\n",
        "def evaluate(config, input_atoms, workspace):\n" + vanish,
    )
    done = chain.run()
    assert done.code == 0, done.err
    assert done.statuses == ["finished"] * 3
    assert chain.run().code == 0
    chain.executed()
    is_sound(chain, [])


def test_dvc_push_status_and_gc_beside_a_run_do_no_harm(ran: Chain) -> None:
    push, status, gc = beside(ran, ["dvc", "push"], ["dvc", "status"], ["dvc", "gc", "-w", "-f"])
    assert (push.returncode, gc.returncode) == (0, 0), (push.stderr, gc.stderr)
    assert status.returncode == 0 or "is busy" in status.stderr  # DVC's word on what is claimed
    assert ran.run().code == 0  # what the garbage collection took for garbage is put back
    is_sound(ran, OUTPUTS)
    dvc(ran.folder, "push", "-q")


def test_dvc_checkout_beside_a_run_is_undone_by_the_next_run_at_most(ran: Chain) -> None:
    chain = ran
    chain.set(seed=1)
    with holding(chain, "model"):
        process = chain.start("--json")
        eventually(executing(chain, "model", 2))
        subprocess.run(["dvc", "checkout", "-f"], cwd=chain.folder, capture_output=True, timeout=300)
    code, _, err = end(process)
    assert code in (0, 1), err
    assert chain.run().code == 0
    assert chain.run().statuses == ["current"] * 3
    assert chain.dvc_status() == {}
    assert sorted(set(chain.executed())) == sorted(OUTPUTS)
    part = chain.path("atoms/results/data/part.txt").read_text()
    assert part == "results 1 [] of [\"model 1 [] of ['dataset 1 [] of []']\", 'dataset 1 [] of []']"


def test_git_checkout_of_another_branch_beside_a_run_corrupts_neither(ran: Chain) -> None:
    before = ran.run().ids
    ran.set(seed=1)
    git(ran.folder, "checkout", "-q", "-b", "after")
    after = ran.run().ids
    commit(ran.folder)
    shutil.rmtree(ran.path(".dvc/cache"))  # so that the steps run
    shutil.rmtree(ran.path("atoms"))
    ran.executed()
    with holding(ran, "model"):
        process = ran.start("--json")
        eventually(executing(ran, "model", 3))
        git(ran.folder, "checkout", "-q", "-f", "before")
    code, _, err = end(process)
    assert code in (0, 1), err
    assert ran.run().ids == before
    assert ran.dvc_status() == {}
    git(ran.folder, "checkout", "-q", "-f", "after")
    assert ran.run().ids == after
    assert ran.dvc_status() == {}
    git(ran.folder, "diff", "--exit-code", "--", "params.yaml", "metrics")


def test_a_dvc_command_that_holds_the_lock_for_long_stops_no_step(ran: Chain) -> None:
    ran.set(seed=1, pause=0.6)  # long enough that dvc.lock would have been written in between
    with held(ran.path(".dvc/tmp/lock")):
        process = ran.start()
        hears(process, "evaluate: finished")
        hears(process, "waiting for another DVC command")
        assert process.poll() is None
    assert end(process)[0] == 0
    is_sound(ran, OUTPUTS)


class held:
    """Hold a lock file as DVC does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.lock = zc.lockfile.LockFile(str(self.path))

    def __exit__(self, *exc: object) -> None:
        self.lock.close()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives, for claims to be in its name."""
    process = subprocess.Popen([COLD, "-c", "import time; time.sleep(600)", "dvc", "repro"])
    yield process
    process.kill()
    process.wait()


def claim(chain: Chain, process: subprocess.Popen[bytes], *paths: str) -> None:
    claims = {str(chain.path(path)): {"pid": process.pid, "cmd": "dvc repro"} for path in paths}
    chain.path(".dvc/tmp/rwlock").write_text(json.dumps({"write": claims}))


def test_a_stage_that_another_dvc_command_is_at_is_waited_for(ran: Chain, stranger: subprocess.Popen[bytes]) -> None:
    ran.set("evaluate", seed=2)
    claim(ran, stranger, "metrics")
    process = ran.start()
    hears(process, f"evaluate waits for process {stranger.pid} (dvc repro)")
    assert ran.executed() == []
    ran.path(".dvc/tmp/rwlock").write_text("{}")
    assert end(process)[0] == 0
    is_sound(ran, ["results"])


@pytest.mark.parametrize("end_of_it", ["dies", "is interrupted"])
def test_waiting_for_another_command_can_be_ended(
    ran: Chain, stranger: subprocess.Popen[bytes], end_of_it: str
) -> None:
    ran.set("evaluate", seed=2)
    claim(ran, stranger, "atoms/results")
    process = ran.start()
    hears(process, "evaluate waits for")
    if end_of_it == "dies":
        stranger.kill()
        stranger.wait()
        assert end(process)[0] == 0
        is_sound(ran, ["results"])
    else:
        process.send_signal(signal.SIGINT)
        assert end(process)[0] == 130
        assert ran.executed() == []


def test_a_stage_that_is_waited_for_keeps_no_other_stage_from_running(
    chain: Chain, stranger: subprocess.Popen[bytes]
) -> None:
    chain.edit("chain.py", '"model": "model", "dataset": "dataset"', '"dataset": "dataset"')  # two that need one
    claim(chain, stranger, "atoms/model")
    process = chain.start()
    hears(process, "evaluate: finished")
    assert process.poll() is None
    assert sorted(chain.executed()) == ["dataset", "results"]
    chain.path(".dvc/tmp/rwlock").write_text("{}")
    _, out, err = end(process)
    assert process.returncode == 0, out + err
    is_sound(chain, ["model"])


def test_a_run_that_is_interrupted_does_not_wait_for_another_command_to_write_dvc_lock(ran: Chain) -> None:
    ran.set("evaluate", pause=60)
    ran.set("train", seed=2)
    process = ran.start()
    held = None
    try:
        hears(process, "train: finished")
        ran.path(".dvc/tmp").mkdir(exist_ok=True)
        held = eventually(lambda: taken(ran))
        process.send_signal(signal.SIGINT)
        assert end(process)[0] == 130
    finally:
        if held is not None:
            held.close()
    ran.executed()
    ran.set("evaluate", pause=0.0)
    assert ran.run().statuses[1] in ("current", "restored")
    assert ran.executed() == ["results"]


def taken(chain: Chain) -> zc.lockfile.LockFile | None:
    """DVC's lock, as another command of DVC's takes it."""
    try:
        return zc.lockfile.LockFile(str(chain.path(".dvc/tmp/lock")))
    except zc.lockfile.LockError:
        return None


# -- inputs that change while a step reads them ----------------------------------------------------


@pytest.mark.parametrize("how", ["edited", "replaced"])
def test_an_input_that_changes_while_a_step_reads_it_is_not_taken_for_what_it_was(ran: Chain, how: str) -> None:
    ran.set("train", seed=1)
    with holding(ran, "model"):
        process = ran.start("--json")
        eventually(executing(ran, "model", 2))
        path = ran.path("atoms/dataset/data/part.txt")
        if how == "edited":
            path.write_text("not the dataset")
        else:
            path.with_name("new").write_text("not the dataset")
            path.with_name("new").rename(path)
    code, out, err = end(process)
    assert code == 1, err
    told = json.loads(out)
    assert told[1]["status"] == "failed"
    [aside] = ran.path(".motools", "finished").iterdir()
    assert told[1]["error"] == (
        f"The input 'dataset' changed while the step was reading it. What the step made is kept in {aside}. "
        "`motools run` executes the step again."
    )
    kept = aside / "workspace" / "out" / "part.txt"
    assert kept.read_text().startswith("model 1"), "it was paid for"
    again = ran.run()
    assert again.statuses == ["restored", "finished", "finished"]
    assert kept.exists()
    assert "not the dataset" not in ran.path("atoms/model/data/part.txt").read_text()
    assert ran.dvc_status() == {}


def test_code_that_changes_while_a_run_goes_on_is_not_what_the_run_used(ran: Chain) -> None:
    ran.set("prepare", seed=1)
    with holding(ran, "dataset"):
        process = ran.start("--json")
        eventually(executing(ran, "dataset", 2))
        ran.edit("chain.py", "of {read}", "out of {read}")
    code, out, _ = end(process)
    assert code == 1
    assert [stage["status"] for stage in json.loads(out)] == ["finished", "failed", "skipped"]
    assert "chain.py changed " in json.loads(out)[1]["error"]
    again = ran.run()
    assert again.statuses == ["finished"] * 3
    assert "model 0 [] out of" in ran.path("atoms/model/data/part.txt").read_text()
    assert ran.dvc_status() == {}
