"""kill -9 of a run whose steps are SLURM jobs: each step is handed in once, and its job goes on without the run.

A sweep of 30 steps (2 datasets, 7 trainings of each, an evaluation of each) runs with `motools run --on cluster` on the
SLURM of the tests, which really queues and runs jobs, 4 at once. At random moments, after a random number of jobs more,
the run and its process group are killed. A last run goes to its end, and must have submitted 30 jobs in all, executed
each step once, and made the atoms of a run on this machine.

    python benchmarks/slurm_kills.py --kills 5 --json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from projects import environment

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from chain import Chain
from fake_slurm import Slurm

LIMIT = 600.0
"""Seconds for one run."""
PARAMS = """\
workflow: chain.py:workflow
sweep:
  prepare.seed: [1, 2]
  train.seed: [1, 2, 3, 4, 5, 6, 7]
prepare: {pause: 0.5}
train: {pause: 0.5}
evaluate: {pause: 0.2}
"""
STEPS = 2 + 14 + 14


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        told = measure(Path(name), given.kills, random.Random(given.seed))
    if given.json:
        print(json.dumps(told, indent=2))
    else:
        print("\n".join(f"{what}: {value}" for what, value in told.items()))
    sys.exit(0 if told["as_promised"] else 1)


def measure(folder: Path, kills: int, chance: random.Random) -> dict[str, Any]:
    """What became of the run that was killed so often, beside an undisturbed one on this machine."""
    here, there = _project(folder / "here"), _project(folder / "there")
    started = time.monotonic()
    alone = _ended(_start(here, dict(environment())))
    seconds_here = time.monotonic() - started
    slurm = Slurm(folder / "slurm", nodes=4)
    there.path("motools.yaml").write_text("executors: {cluster: {kind: slurm, poll: 0.2}}\n")
    env = {**environment(), "PATH": f"{slurm.bin}{os.pathsep}{environment()['PATH']}"}
    started = time.monotonic()
    try:
        for _ in range(kills):
            driver = _start(there, env, "--on", "cluster")
            more = len(slurm.jobs()) + chance.randint(1, STEPS // (kills + 1))
            limit = time.monotonic() + LIMIT
            while len(slurm.jobs()) < more and driver.poll() is None and time.monotonic() < limit:
                time.sleep(chance.uniform(0.01, 0.2))
            os.killpg(driver.pid, signal.SIGKILL)
            driver.communicate()
        ids = _ended(_start(there, env, "--on", "cluster"))
    finally:
        slurm.end()
    executed, submitted = there.executed(), len(slurm.jobs())
    return {
        "steps": STEPS,
        "kills": kills,
        "submitted": submitted,
        "executed": len(executed),
        "same_atoms": ids == alone,
        "seconds_here": round(seconds_here, 1),
        "seconds_with_kills": round(time.monotonic() - started, 1),
        "as_promised": ids == alone and submitted == len(executed) == STEPS,
    }


def _project(folder: Path) -> Chain:
    folder.mkdir()
    for words in (["git", "init", "-q"], ["motools", "init"]):
        subprocess.run(words, cwd=folder, env=environment(), check=True, capture_output=True)
    chain = Chain.lay(folder)
    chain.path("params.yaml").write_text(PARAMS)
    return chain


def _start(chain: Chain, env: dict[str, str], *options: str) -> subprocess.Popen[str]:
    words = [shutil.which("motools", path=env["PATH"]) or "motools", "run", "--json", *options]
    return subprocess.Popen(
        words, cwd=chain.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def _ended(process: subprocess.Popen[str]) -> dict[str, str]:
    """The atoms that a run has made, by name."""
    out, err = process.communicate(timeout=LIMIT)
    if process.returncode != 0:
        raise SystemExit(f"a run failed: {out}{err}")
    return {name: atom for stage in json.loads(out) for name, atom in stage["atoms"].items()}


if __name__ == "__main__":
    main()
