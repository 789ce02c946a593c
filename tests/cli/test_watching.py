"""`motools run --watch` and `--ask`; `--quiet` and `--verbose` of every command; what a tab key finds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
from chain import Chain, eventually
from warm import COLD

from motools.base import yaml12
from motools.cli import watching
from motools.cli.app import app
from motools.engine import snapshot

OWN = """
from dataclasses import dataclass

from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    word: str = "a"


def made(name):
    def make(config, inputs, workspace):
        (workspace / "x").write_text(config.word)
        return [AtomConstructor(name, workspace / "x", "text")]
    return make


workflow = Workflow("own", [
    Step("free", {}, {"one": "text"}, Config, made("one")),
    Step("paid", {"one": "text"}, {"two": "text"}, Config, made("two"), paid=True),
    Step("after", {"two": "text"}, {"three": "text"}, Config, made("three")),
    Step("aside", {}, {"four": "text"}, Config, made("four")),
])
"""


@pytest.fixture
def scene(project: Path) -> Chain:
    (project / "own.py").write_text(OWN)
    (project / "params.yaml").write_text("workflow: own.py:workflow\n")
    return Chain(project)


def test_what_costs_money_is_left_out_where_nobody_can_be_asked(scene: Chain) -> None:
    done = scene.run("--ask")
    assert done.code == 0, done.err
    assert done.statuses == ["finished", "not selected", "not selected", "finished"]
    assert "paid: left out, since it costs money" in done.err
    assert scene.run().statuses == ["current", "finished", "finished", "current"]
    assert scene.run("--ask").statuses == ["current"] * 4


def put(path: Path, text: str) -> None:
    """Write a file at once, as editors do it: a watcher never sees half of it."""
    new = Path.home() / "new"
    new.write_text(text)
    new.replace(path)


class Watched:
    """A process of `motools run --watch`, and what it has said."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-u", "-m", "motools", "run", *words, "--watch"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait(300)
        self.reading.join(300)  # until all that it has started has ended, too

    def count(self, start: str) -> int:
        return sum(line.startswith(start) for line in self.lines)

    def waits(self, times: int) -> None:
        """Until it has said so often that it waits for a change."""
        self.until(lambda: self.count("waiting for a change") >= times)

    def until(self, holds: Callable[[], Any]) -> None:
        eventually(lambda: holds() or self.process.poll() is not None, seconds=300)
        assert self.process.poll() is None, self.lines

    def interrupted(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(300)
        self.reading.join(300)
        return code


def test_watching_runs_again_what_an_edit_concerns_and_says_nothing_of_a_file_that_nobody_reads(
    scene: Chain, project: Path
) -> None:
    with Watched("--stages", "free,aside", "--set", "aside.word=c") as watched:
        watched.waits(1)
        first = list(watched.lines)
        assert {"free: finished", "aside: finished"} <= {line.partition(" in ")[0] for line in first}
        assert yaml12.load(project / "params.yaml")["aside"] == {"word": "c"}
    assert scene.run("--stages", "paid,after").code == 0
    with Watched() as watched:
        watched.waits(1)
        assert snapshot.unchanged(project) is not None
        (project / "notes.txt").write_text("nobody reads me")
        assert snapshot.unchanged(project) is None
        watched.until(lambda: snapshot.unchanged(project) is not None)  # it has looked, and found nothing to do
        text = (project / "params.yaml").read_text()
        put(project / "params.yaml", text.replace("word: c", "word: d"))
        watched.waits(2)
        assert watched.count("stage\t") == 2, watched.lines
        assert [line.partition(" in ")[0] for line in watched.lines if ": finished" in line] == ["aside: finished"]
        put(project / "own.py", OWN + "\nbroken(\n")
        watched.waits(3)
        put(project / "own.py", OWN)
        watched.waits(4)
        assert watched.interrupted() == 130
    assert watched.count("waiting for a change") == 4
    assert watched.count("free: current") == 1
    assert "Traceback" not in "\n".join(watched.lines)


def test_what_is_edited_while_a_run_goes_on_is_run_after_it_each_time(scene: Chain, project: Path) -> None:
    hold = f"while os.path.exists({str(project.parent)!r} + '/hold-' + config.word):\n            time.sleep(0.05)"
    held = OWN.replace("def make(config, inputs, workspace):", f"def make(config, inputs, workspace):\n        {hold}")
    (project / "own.py").write_text(f"import os\nimport time\n{held}")
    assert scene.run("--stages", "free,aside").code == 0
    words = ["first", "second", "third"]
    for word in words[:2]:
        (project.parent / f"hold-{word}").touch()
    (project / "params.yaml").write_text("workflow: own.py:workflow\naside: {word: first}\n")
    with Watched("--stages", "free,aside") as watched:
        for number, (word, after) in enumerate(pairwise(words), 1):
            watched.until(lambda number=number: watched.count("aside: running") >= number)
            put(project / "params.yaml", f"workflow: own.py:workflow\naside: {{word: {after}}}\n")
            (project.parent / f"hold-{word}").unlink()
        watched.until(lambda: watched.count("aside: finished") == 3)
        watched.waits(1)


def test_with_stages_an_edit_of_theirs_is_run_and_one_of_others_is_not(scene: Chain, project: Path) -> None:
    def words(**words: str) -> None:
        steps = "".join(f"{step}: {{word: {word}}}\n" for step, word in words.items())
        put(project / "params.yaml", f"workflow: own.py:workflow\n{steps}")

    assert scene.run().code == 0  # everything is current, and that is proven
    with Watched("--stages", "free,aside") as watched:
        watched.waits(1)
        words(aside="b")
        watched.until(lambda: watched.count("aside: finished") == 1)
        watched.waits(2)
        words(aside="b", after="c")  # which is not watched for
        words(aside="b", after="c", free="d")
        watched.until(lambda: watched.count("free: finished") == 1)
        words(aside="e", after="c", free="d")
        watched.until(lambda: watched.count("aside: finished") == 2)
        assert watched.interrupted() == 130
    assert not watched.count("after: finished") + watched.count("paid: finished")


def test_several_pipelines_are_watched_and_one_that_comes_is_run(scene: Chain, project: Path) -> None:
    for name in ("a", "b"):
        (folder := project / "experiments" / name).mkdir(parents=True)
        (folder / "params.yaml").write_text("workflow: ../../own.py:workflow\n")
    assert scene.command("run", "experiments").code == 0
    with Watched("experiments") as watched:
        watched.waits(1)
        put(
            project / "experiments" / "b" / "params.yaml",
            "workflow: ../../own.py:workflow\naside: {word: z}\npaid: {word: z}\n",
        )
        watched.waits(2)
        said = "\n".join(watched.lines)
        assert "experiments/b: aside: finished" in said
        assert "experiments/b: paid: left out, since it costs money" in said
        assert "experiments/a: aside: finished" not in said
        (project / "experiments" / "c").mkdir()
        put(project / "experiments" / "c" / "params.yaml", "workflow: ../../own.py:workflow\nfree: {word: y}\n")
        watched.waits(3)
        assert "experiments/c: free: finished" in "\n".join(watched.lines)
        assert watched.interrupted() == 130


def test_what_is_set_is_set_by_the_first_run_only() -> None:
    words = ["run", "a", "--set", "x.y=1", "--seeds=3", "--ask", "-q"]
    assert [*watching._without_changes(words)] == ["run", "a", "--ask", "-q"]


def test_watching_tells_no_json(scene: Chain) -> None:
    refused = scene.command("run", "--watch", "--json")
    assert refused.code == 2
    assert "leave --dry-run and --json out" in refused.err


def commands(command: typer.core.TyperGroup, path: str = "") -> Iterator[tuple[str, typer.core.TyperCommand]]:
    for name, found in command.commands.items():
        if hasattr(found, "commands"):
            yield from commands(found, f"{path} {name}")
        else:
            yield f"{path} {name}", found


def test_every_command_takes_quiet_and_verbose_and_no_letter_twice() -> None:
    found = dict(commands(typer.main.get_command(app)))
    assert len(found) > 25
    for name, command in found.items():
        flags = [flag for parameter in command.params for flag in parameter.opts if flag.startswith("-")]
        assert {"-q", "--quiet", "-v", "--verbose"} <= set(flags), name
        assert len(flags) == len(set(flags)), name


def test_quiet_leaves_results_and_errors_and_verbose_says_where_an_error_comes_from(scene: Chain) -> None:
    loud = scene.command("status")
    assert "imports own.py" in loud.err
    quiet = scene.command("status", "--quiet")
    assert (quiet.err, quiet.out) == ("", loud.out)
    refused = scene.command("atoms", "show", "nowhere", "-q")
    assert refused.code == 2
    assert refused.err.startswith("Error: ")
    assert "Traceback" not in refused.err
    told = scene.command("atoms", "show", "nowhere", "--verbose")
    assert "Traceback" in told.err
    assert told.err.splitlines()[-1] == refused.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        ("bash", {"COMP_WORDS": "motools st", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "motools st"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "motools st", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_a_shell_completes_commands_without_loading_anything(shell: str, asked: dict[str, str], project: Path) -> None:
    env = {**os.environ, **asked, "_MOTOOLS_COMPLETE": f"complete_{shell}"}
    script = (
        "import atexit, sys\n"
        "heavy = ('dvc', 'inspect_ai', 'numpy', 'yaml')\n"
        "atexit.register(lambda: print('loaded', [name for name in heavy if name in sys.modules]))\n"
        "sys.argv = ['motools']\n"
        "from motools.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([COLD, "-c", script], cwd=project, env=env, capture_output=True, text=True)
    assert "status" in done.stdout, done.stderr
    assert "step" in done.stdout
    assert "lineage" not in done.stdout
    assert "loaded []" in done.stdout
