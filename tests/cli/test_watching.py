"""`motools run --watch` and `--ask`; `--quiet` and `--verbose` of every command; what a tab key finds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from chain import Chain
from warm import COLD

from motools.cli import watching
from motools.cli.app import app
from motools.code.search_path import pipeline_folder

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


def test_a_change_of_what_a_step_reads_is_noticed(scene: Chain, project: Path) -> None:
    assert scene.run().code == 0
    for name in ("params.yaml", "own.py"):
        has_changed = watching._changes(pipeline_folder(project))
        assert not has_changed()
        (project / name).write_text((project / name).read_text() + "\n# edited\n")
        assert has_changed(), name


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
