"""Notes and tags, logs that are followed, and how long ago things were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chain import Chain

from motools.base import yaml12
from motools.base.ages import age, span

SAYS = """
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


@dataclass
class Config(StepConfig):
    word: str = "one"


def say(config, inputs, workspace):
    print(config.word, flush=True)
    while not Path("go").exists():
        time.sleep(0.01)
    print("the end", flush=True)
    (workspace / "x").write_text(config.word)
    return [AtomConstructor("said", workspace / "x", "text")]


workflow = Workflow("own", [Step("say", {}, {"said": "text"}, Config, say)])
"""


@pytest.fixture
def scene(project: Path) -> Chain:
    (project / "own.py").write_text(SAYS)
    (project / "params.yaml").write_text("workflow: own.py:workflow\nsay: {word: one}\n")
    return Chain(project)


def test_notes_and_tags_lie_in_the_folder_and_wake_nothing(scene: Chain, project: Path) -> None:
    (project / "go").touch()
    assert scene.run().statuses == ["finished"]
    assert scene.command("note", "it diverged: look, again", "--tag", "odd", "-t", "v1.2").code == 0
    assert scene.command("note", "--untag", "v1.2", "--quiet").out == ""
    done = scene.command("note")
    assert done.out == "tags: odd\njust now, Ada Test <ada@example.org>: it diverged: look, again\n"
    kept = yaml12.load(project / "notes.yaml")
    assert (kept["tags"], kept["notes"][0]["text"]) == (["odd"], "it diverged: look, again")
    assert scene.run().statuses == ["current"]
    tracked = subprocess.run(["git", "check-ignore", "notes.yaml"], cwd=project, capture_output=True, text=True)
    assert tracked.stdout == ""
    for folder in ("a", "b"):
        (project / folder).mkdir()
        (project / folder / "params.yaml").write_text("workflow: own.py:workflow\n")
    scene.command("note", "another", "--folder", "b", "--tag", "good")
    told = json.loads(scene.command("note", "--all", "--json").out)
    assert [(each["folder"], each["tags"], len(each["notes"])) for each in told] == [
        (".", ["odd"], 1),
        ("b", ["good"], 1),
    ]
    table = scene.command("note", "--all", "--tag", "good").out.splitlines()
    assert table[1:] == ["b\tgood\t1\tjust now\tanother"]


def test_what_cannot_be_a_note_is_refused(scene: Chain, project: Path) -> None:
    (project / "a").mkdir()
    assert "is no experiment" in scene.command("note", "x", "--folder", "a").err
    assert "'two words' cannot be a tag" in scene.command("note", "--tag", "two words").err
    assert "no tag 'x' to take away; there are: none" in scene.command("note", "--untag", "x").err
    assert "The note is empty" in scene.command("note", " ").err
    assert "--all shows notes" in scene.command("note", "x", "--all").err
    (project / "notes.yaml").write_text("- no\n")
    refused = scene.command("note")
    assert refused.code == 2
    assert "is no file of notes" in refused.err


def test_a_note_that_holds_a_key_is_refused(scene: Chain, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-value-0123456789")
    for words in (("it is planted-value-0123456789",), ("--tag", "planted-value-0123456789"), ("sk-" + "a1" * 20,)):
        done = scene.command("note", *words)
        assert done.code == 2
        assert done.sentence.startswith("The note ")
    assert not (project / "notes.yaml").exists()


def test_a_log_is_followed_until_the_run_has_ended(scene: Chain, project: Path) -> None:
    running = subprocess.Popen(["motools", "run"], cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    following = None
    try:
        log = project / ".motools" / "logs" / "say.log"
        while not (log.exists() and "one" in log.read_text()):
            assert running.poll() is None
            time.sleep(0.02)
        following = subprocess.Popen(
            ["motools", "log", "say", "-f"], cwd=project, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert following.stdout is not None
        assert following.stdout.readline() == "one\n"
        assert following.poll() is None
        (project / "go").touch()
        assert following.stdout.readline() == "the end\n"
        assert running.wait(300) == 0
        assert following.wait(300) == 0
    finally:
        (project / "go").touch()
        for process in (running, following):
            if process is not None and process.poll() is None:
                process.kill()
    again = scene.command("log", "say", "--follow")
    assert (again.code, again.out) == (0, "one\nthe end\n")
    refused = scene.command("log", "sey", "--follow")
    assert refused.code == 2
    assert "Did you mean 'say'" in refused.err


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        (timedelta(seconds=30), "just now"),
        (timedelta(minutes=3), "3 min ago"),
        (timedelta(hours=2, minutes=50), "2 h ago"),
        (timedelta(days=9), "9 d ago"),
        (timedelta(days=31), "1 month ago"),
        (timedelta(days=800), "2 years ago"),
        (timedelta(seconds=-5), "just now"),  # another machine's clock
    ],
)
def test_how_long_ago_in_a_word(ago: timedelta, told: str) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    assert age((now - ago).isoformat().replace("+00:00", "Z"), now) == told
    assert age("once upon a time", now) == "once upon a time"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59.4, "59 s"), (200, "3 min"), (7200, "2 h"), (7500, "2 h 5 min"), (100000, "1 d 4 h")],
)
def test_a_span_in_its_two_largest_units(seconds: float, told: str) -> None:
    assert span(seconds) == told


def test_nothing_of_these_is_imported_for_the_help() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, motools.cli.app; print('motools.definition.notes' in sys.modules)"],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "False\n"
