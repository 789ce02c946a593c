"""kill -9 at random moments: pipelines are killed again and again, and must lose nothing by it.

Each round draws a scene, makes all of its stages necessary, starts the command and kills it, one to four times: the
runner alone, its process group, the server of its workers, a worker, or every process there is. Now and then the
killed runner stays as a zombie, since its parent does not ask for it, or its number in the locks that it left is given
to another process. One more run must then end in time, give the atoms of an undisturbed run, execute no step again
whose function had finished, and leave no trace.

    python benchmarks/crash.py --kills 300 --json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from projects import environment, run

WORKFLOW = '''\
"""Steps that tell, outside of the project, when they begin and when they are about to return."""
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from motools.workflow import AtomConstructor, Step, StepConfig, Workflow

LOG = {log!r}


@dataclass
class Config(StepConfig):
    seed: int = 0


def tell(word, name, config):
    with open(LOG, "ab", buffering=0) as log:
        clone = os.path.basename(os.getcwd())
        log.write(f"{{word}} {{name}} {{config.seed}} {{clone}} {{time.time_ns()}}\\n".encode())


def watched(name, inputs, outputs, config_class, function):
    def told(config, input_atoms, workspace):
        tell("begins", name, config)
        made = function(config, input_atoms, workspace)
        tell("returns", name, config)
        return made
    return Step(name, inputs, outputs, config_class, told)


def small(name, outputs):
    """Four files for each output; every third step has a process of its own write one more."""
    def function(config, input_atoms, workspace):
        read = sorted((atom.get_data_path() / "part.txt").read_text() for atom in input_atoms.values())
        for output in outputs:
            (workspace / output / "more").mkdir(parents=True)
            (workspace / output / "part.txt").write_text(f"{{output}} {{config.seed}} {{read}}")
            for number in range(3):
                text = f"{{output}} {{config.seed}} {{number}}" * 1000
                (workspace / output / "more" / f"{{number}}.txt").write_text(text)
            (workspace / output / "metrics.json").write_text('{{"task": {{"score": {{"mean": 0.5}}}}}}')
        if name.endswith("1"):
            write = "import sys, time; time.sleep(0.1); open(sys.argv[1], 'w').write(sys.argv[2])"
            subprocess.run([sys.executable, "-c", write, str(workspace / output / "own.txt"), name], check=True)
        else:
            time.sleep(0.05)
        return [AtomConstructor(output, workspace / output, kind) for output, kind in outputs.items()]
    return function


def step(name, inputs, outputs):
    return watched(name, inputs, outputs, Config, small(name, outputs))


'''
TWELVE = """\
data = ["data_0", "data_1"]
models = [f"model_{{n}}" for n in range(4)]
steps = [step(f"make_{{name}}", {{}}, {{name: "dataset"}}) for name in data]
steps += [step(f"make_{{name}}", {{data[n % 2]: "dataset"}}, {{name: "model"}}) for n, name in enumerate(models)]
for n in range(6):
    inputs = {{models[n % 4]: "model", data[n % 2]: "dataset"}}
    steps.append(step(f"make_results_{{n}}", inputs, {{f"results_{{n}}": "eval"}}))
workflow = Workflow("work", steps)
"""
OUTPUTS = """\
kinds = ("dataset", "dataset", "model", "eval")
steps = []
for n in range(4):
    inputs = {{f"dataset_{{n - 1}}_1": "dataset", "model_0_2": "model"}} if n else {{}}
    steps.append(step(f"make_{{n}}", inputs, {{f"{{kind}}_{{n}}_{{m}}": kind for m, kind in enumerate(kinds)}}))
workflow = Workflow("work", steps)
"""
LARGE = """\
def fill(config, input_atoms, workspace):
    with open(workspace / "part.txt", "wb") as file:
        for number in range(200):
            file.write(f"{{number}} {{config.seed}} ".ljust(16).encode() * (1 << 16))
    return [AtomConstructor("data", workspace / "part.txt", "dataset")]


def turn(config, input_atoms, workspace):
    with open(input_atoms["data"].get_data_path() / "part.txt", "rb") as source:
        with open(workspace / "part.txt", "wb") as file:
            while block := source.read(1 << 20):
                file.write(block[::-1])
    return [AtomConstructor("model", workspace / "part.txt", "model")]


workflow = Workflow("work", [
    watched("fill", {{}}, {{"data": "dataset"}}, Config, fill),
    watched("turn", {{"data": "dataset"}}, {{"model": "model"}}, Config, turn),
])
"""
MANY = """\
def fill(config, input_atoms, workspace):
    for number in range(20_000):
        folder = workspace / "out" / str(number % 100)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{{number}}.txt").write_text(f"{{number}} {{config.seed}}")
    return [AtomConstructor("data", workspace / "out", "dataset")]


def count(config, input_atoms, workspace):
    found = sum(1 for path in input_atoms["data"].get_data_path().rglob("*.txt"))
    (workspace / "part.txt").write_text(f"{{found}} {{config.seed}}")
    return [AtomConstructor("model", workspace / "part.txt", "model")]


workflow = Workflow("work", [
    watched("fill", {{}}, {{"data": "dataset"}}, Config, fill),
    watched("count", {{"data": "dataset"}}, {{"model": "model"}}, Config, count),
])
"""
INSPECT = """\
from motools.workflow import Code
from motools.steps import EvaluateModelConfig, ExistingModelConfig, evaluate_model, existing_model


@dataclass
class Model(ExistingModelConfig):
    model: str = "mockllm/model"
    seed: int = 0


@dataclass
class Evaluation(EvaluateModelConfig):
    eval_task: Code = "tasks.py:asks"
    seed: int = 0


def evaluate(output):
    def function(config, input_atoms, workspace):
        return evaluate_model(config, input_atoms, workspace, output=output)
    step = watched(f"evaluate_{{output}}", {{"base_model": "model"}}, {{output: "eval"}}, Evaluation, function)
    return Step(step.name, step.inputs, step.outputs, step.config_class, step.fn, keeps_logs=True)


steps = [watched("existing", {{}}, {{"base_model": "model"}}, Model, existing_model)]
workflow = Workflow("work", [*steps, evaluate("one"), evaluate("two")])
"""
TASKS = """\
import asyncio
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, solver


@solver
def slowly():
    async def solve(state, generate):
        await asyncio.sleep(0.02 * (int(state.sample_id) % 7))
        return await generate(state)
    return solve


@task
def asks():
    samples = [Sample(id=n, input=f"What is {n}?", target="Default") for n in range(40)]
    return Task(dataset=MemoryDataset(samples), solver=slowly(), scorer=includes())
"""


@dataclass(frozen=True)
class Kind:
    """Of what a scene is: its steps, the command that is killed, how many at once, and how often it is drawn."""

    steps: str
    weight: int
    command: str = "motools run"
    at_once: int = 1
    clones: int = 1


KINDS = {
    "twelve stages": Kind(TWELVE, 16),
    "several outputs": Kind(OUTPUTS, 16),
    "200 MB": Kind(LARGE, 2),
    "20,000 files": Kind(MANY, 1),
    "Inspect": Kind(INSPECT, 2),
    "dvc repro": Kind(OUTPUTS, 6, command="dvc repro"),
    "two runs": Kind(TWELVE, 8, at_once=2),
    "two clones": Kind(OUTPUTS, 5, at_once=2, clones=2),
}
WAYS = ("the runner", "its group", "everything", "a worker", "the server")
DEADLY = WAYS[:3]
MARK = "MOTOOLS_CRASH"  # in the environment of all that a round starts, so that what stays behind is found
SEEDS = (0, 1)  # rounds take turns, so that each finds another result in the folder


class Scene:
    """A project with a pipeline in it, perhaps a clone that shares its cache, and the log that its steps write."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.kind = kind
        self.log = folder.with_name(f"{folder.name}.log")
        self.said = folder.with_name(f"{folder.name}.said")
        self.mark = uuid.uuid4().hex
        self.environment = {**environment(), MARK: self.mark}
        folder.mkdir(parents=True)
        run(folder, "git", "init", "-q")
        run(folder, "dvc", "init", "-q")
        (folder / ".gitignore").write_text(".motools/\n__pycache__/\n")
        (folder / "work.py").write_text((WORKFLOW + kind.steps).format(log=str(self.log)))
        if kind.steps == INSPECT:
            (folder / "tasks.py").write_text(TASKS)
        run(folder, "motools", "init", ".", "--workflow", "work.py:workflow")
        run(folder, "git", "add", "-A")
        run(folder, "git", "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-q", "-m", "start")
        self.folders = [folder]
        for number in range(1, kind.clones):
            clone = folder.with_name(f"{folder.name}_clone_{number}")
            run(folder.parent, "git", "clone", "-q", str(folder), str(clone))
            run(clone, "dvc", "cache", "dir", "--local", str(folder / ".dvc" / "cache"))
            self.folders.append(clone)

    @property
    def folder(self) -> Path:
        return self.folders[0]

    def seed(self, seed: int) -> None:
        for folder in self.folders:
            path = folder / "params.yaml"
            path.write_text(re.sub("^  seed: .*$", f"  seed: {seed}", path.read_text(), flags=re.MULTILINE))

    def wipe(self, all: bool) -> None:
        """Make every step necessary again, from nothing or beside the results of another seed."""
        shutil.rmtree(self.folder / ".dvc" / "cache", ignore_errors=True)
        for folder in self.folders if all else ():
            for name in ("atoms", "runs", "metrics", "logs", ".motools"):
                shutil.rmtree(folder / name, ignore_errors=True)
            (folder / "dvc.lock").unlink(missing_ok=True)

    def start(self, folder: Path, command: str = "motools run") -> subprocess.Popen[bytes]:
        words = {
            "motools run": ["-m", "motools", "run", "--json", "--jobs", "3"],
            "dvc repro": ["-m", "dvc", "repro", "--quiet"],
        }[command]
        with self.said.open("ab") as said:  # no pipe, which somebody must read from
            return subprocess.Popen(
                [sys.executable, *words],
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )

    def killed_later(self) -> list[subprocess.Popen[bytes]]:
        """The command, as often at once as the kind of the scene says."""
        folders = [self.folders[number % len(self.folders)] for number in range(self.kind.at_once)]
        return [self.start(folder, self.kind.command) for folder in folders]

    def errors(self) -> str:
        """What commands have said since this was last asked; the tails of the steps' logs are left out."""
        text = self.said.read_text(errors="replace") if self.said.exists() else ""
        self.said.write_text("")
        return "\n".join(line for line in text.splitlines() if not line.startswith("  | "))

    def processes(self) -> list[int]:
        """All that lives and was started from here, by whatever detour."""
        wanted = f"{MARK}={self.mark}".encode()
        pids = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    if _stat(entry)[0] not in "ZX" and wanted in (entry / "environ").read_bytes().split(b"\0"):
                        pids.append(int(entry.name))
        return pids

    def told(self, word: str) -> list[tuple[str, str, int]]:
        """When steps have begun, or were about to return: name with seed, the clone, and nanoseconds."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        entries = [line.split() for line in lines]
        return [(f"{name} {seed}", clone, int(when)) for said, name, seed, clone, when in entries if said == word]

    def finished(self) -> dict[str, int]:
        """Since when each step's function is known to have finished: its result is in the step cache, or, for one
        clone, its work folder says so, whether it was put aside already or not."""
        from motools.repo.cache import Cache
        from motools.repo.step_cache import every

        by_step: dict[str, int] = {}
        store = Cache(self.folder / ".dvc" / "cache")
        for entry in every(store):
            with suppress(OSError, ValueError, KeyError):
                _note(by_step, json.loads(store.path(entry.record.md5).read_bytes()))
        for folder in self.folders:
            for made in [*folder.glob(".motools/work/*/made.json"), *folder.glob(".motools/finished/*/made.json")]:
                with suppress(OSError, ValueError, KeyError):  # it is just being moved
                    _note(by_step, json.loads(made.with_name("record.json").read_bytes()), f" in {folder.name}")
        return by_step

    def atoms(self, folder: Path) -> dict[str, str]:
        """The id of each output, as dvc.lock has it and as the files are."""
        from motools.base import yaml12
        from motools.repo.hashing import hash_folder

        stages = yaml12.load(folder / "dvc.lock")["stages"].values()
        by_path = {out["path"]: out["md5"] for stage in stages for out in stage["outs"] if out["path"][:5] == "atoms"}
        for path, md5 in by_path.items():
            here = hash_folder(folder / path)[0].md5
            if here != md5:
                by_path[path] = f"{md5} in dvc.lock, {here} in the folder"
        return by_path

    def files(self, folder: Path) -> set[str]:
        """Every file and folder but git's, the objects of the cache, logs that are called by the time, what DVC's own
        commands leave, and what only saves time."""
        names = set()
        for path in folder.rglob("*"):
            parts = path.relative_to(folder).parts
            if parts[0] != ".git" and "__pycache__" not in parts and parts[:2] != (".dvc", "cache"):
                names.add("/".join(parts))
        saves_time = (".motools/index.json", ".motools/unchanged", ".motools/logs", ".dvc/config.local")
        named_by_time = {name for name in names if name.startswith("logs/") and name.count("/") > 1}
        of_dvc = {name for name in names if name.startswith(".dvc/tmp") and ".motools-" not in name}
        bare = {f".motools/{name}" for name in ("failed", "finished", "kept", "work")}  # which one run makes, one not
        empty = bare - {"/".join(name.split("/")[:2]) for name in names if name.count("/") > 1}
        return {n for n in names if not n.startswith(saves_time)} - named_by_time - of_dvc - empty


def _note(finished: dict[str, int], record: dict[str, Any], where: str = "") -> None:
    """At the time that it is now: a step may have begun, and finished, since the look at all of them began."""
    finished.setdefault(f"{record['step']} {record['config']['seed']}{where}", time.time_ns())


def _stat(process: Path) -> list[str]:
    """State, parent and so on, of a folder in /proc."""
    return (process / "stat").read_text().rpartition(")")[2].split()


def _is_server(pid: int, runner: int) -> bool:
    with suppress(OSError):
        process = Path(f"/proc/{pid}")
        return (
            b"motools.execution.worker_server" in (process / "cmdline").read_bytes()
            and int(_stat(process)[1]) == runner
        )
    return False


def kill(scene: Scene, process: subprocess.Popen[bytes], way: str, dice: random.Random) -> str | None:
    """SIGKILL; only to processes that this scene started.

    Returns:
        What was killed: the runner, where nothing was there of what was to be killed; None where that has ended.
    """
    others = sorted(pid for pid in scene.processes() if pid != process.pid)
    servers = [pid for pid in others if _is_server(pid, process.pid)]
    workers = [pid for pid in others if pid not in servers]
    dice.shuffle(workers)
    targets = {
        "the runner": [process.pid],
        "its group": [-process.pid],
        "everything": dice.choice([[process.pid, *others], [*others, process.pid]]),
        "a worker": workers[:1],
        "the server": servers[:1],
    }[way]
    if not _lives(process.pid):
        return None
    if not targets:
        way, targets = "the runner", [process.pid]
    for pid in targets:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return way


def _lives(pid: int) -> bool:
    with suppress(OSError):
        return _stat(Path(f"/proc/{pid}"))[0] not in "ZX"
    return False


def give_number_away(scene: Scene) -> subprocess.Popen[bytes] | None:
    """Start a process, and have the locks that killed commands left name it, as if it had been given their number."""
    stranger: subprocess.Popen[bytes] | None = None
    for folder in scene.folders:
        for name in (".dvc/tmp/rwlock", ".dvc/tmp/lock", ".motools/run.lock"):
            path = folder / name
            text = path.read_text() if path.exists() else ""
            for pid in {word for word in _numbers(text) if len(word) > 1 and not _lives(int(word))}:
                stranger = stranger or subprocess.Popen(["sleep", "600"])
                stat = path.stat()
                path.write_text(text := text.replace(pid, str(stranger.pid)))
                os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return stranger


def _numbers(text: str) -> set[str]:
    """The process numbers that a lock names."""
    with suppress(ValueError, AttributeError):
        claims = json.loads(text)
        readers = [claim for readers in claims.get("read", {}).values() for claim in readers]
        return {str(claim["pid"]) for claim in [*claims.get("write", {}).values(), *readers]}
    words = text.replace(",", " ").split()
    return {word for word in words[:2] if word.isdigit()}


def finish(process: subprocess.Popen[bytes], limit: float) -> int | None:
    """The exit code; None where it had to be killed."""
    try:
        return process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def complaints(scene: Scene, plain: Plain, finished: dict[str, int], kills: int, began: int) -> Iterator[str]:
    """What is not as it must be after the run that follows the kills."""
    begins = [(name, clone, when) for name, clone, when in scene.told("begins") if when > began]
    for name, clone, when in begins:
        since = min(finished.get(name, when), finished.get(f"{name} in {clone}", when))
        if since < when:
            yield f"{name} was executed again {(when - since) / 1e6:.0f} ms after it was seen to have finished"
    for name, count in Counter(name for name, _, _ in begins).items():
        if count > 1 + kills:
            yield f"{name} was executed {count} times, after {kills} kills"
    deadline = time.monotonic() + 60
    while (left := scene.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        words = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in left if _lives(pid)]
        yield f"{len(left)} processes are still alive: {words}"
    for folder in scene.folders:
        atoms = scene.atoms(folder)
        for path in sorted({*plain.atoms, *atoms}):
            if plain.atoms.get(path) != atoms.get(path):
                yield f"{path} is {atoms.get(path)}, in an undisturbed run {plain.atoms.get(path)}"
        changed = sorted(plain.files ^ scene.files(folder))
        if changed:
            yield f"files that are there in only one of the two folders: {changed[:10]}"
        yield from _locks_left(folder)
        if said := _dvc_status(folder):
            yield f"dvc status: {said}"
    cache = scene.folder / ".dvc" / "cache"
    odd = [str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file() and not _named_well(p)]
    if odd:
        yield f"in the cache: {odd}"


def _named_well(path: Path) -> bool:
    name = path.name.removesuffix(".dir")
    return len(name) in (30, 64) and all(letter in "0123456789abcdef" for letter in name)


def _locks_left(folder: Path) -> Iterator[str]:
    import fcntl

    for name in (".dvc/tmp/lock", ".motools/run.lock"):
        path = folder / name
        if path.exists():
            with path.open("r+") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield f"{name} is held"
    claims = folder / ".dvc/tmp/rwlock"
    if claims.exists() and json.loads(claims.read_text()) != {}:
        yield f"claims are left: {claims.read_text()}"


def _dvc_status(folder: Path) -> Any:
    from dvc.repo import Repo

    repo = Repo(str(folder))
    try:
        return repo.status()
    finally:
        repo.close()


@dataclass(frozen=True)
class Plain:
    """What a run gives that nobody kills, and how long it took, in seconds."""

    atoms: dict[str, str]
    files: set[str]
    seconds: float


def undisturbed(folder: Path, kind: Kind) -> dict[int, Plain]:
    """By seed."""
    scene = Scene(folder, Kind(kind.steps, 0))
    by_seed = {}
    for seed in SEEDS:
        scene.seed(seed)
        clock = time.monotonic()
        code = finish(scene.start(folder), 600)
        seconds = time.monotonic() - clock
        if code != 0:
            raise SystemExit(f"the undisturbed run ended with {code}: {scene.errors()}")
        by_seed[seed] = Plain(scene.atoms(folder), scene.files(folder), seconds)
    shutil.rmtree(folder)
    return by_seed


class Driver:
    """Draws scenes and kills; everything but the timing follows from the seed."""

    def __init__(self, folder: Path, seed: int, ways: tuple[str, ...], kinds: tuple[str, ...]) -> None:
        self.folder = folder
        self.dice = random.Random(seed)
        self.ways = ways
        self.kinds = kinds
        self.plains: dict[str, dict[int, Plain]] = {}
        self.scenes: dict[str, Scene] = {}
        self.problems: list[str] = []
        self.count: Counter[str] = Counter()  # kills by what was killed
        self.by_kind: Counter[str] = Counter()  # and by scene
        self.also: Counter[str] = Counter()
        self.reruns: dict[str, list[float]] = {}
        self.rounds = 0

    @property
    def kills(self) -> int:
        return sum(self.count.values())

    def plain(self, name: str, seed: int) -> Plain:
        steps = KINDS[name].steps
        if steps not in self.plains:
            self.plains[steps] = undisturbed(self.folder / f"plain_{len(self.plains)}", KINDS[name])
        return self.plains[steps][seed]

    def round(self, most: int) -> None:
        self.rounds += 1
        dice = self.dice
        name = dice.choices(self.kinds, [KINDS[kind].weight for kind in self.kinds])[0]
        number = SEEDS[self.rounds % len(SEEDS)]
        plain = self.plain(name, number)
        if name not in self.scenes:
            self.scenes[name] = Scene(self.folder / f"scene_{len(self.scenes)}", KINDS[name])
        scene = self.scenes[name]
        scene.wipe(all=dice.random() < 0.5)
        scene.seed(number)
        began = time.time_ns()
        finished: dict[str, int] = {}
        zombies: list[subprocess.Popen[bytes]] = []
        strangers: list[subprocess.Popen[bytes]] = []
        limit = 60 + 10 * plain.seconds
        killed: list[str] = []
        for _ in range(dice.randint(1, 4)):
            processes = scene.killed_later()
            self._wait(scene, plain.seconds, processes)
            for process in processes if dice.random() < 0.5 else processes[:1]:
                killed += (hits := self._kill(scene, process, min(dice.randint(1, 3), most - len(killed))))
                if hits and hits[-1] in DEADLY and dice.random() < 0.3:
                    zombies.append(process)
                    self.also["left as a zombie"] += 1
            processes = [process for process in processes if process not in zombies]
            finished = scene.finished() | finished
            for process in processes:
                if finish(process, limit) is None:
                    self._complain(f"{name}, killed {killed}: another run did not end within {limit:.0f} s", scene)
            if "Traceback" in (said := scene.errors()) and scene.kind.command != "dvc repro":
                self._complain(f"{name}, killed {killed}: {said[-900:]}", scene)
            finished = scene.finished() | finished
            if dice.random() < 0.3 and (stranger := give_number_away(scene)) is not None:
                strangers.append(stranger)
                self.also["its number given away"] += 1
            if len(killed) >= most:
                break
        clock = time.monotonic()
        codes = [finish(scene.start(folder), limit) for folder in scene.folders]
        self.reruns.setdefault(name, []).append(time.monotonic() - clock)
        for process in zombies:
            process.wait(10)
        if any(code != 0 for code in codes):
            self._complain(
                f"{name}, killed {killed}: the run after that ended with {codes}: {scene.errors()[-900:]}", scene
            )
            scene.wipe(all=True)
        else:
            for text in complaints(scene, plain, finished, len(killed), began):
                self._complain(f"{name}, killed {killed}: {text}", scene)
        for stranger in strangers:
            stranger.kill()
            stranger.wait()
        for pid in scene.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _kill(self, scene: Scene, process: subprocess.Popen[bytes], most: int) -> list[str]:
        """Kill now, and again a moment later where the run goes on after that; returns what was killed."""
        hits: list[str] = []
        while len(hits) < most and (hit := kill(scene, process, self.dice.choice(self.ways), self.dice)) is not None:
            hits.append(hit)
            self.count[hit] += 1
            self.by_kind[next(name for name, kind in KINDS.items() if kind is scene.kind)] += 1
            if hit in DEADLY:
                break
            time.sleep(self.dice.uniform(0, 0.3))
        return hits

    def _wait(self, scene: Scene, usual: float, processes: list[subprocess.Popen[bytes]]) -> None:
        """Until some moment of the run: any, or shortly after a step has begun or is about to return."""
        if self.dice.random() < 0.5:
            time.sleep(self.dice.uniform(0.05, usual))
            return
        lines = len(scene.told("begins")) + len(scene.told("returns")) + self.dice.randint(1, 8)
        after = self.dice.uniform(0, 0.1 * max(usual, 1))
        until = time.monotonic() + 2 * usual
        while time.monotonic() < until and any(_lives(process.pid) for process in processes):
            if len(scene.told("begins")) + len(scene.told("returns")) >= lines:
                time.sleep(after)
                return
            time.sleep(0.005)

    def _complain(self, text: str, scene: Scene) -> None:
        self.problems.append(f"round {self.rounds}, {scene.folder.name}: {text}")
        print(self.problems[-1], file=sys.stderr, flush=True)


def crash(
    folder: Path,
    kills: int,
    rounds: int,
    seconds: float,
    seed: int,
    ways: tuple[str, ...] = WAYS,
    kinds: tuple[str, ...] = tuple(KINDS),
) -> dict[str, Any]:
    """Kill `kills` times, or for so many rounds or seconds, whichever ends first."""
    driver = Driver(folder, seed, ways, kinds)
    began = time.monotonic()
    while driver.kills < kills and driver.rounds < rounds and time.monotonic() - began < seconds:
        driver.round(kills - driver.kills)
        print(f"{driver.kills} kills in {driver.rounds} rounds", file=sys.stderr, flush=True)
    return {
        "kills": driver.kills,
        "ways": dict(driver.count),
        "scenes": dict(driver.by_kind),
        **driver.also,
        "rounds": driver.rounds,
        "executions": sum(len(scene.told("begins")) for scene in driver.scenes.values()),
        "returned": sum(len(scene.told("returns")) for scene in driver.scenes.values()),
        "run after kills, s": {name: round(sorted(s)[len(s) // 2], 2) for name, s in driver.reruns.items()},
        "the longest, s": round(max(max(s) for s in driver.reruns.values()), 2),
        "seconds": round(time.monotonic() - began, 1),
        "seed": seed,
        "problems": driver.problems,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="end after so many (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=10**6, help="end after so many rounds")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no round after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", default=",".join(WAYS), help="what is killed, to draw from (default: %(default)s)")
    parser.add_argument("--scenes", default=";".join(KINDS), help="to draw from, with ; between them")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        ways, kinds = tuple(arguments.ways.split(",")), tuple(arguments.scenes.split(";"))
        folder = arguments.folder or Path(temporary, "crash")
        told = crash(folder, arguments.kills, arguments.rounds, arguments.seconds, arguments.seed, ways, kinds)
    if arguments.json:
        print(json.dumps(told, indent=2))
    else:
        for name, value in told.items():
            lines = value if name == "problems" else [value]
            print(f"{name}\t{lines[0] if lines else 'none'}", *lines[1:], sep="\n\t")
    sys.exit(1 if told["problems"] else 0)


if __name__ == "__main__":
    main()
