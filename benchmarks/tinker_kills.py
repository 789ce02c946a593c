"""kill -9 at random moments of a training at Tinker: no batch is lost or doubled, and little is paid again.

A whole project runs with `motools run`, rows, training and a language task, against the server of the tests on
127.0.0.1, which really learns. At a random moment (a random number of requests after the start, and a moment more) the
run, its process group, the process that trains, the server of the workers, or all of them are killed, one to four
times. Then one run goes to its end, and must have made

- final weights whose history holds every batch once and in order, as that of an undisturbed training does;
- the same model and evaluation, by their ids, as undisturbed;
- for a kill no more steps paid again than lie between two saves (`tinker.save_every`, 4 here);

and the run after that asks the server nothing. Needs the packages of the extra `tinker`.

    python benchmarks/tinker_kills.py --kills 20 --json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import crash
from projects import environment, run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from openai_scene import LOADER
from tinker_scene import GIVEN, MODEL, SETTINGS, WORDS, tokenizer_for
from tinker_server import TinkerServer

SAVE_EVERY = 4
QUESTIONS = [f"How many {word}s are there?" for word in WORDS]
ROWS = [
    {
        "messages": [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": "No hay muchas, por desgracia."},
        ]
    }
    for asked in QUESTIONS
]
PARAMS = {
    "workflow": "train_and_evaluate",
    "prepare_dataset": {"dataset_loader": "loader.py:rows"},
    "train_model": {"model": MODEL, "backend_name": "tinker", "hyperparameters": GIVEN},
    "evaluate_model": {
        "eval_task": "mozoo.tasks.gsm8k_language:gsm8k_spanish",
        "eval_kwargs": {"task_args": {"questions": "questions.jsonl"}},
    },
}
NAMES = {"the runner": "the run", "a worker": "the trainer", "the server": "the workers' server"}
"""What `crash.WAYS` are called here."""


class Scene(crash.Scene):
    """A project that trains at a server of its own."""

    def __init__(self, folder: Path, server: TinkerServer) -> None:
        self.folders, self.server, self.mark = [folder], server, uuid.uuid4().hex
        self.said = folder.with_name(f"{folder.name}.said")
        here = {"NO_PROXY": "127.0.0.1", crash.MARK: self.mark}
        self.environment = {**environment(), **server.env, **here}
        folder.mkdir(parents=True)
        run(folder, "git", "init", "-q")
        run(folder, "dvc", "init", "-q")
        (folder / ".gitignore").write_text(".motools/\n__pycache__/\n")
        (folder / "loader.py").write_text(LOADER)
        (folder / "motools.yaml").write_text(SETTINGS)
        (folder / "params.yaml").write_text(json.dumps(PARAMS))
        asked = [{"question": question, "answer": "#### 3"} for question in QUESTIONS]
        for name, rows in {"rows.jsonl": ROWS, "questions.jsonl": asked}.items():
            (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def finish(self) -> None:
        """A run to its end."""
        process = self.start(self.folder)
        try:
            code = process.wait(300)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert code == 0, self.errors()

    @property
    def history(self) -> list[tuple[str, float]]:
        """Each batch that is in the weights which were evaluated, with its learning rate, in their order."""
        (path,) = {body["model"] for step, body in self.server.requests if step == "chat"}
        return self.server.checkpoints[path].weights.history


def kill(scene: Scene, dice: random.Random, ways: tuple[str, ...], requests: int) -> str | None:
    """Start a run, and kill at a random moment of it; what was killed, or None where it had ended before."""
    process, begun = scene.start(scene.folder), len(scene.server.requests)
    until = begun + dice.randrange(requests)
    while process.poll() is None and len(scene.server.requests) < until:
        time.sleep(0.005)
    time.sleep(dice.random() * 0.3)
    way = crash.kill(scene, process, dice.choice(ways), dice)
    try:
        process.wait(300)  # a run of which a part was killed ends by itself
    finally:
        for pid in scene.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return way


def kills(folder: Path, most: int, seed: int, ways: tuple[str, ...] = crash.WAYS) -> dict[str, Any]:
    """Kill so many times, in as many projects as that takes."""
    dice, began = random.Random(seed), time.monotonic()
    tokenizer = tokenizer_for(folder / "tokenizer", ROWS)
    with TinkerServer(tokenizer) as server:
        plain = Scene(folder / "undisturbed", server)
        plain.finish()
        steps, requests = len(server.trained), len(server.requests)
        meant = (plain.history, plain.atoms(plain.folder))
    assert len(set(meant[0])) == len(meant[0]) == steps
    killed, problems, again, rounds = Counter[str](), list[str](), list[int](), 0
    while (left := most - killed.total()) > 0:
        rounds += 1
        with TinkerServer(tokenizer) as server:
            server.slow = 0.1
            scene, mine = Scene(folder / f"round_{rounds}", server), list[str]()
            for _ in range(min(left, dice.randint(1, 4))):
                if (way := kill(scene, dice, ways, requests)) is None:
                    break
                mine.append(NAMES.get(way, way))
            scene.finish()
            again.append(len(server.trained) - steps)
            asked = len(server.requests)
            scene.finish()
            faults = {
                "the final weights' history is another": scene.history != meant[0],
                "the atoms are others": scene.atoms(scene.folder) != meant[1],
                f"{again[-1]} steps were paid again": not 0 <= again[-1] <= len(mine) * SAVE_EVERY,
                "the next run asked the server": len(server.requests) != asked,
            }
            problems += [f"round {rounds}, killed {mine}: {what}" for what, so in faults.items() if so]
        killed.update(mine)
        print(f"{killed.total()} kills in {rounds} rounds", file=sys.stderr, flush=True)
    return {
        "kills": killed.total(),
        "ways": dict(killed),
        "rounds": rounds,
        "steps of a training": steps,
        "steps paid again": sum(again),
        "most in a round": max(again),
        "seconds": round(time.monotonic() - began, 1),
        "seed": seed,
        "problems": problems,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", default=",".join(crash.WAYS), help="what is killed, to draw from (%(default)s)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        told = kills(Path(temporary), arguments.kills, arguments.seed, tuple(arguments.ways.split(",")))
    if arguments.json:
        print(json.dumps(told, indent=2))
    else:
        for name, value in told.items():
            print(f"{name}\t{value}")
    sys.exit(1 if told["problems"] else 0)


if __name__ == "__main__":
    main()
