"""The server of the workers that a run starts before it reads anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from chain import Chain, eventually


@pytest.fixture
def chain(project: Path) -> Chain:
    return Chain.lay(project)


def servers(chain: Chain) -> list[str]:
    """The processes that serve workers of a run in the project."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"worker_server" in (path / "cmdline").read_bytes() and (path / "cwd").readlink() == chain.folder:
                found.append(path.name)
        except OSError:  # it has just ended
            continue
    return found


def run(chain: Chain, *words: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, with a server that is started ahead."""
    command = [sys.executable, "-m", "motools", "run", "--json", *words]
    return subprocess.run(command, cwd=chain.folder, capture_output=True, text=True, timeout=300)


def stages(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return {stage["stage"]: stage["status"] for stage in json.loads(done.stdout)}


def test_what_is_read_from_an_env_file_afterwards_reaches_the_steps(chain: Chain) -> None:
    chain.path(".env").write_text("OF_THE_FILE=here\n")
    chain.edit("chain.py", 'return make("model"', 'print("it is", os.environ["OF_THE_FILE"])\n    return make("model"')
    assert set(stages(run(chain)).values()) == {"finished"}
    assert "it is here" in chain.path(".motools/logs/train.log").read_text()
    assert set(stages(run(chain)).values()) == {"current"}
    chain.path(".env").write_text("OF_THE_FILE=there\n")
    assert stages(run(chain)) == {"prepare": "current", "train": "finished", "evaluate": "current"}
    assert "it is there" in chain.path(".motools/logs/train.log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="it looks at /proc")
def test_nothing_is_left_of_it_where_a_run_is_refused_or_has_nothing_to_do(chain: Chain) -> None:
    assert run(chain, "--stages", "nope").returncode == 2
    assert servers(chain) == []
    assert set(stages(run(chain)).values()) == {"finished"}
    with chain.path("chain.py").open("a") as file:
        file.write("# a comment\n")
    assert set(stages(run(chain)).values()) == {"restored"}
    assert servers(chain) == []


@pytest.mark.skipif(sys.platform != "linux", reason="it looks at /proc")
def test_it_ends_with_a_run_that_is_killed_at_once(chain: Chain) -> None:
    process = subprocess.Popen([sys.executable, "-m", "motools", "run"], cwd=chain.folder, stderr=subprocess.DEVNULL)
    eventually(lambda: servers(chain))
    process.kill()
    process.wait()
    eventually(lambda: not servers(chain))


LOADED = """
import sys
sys.argv = ["motools", "run", "-q"]
from motools.__main__ import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"typer", "rich", "asyncio", "html", "dvc", "git"}))
"""


@pytest.mark.cold
def test_a_run_that_executes_and_says_nothing_loads_what_it_needs_alone(chain: Chain) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=chain.folder, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
    assert chain.executed() == ["dataset", "model", "results"]


@pytest.mark.cold
def test_the_server_is_started_before_the_run_itself_imports_what_it_needs() -> None:
    code = "import sys, motools.engine.workers; print(*{'motools.engine.elsewhere', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split() == []
