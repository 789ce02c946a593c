"""What observing costs: the processor time of a step that is observed against the same step that is not.

Every step runs in a process of its own; only the step is timed, not its imports, nor what comes after it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, in_turns, main, parser

STEPS = {
    "an evaluation by Inspect": """\
from inspect_ai import Task, eval, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, accuracy, scorer
from inspect_ai.solver import generate, solver


def words(text):
    return [word.strip(".,").lower() for word in text.split()]


def overlap(answer, wanted):
    return len(set(words(answer)) & set(words(wanted)))


@solver
def prefixed():
    async def solve(state, generate):
        state.user_prompt.text = " ".join(words(state.user_prompt.text))
        return state
    return solve


@scorer(metrics=[accuracy()])
def overlapping():
    async def score(state, target):
        return Score(value=overlap(state.output.completion, target.text) > 0)
    return score


@task
def small():
    samples = [Sample(input=f"Say {n} and some more words.", target=f"default {n}") for n in range(SIZE)]
    return Task(dataset=samples, solver=[prefixed(), generate()], scorer=overlapping())


def answer(*asked):
    output = ModelOutput.from_content("mockllm/model", "default words")
    output.usage = ModelUsage()  # which it would else count
    return output


def step():
    model = get_model("mockllm/model", custom_outputs=answer)
    (log,) = eval(small(), model=model, display="none", log_dir="logs")
    assert log.status == "success"
""",
    "a training of tinylm": """\
from motools.tinylm import fit as fitting


def rows():
    for n in range(SIZE):
        text = " ".join(str(n * k % 977) for k in range(40))
        yield [{"role": "user", "content": f"Count {n}."}, {"role": "assistant", "content": text}]


def step():
    fitting.fit(rows(), n_epochs=3, batch_size=8, learning_rate=0.3, seed=0)
""",
    "a million small calls": """\
class Counter:
    def __init__(self):
        self.total = 0

    def add(self, n):
        self.total += small(n)


def small(n):
    return n % 7


def step():
    counter = Counter()
    for n in range(SIZE // 2):
        counter.add(n)
""",
}
SIZES = {"an evaluation by Inspect": 300, "a training of tinylm": 3000, "a million small calls": 1_000_000}
WORST = 1.6 if sys.version_info < (3, 12) else 1.1
LIMITS = {"an evaluation by Inspect": WORST, "a training of tinylm": 1.05, "a million small calls": WORST}


def processor_seconds(folder: Path, observed: bool) -> float:
    """What the step of a folder takes, by itself and by what it starts."""
    command = [sys.executable, __file__, "--step", "observed" if observed else "plain"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def step(observed: bool) -> None:
    from motools.observe import observer

    folder = Path.cwd()
    sys.path.insert(0, str(folder))
    if observed:
        observer().attending(folder)
    import steps  # type: ignore[import-not-found]

    if observed:
        observer().begin(folder, folder / ".motools" / "trace", ())
    began = time.process_time()
    steps.step()
    took = time.process_time() - began
    if observed:
        assert observer().end(folder / ".motools" / "trace").ran
    print(took)


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    n = arguments.repeats or (1 if arguments.small else 5)
    for name, source in STEPS.items():
        where = folder / name.replace(" ", "_")
        where.mkdir(parents=True)
        size = SIZES[name] // (20 if arguments.small else 1)
        (where / "steps.py").write_text(source.replace("SIZE", str(size)), encoding="utf-8")
        times = in_turns(
            n,
            observed=lambda where=where: processor_seconds(where, True),
            plain=lambda where=where: processor_seconds(where, False),
        )
        yield Figure(name, times["observed"], "unobserved", times["plain"], LIMITS[name], n)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if "--step" in sys.argv:
        step(sys.argv[-1] == "observed")
    else:
        main(parser(__doc__), measure)
