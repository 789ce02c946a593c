"""A pipeline of three quick steps in a project, and what happens to it: the scene of the runner's tests."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motools.base import yaml12
from motools.code.loading import names_of_projects

WORKFLOW = '''\
"""A dataset, a model of it, an evaluation of that; each step tells when it is executed."""
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow

LOG = Path(__file__).with_name("executed.log")


@dataclass
class Config(StepConfig):
    seed: int = 0
    pause: float = 0.0
    fill: int = 10
    more: dict = field(default_factory=dict)


def make(name, kind, config, input_atoms, workspace):
    with open(LOG, "ab", buffering=0) as log:
        log.write(f"{name} {os.getpid()}\\n".encode())
    time.sleep(config.pause)
    read = [(atom.get_data_path() / "part.txt").read_text() for atom in input_atoms.values()]
    out = workspace / "out"
    (out / "sub").mkdir(parents=True)
    (out / "part.txt").write_text(f"{name} {config.seed} {sorted(config.more)} of {read}")
    (out / "sub" / "fill.txt").write_text(name * config.fill)
    (out / "metrics.json").write_text(f'{{"task": {{"score": {{"mean": {config.seed}.5}}}}}}')
    return [AtomConstructor(name, out, kind)]


def prepare(config, input_atoms, workspace):
    return make("dataset", "dataset", config, input_atoms, workspace)


def train(config, input_atoms, workspace):
    return make("model", "model", config, input_atoms, workspace)


def evaluate(config, input_atoms, workspace):
    return make("results", "eval", config, input_atoms, workspace)


workflow = Workflow("chain", [
    Step("prepare", {}, {"dataset": "dataset"}, Config, prepare),
    Step("train", {"dataset": "dataset"}, {"model": "model"}, Config, train),
    Step("evaluate", {"model": "model", "dataset": "dataset"}, {"results": "eval"}, Config, evaluate),
])
'''
WAITS = """\
    with open(LOG.with_name(f"{name}.held"), "ab") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
"""
Lay = Callable[[Callable[[Path], object]], Path]
"""The fixture `lay` of conftest: the folder of the test's project, with a copy of what a function makes of one."""
NAMES = ["prepare", "train", "evaluate"]
OUTPUTS = ["dataset", "model", "results"]


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str
    stages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def statuses(self) -> list[str]:
        return [stage["status"] for stage in self.stages]

    @property
    def ids(self) -> dict[str, str]:
        return {name: atom for stage in self.stages for name, atom in stage["atoms"].items()}

    @property
    def said(self) -> str:
        """Standard error as one line."""
        return " ".join(self.err.split())

    @property
    def sentence(self) -> str:
        """The one sentence that a command must end with when it refuses or fails; never a traceback."""
        assert "Traceback" not in self.err + self.out, self.err
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert lines, "it said nothing"
        assert lines[-1].startswith("Error: "), self.err
        return lines[-1].removeprefix("Error: ")


class Chain:
    """The project that holds the pipeline."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen = 0

    @classmethod
    def lay(cls, folder: Path, **values: Any) -> Chain:
        """Write the workflow and its params into a project."""
        chain = cls(folder)
        (folder / "chain.py").write_text(WORKFLOW)
        (folder / "params.yaml").write_text("workflow: chain.py:workflow\n")
        with (folder / ".gitignore").open("a") as file:
            file.write("executed.log\n")
        if values:
            chain.set(**values)
        return chain

    @classmethod
    def lay_to_be_held(cls, folder: Path) -> Chain:
        """The same, of steps that wait, when they have told that they are executed, as long as `holding` holds them."""
        chain = cls.lay(folder)
        chain.edit("chain.py", "import os\n", "import fcntl\nimport os\n")
        chain.edit("chain.py", "    time.sleep(config.pause)\n", "    time.sleep(config.pause)\n" + WAITS)
        with chain.path(".gitignore").open("a") as file:
            file.write("*.held\n")
        return chain

    def path(self, *parts: str) -> Path:
        return self.folder.joinpath(*parts)

    def set(self, step: str | None = None, **values: Any) -> None:
        """Edit params.yaml: of one step, or of all."""
        path = self.path("params.yaml")
        params = yaml12.load(path)
        for name in [step] if step else NAMES:
            params.setdefault(name, {}).update(values)
        path.write_text(yaml12.dumps(params))

    def edit(self, path: str, before: str, after: str) -> None:
        text = self.path(path).read_text()
        assert before in text, text
        self.path(path).write_text(text.replace(before, after))

    def start(self, *options: str, **env: str) -> subprocess.Popen[str]:
        """`motools run` in a process of its own, that may be killed."""
        return subprocess.Popen(
            [sys.executable, "-m", "motools", "run", *options],
            cwd=self.folder,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str) -> Done:
        """`motools run --json` within this process, as one that has just started would do it."""
        return self.command("run", str(self.folder), "--json", *options)

    def command(self, *words: str) -> Done:
        from motools.cli import app
        from motools.engine import snapshot

        forget_modules(self.folder)
        out, err, before = io.StringIO(), io.StringIO(), (sys.argv, snapshot.STARTED, list(sys.path))
        sys.argv, snapshot.STARTED = ["motools", *words], time.time_ns()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                app.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        finally:
            sys.argv, snapshot.STARTED, sys.path[:] = before
        text = out.getvalue()
        stages = json.loads(text) if text.startswith("[") and "--json" in words else []
        return Done(code, text, err.getvalue(), stages)

    def executed(self) -> list[str]:
        """The steps that were executed since this was last asked, by their output's name."""
        log = self.path("executed.log")
        lines = log.read_text().splitlines() if log.exists() else []
        self._seen, new = len(lines), lines[self._seen :]
        return [line.split()[0] for line in new]

    def locked(self) -> dict[str, Any]:
        stages = yaml12.load(self.path("dvc.lock"))["stages"]
        assert isinstance(stages, dict)
        return stages

    def oid(self, path: str) -> str:
        """What dvc.lock has for an out."""
        return next(str(o["md5"]) for stage in self.locked().values() for o in stage["outs"] if o["path"] == path)

    def object(self, path: str, inside: str | None = None) -> Path:
        """The cache object of an out, or of a file in it."""
        from motools.repo.project import Project

        store = Project(self.folder).store
        oid = self.oid(path)
        return store.path(store.tree(oid)[inside] if inside else oid)

    def dvc_status(self) -> Any:
        """DVC's own word on the folder, {} where all is as it should be."""
        from dvc.repo import Repo

        repo = Repo(str(self.folder))
        try:
            return repo.status()
        finally:
            repo.close()

    def leftovers(self) -> list[str]:
        """Files that a killed process leaves half-way, wherever they may lie."""
        found = []
        for path in self.folder.rglob("*"):
            parts = path.relative_to(self.folder).parts
            if parts[0] == ".git" or "__pycache__" in parts:
                continue
            if (
                path.name.startswith((".motools-", ".dvc.lock", ".rwlock"))
                or path.suffix == ".tmp"
                or (parts[0] == ".motools" and parts[1:2] in (("work",), ("locks",)) and len(parts) == 3)
            ):
                found.append("/".join(parts))
        return found


@contextlib.contextmanager
def holding(chain: Chain, name: str) -> Iterator[None]:
    """Keep the step that makes an output of this name from going on."""
    with chain.path(f"{name}.held").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
        fcntl.flock(held, fcntl.LOCK_UN)


def dvc(folder: Path, *words: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    """DVC's command: within this process, but where it starts others."""
    if words[0] == "repro":
        command = [sys.executable, "-m", "dvc", *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    else:
        from dvc.cli import main
        from dvc.ui import ui

        out, err, before = io.StringIO(), io.StringIO(), ui._enabled
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                done = subprocess.CompletedProcess(["dvc", *words], main(list(words)), out.getvalue(), err.getvalue())
            finally:
                ui._enabled = before
    assert not ok or done.returncode == 0, done.stderr
    return done


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True, timeout=300).stdout


def commit(folder: Path, message: str = "x") -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)


def remove(path: Path) -> None:
    """Delete a file or folder, whatever its mode."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def spoil(path: Path, data: bytes | None = None) -> None:
    """Change a file's bytes in place: its size and mode stay, as those of a damaged cache object would."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(data if data is not None else bytes([content[0] ^ 1]) + content[1:])
    path.chmod(mode)


def eventually(condition: Callable[[], Any], seconds: float = 300) -> Any:
    """Wait until something holds; returns it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found


def forget_modules(folder: Path) -> None:
    """Have the modules of a project imported anew, as a new process would."""
    for name in names_of_projects():
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(f"{folder}{os.sep}"):
            del sys.modules[name]


def living(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid: int) -> list[int]:
    """All that a process has started and what that has, but for what no longer has its parent."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            found += map(int, path.read_text().split())
    return found + [below for child in found for below in descendants(child)]


def kill_at_once(pids: Iterable[int]) -> None:
    """SIGKILL to all of them, as a power cut does it: none sees another one die, and does something about it."""
    pids = [*pids]
    for word in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, word)


def open_databases() -> list[str]:
    """Those that this process has open, each as often as it has; none where nothing tells of it."""
    found = []
    for each in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(each))
    return sorted(path for path in found if path.endswith(".db"))
