"""Tinker's protocol with a fault at each of its steps, and `kill -9` at any moment: no saved step is paid twice.

`python tests/training/test_tinker_faults.py` prints the whole table, and after `--kills 20` what became of so many.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # where it is called alone

import pytest
import sampling
from sampling import sample
from tinker_scene import IMPATIENT, Alone, tokenizer_for
from tinker_server import ACTING, TinkerServer

EVERY = 4
TOTAL = 18
ALL_STEPS = ("config", "session", "search", "create", "info", "load", "forward", "optim", "save", "sampler", "retrieve")
PASSING = ("500", "429", "drop_before", "drop_after", "silence", "malformed")
FAILING = ("failed", "stuck")
HOPELESS = ("402", "401", "403", "400")

CASES = [
    *[(step, kind) for step in ALL_STEPS for kind in PASSING],
    *[(step, kind) for step in ACTING for kind in FAILING],
    *[(step, "dead") for step in ("forward", "optim", "save", "sampler")],
    ("session", "twin"),
    *[(step, kind) for step in ALL_STEPS for kind in HOPELESS],
    *[(step, "failed_user") for step in ("create", "load", "forward", "save")],
]


@dataclass(frozen=True)
class Case:
    """What became of a fault: how often we ran, how many steps were paid, and whether the model is the one meant."""

    step: str
    kind: str
    runs: int
    code: int
    paid: int
    right: bool
    requests: int
    seconds: float
    said: str

    @property
    def good(self) -> bool:
        if self.kind in (*HOPELESS, "failed_user") and (self.step, self.kind) != ("load", "failed_user"):
            told = (
                f"refused ({self.kind}): " if self.kind in HOPELESS else "could not do what was asked: It went wrong."
            )
            return self.runs == 2 and self.right and told in self.said  # at once, and the next run goes on
        return self.runs == 1 and self.right and self.paid <= TOTAL + EVERY

    def row(self) -> str:
        told = f"{self.runs:4} {self.paid:5} {self.requests:8} {self.seconds:7.1f}"
        return f"{self.step:10} {self.kind:12} {told}  {'ok' if self.good else 'BAD'}"


HEAD = f"{'step':10} {'fault':12} runs  paid requests seconds"


def project(folder: Path) -> Path:
    (folder / ".dvc").mkdir(parents=True)
    return folder


def final(server: TinkerServer, alone: Alone) -> Any:
    """The weights that the journal's page of the training has as its last."""
    path = re.findall(r"^model \S+, (tinker://\S+)$", alone.out, flags=re.MULTILINE)[-1]
    return server.checkpoints[path].weights


def undisturbed(folder: Path, tokenizer: Path) -> tuple[list[tuple[str, float]], dict[str, Any]]:
    """The history of the weights, and the model, of a training to which nothing happens."""
    with TinkerServer(tokenizer) as server:
        alone = Alone(project(folder), server.env)
        assert alone.run() == 0, alone.out
        assert len(server.trained) == TOTAL
        return final(server, alone).history, {**alone.model, "usage": None, "losses": alone.losses}


def try_out(folder: Path, tokenizer: Path, meant: Any, step: str, kind: str) -> Case:
    started = time.monotonic()
    with TinkerServer(tokenizer) as server:
        alone = Alone(project(folder), server.env)
        if kind in ("silence", "stuck", "dead"):
            (folder / "motools.yaml").write_text(IMPATIENT)
        many = {"500": 8, "429": 2}.get(kind, 99 if kind in HOPELESS else 1)
        at = {"retrieve": 7, "forward": 5, "optim": 5, "save": 1}.get(step, 0)
        if step == "load":  # there must be something to load
            server.fault("optim", "failed", after=6)
        server.fault(step, kind, times=many, after=at)
        code, runs = alone.run(), 1
        if code != 0 and kind in (*HOPELESS, "failed_user"):
            server._orders.clear()
            code, runs = alone.run(), 2
        right = code == 0 and is_meant(server, alone, meant)
        paid = len(server.trained)
        return Case(step, kind, runs, code, paid, right, len(server.requests), time.monotonic() - started, alone.out)


def is_meant(server: TinkerServer, alone: Alone, meant: Any) -> bool:
    """Whether every batch is in the weights once and in order, and the model is that of an undisturbed training."""
    history, model = meant
    same = {**alone.model, "usage": None, "losses": alone.losses} == model
    return bool(final(server, alone).history == history) and same


def table(folder: Path, cases: list[tuple[str, str]], at_once: int = 3) -> list[Case]:
    tokenizer = tokenizer_for(folder / "tokenizer")
    meant = undisturbed(folder / "undisturbed", tokenizer)

    def one(case: tuple[str, str]) -> Case:
        found = try_out(folder / "-".join(case), tokenizer, meant, *case)
        print(found.row(), flush=True)
        return found

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, cases))


@pytest.mark.long
def test_no_fault_of_the_server_loses_doubles_or_misreports_a_training(tmp_path: Path) -> None:
    print(f"\n{HEAD}")
    found = table(tmp_path, sample(CASES, 14, axes=lambda case: case))
    assert [f"{case.row()}\n{case.said}" for case in found if not case.good] == []


@dataclass(frozen=True)
class Killed:
    """What became of a training that was killed a few times."""

    kills: int
    paid: int
    right: bool

    @property
    def good(self) -> bool:
        return self.right and self.paid <= TOTAL + self.kills * EVERY


def kill_often(folder: Path, tokenizer: Path, meant: Any, kills: int, seed: int) -> Killed:
    """Kill a training at random moments, again and again, and let it come to its end."""
    chance = random.Random(seed)
    with TinkerServer(tokenizer) as server:
        server.slow = 0.1
        alone = Alone(project(folder), server.env)
        for _ in range(kills):
            process, begun = alone.start(), len(server.requests)
            until = begun + chance.randrange(4, 45)
            while process.is_alive() and len(server.requests) < until:
                time.sleep(0.005)
            time.sleep(chance.random() * 0.1)
            process.kill()
            process.join()
        code = alone.run()
        assert code == 0, alone.out
        return Killed(kills, len(server.trained), is_meant(server, alone, meant))


@pytest.mark.parametrize("seed", [1, 2] if sampling.ALL else [1])
def test_a_training_that_is_killed_again_and_again_has_every_batch_once_and_in_order(seed: int, tmp_path: Path) -> None:
    tokenizer = tokenizer_for(tmp_path / "tokenizer")
    meant = undisturbed(tmp_path / "undisturbed", tokenizer)
    kills = 10 if sampling.ALL else 4
    found = kill_often(tmp_path / "killed", tokenizer, meant, kills, seed)
    print(found)
    assert found.good, found


@pytest.mark.cold
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_project_of_which_anything_is_killed_comes_to_the_model_that_was_meant() -> None:
    """`benchmarks/tinker_kills.py`, with fewer kills."""
    script, kills = Path(__file__).parents[2] / "benchmarks" / "tinker_kills.py", 20 if sampling.ALL else 2
    words = [sys.executable, str(script), "--kills", str(kills), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=900)
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert told["problems"] == []
    assert (told["kills"], done.returncode) == (kills, 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, started = Path(name), time.monotonic()
        if options.kills:
            tokenizer = tokenizer_for(folder / "tokenizer")
            meant = undisturbed(folder / "undisturbed", tokenizer)
            print(kill_often(folder / "killed", tokenizer, meant, options.kills, seed=0))
        else:
            print(HEAD)
            cases = [case for case in CASES if options.only in "-".join(case)]
            for case in table(folder, cases):
                if not case.good:
                    print(case.said)
        print(f"in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
