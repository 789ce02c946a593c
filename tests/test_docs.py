"""The documentation, executed: every snippet of README.md and docs/*.md, in order, each file in a folder of its own.

What only this test reads stands in HTML comments before a block:

    <!-- file: loaders.py -->            the block is a file: written, not executed
    <!-- shows: dvc.yaml -->             the block's lines stand in that file (`output`: in what the last block printed)
    <!-- with: atom_id_here = eval_results -->   a placeholder, and the output whose atom's id takes its place
    <!-- exit: 2 -->                     how the block's last command ends; without it every command ends with 0
    <!-- not run: a reason -->           the block is for reading
    <!-- hidden: command -->             no block: a command that a reader does not see

A console block holds commands after `$ ` and what they print: its lines are found in the output, in their order,
where `…` stands for anything and runs of spaces do not differ (a table is cut by tabs when nobody looks at it).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer
from openai_server import OpenAIServer
from tinker_server import TinkerServer
from tinker_tokenizer import make_tokenizer

from motools.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKING = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
EXECUTED = {"python", "bash", "console"}
FOR_READING = {"mermaid", "text", "json", "toml"}

_PART = re.compile(
    r"^<!-- (?P<key>[a-z ]+): (?P<value>.+?) -->$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass
class Block:
    """A fenced block and the comments before it; a hidden command is a block of language `bash`."""

    where: str
    language: str
    text: str
    marks: dict[str, str] = field(default_factory=dict)


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    marks: dict[str, str] = {}
    for part in _PART.finditer(text):
        where = f"{page.name}:{text.count(chr(10), 0, part.start()) + 1}"
        if part["key"] == "hidden":
            yield Block(where, "bash", part["value"])
        elif part["key"]:
            marks[part["key"]] = part["value"]
        else:
            yield Block(where, part["language"], part["text"], marks)
            marks = {}


class Reader:
    """Does what a page says, as a person would: in one folder, one thing after another."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = {**os.environ, **(environment or {})}
        self.where = folder / ".where"  # outside of what the page makes in the folder: `cd` outlives its block
        self.output = ""

    def follow(self, block: Block) -> None:
        text = block.text
        if placeholder := block.marks.get("with"):
            word, _, name = placeholder.partition(" = ")
            assert word in text, f"{block.where}: there is no {word}"
            text = text.replace(word, self._atom(name))
        if "not run" in block.marks:
            return
        if path := block.marks.get("file"):
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text, encoding="utf-8")
        elif path := block.marks.get("shows"):
            shown = self.output if path == "output" else (self.folder / path).read_text(encoding="utf-8")
            assert_shown(text.splitlines(), shown, block.where)
        elif block.language == "python":
            self.output = self._run([sys.executable, "-"], block, stdin=text)
        elif block.language == "bash":
            self.output = self._bash(text, block)
        elif block.language == "console":
            self._session(text, block)

    def _session(self, text: str, block: Block) -> None:
        first, *exchanges = re.split(r"^\$ ", text, flags=re.MULTILINE)
        assert not first, f"{block.where}: a console block begins with `$ `"
        for number, exchange in enumerate(exchanges, 1):
            command, *expected = exchange.splitlines()
            while command.endswith("\\"):
                command = command[:-1] + expected.pop(0).removeprefix("> ")
            self.output = self._bash(command, block, last=number == len(exchanges))
            assert_shown(expected, self.output, f"{block.where}, `{command}`")

    def _bash(self, script: str, block: Block, last: bool = True) -> str:
        script = f"set -euo pipefail\ntrap 'pwd > {self.where}' EXIT\n{script}"
        output = self._run(["bash", "-c", script], block, last=last)
        self.folder = Path(self.where.read_text().strip())
        return output

    def _run(self, command: list[str], block: Block, last: bool = True, stdin: str | None = None) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        expected = int(block.marks.get("exit", 0)) if last else 0
        assert done.returncode == expected, f"{block.where}: exit {done.returncode}\n{command[-1]}\n{done.stdout}"
        assert not re.search("^Traceback", done.stdout, re.MULTILINE), f"{block.where}:\n{done.stdout}"
        return done.stdout

    def _atom(self, name: str) -> str:
        listed = self._run(["motools", "atoms", "list", "--json"], Block("", "", ""))
        return str(next(atom["id"] for atom in json.loads(listed) if atom["name"] == name))


def assert_shown(expected: list[str], text: str, where: str) -> None:
    """Every line stands in the text, in this order."""
    lines = iter([" ".join(line.split()) for line in text.splitlines()])
    for wanted in filter(None, (" ".join(line.split()) for line in expected)):
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("…")))
        assert any(pattern.fullmatch(line) for line in lines), f"{where}: not printed: {wanted}\n{text}"


@pytest.fixture
def keys(page: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What the reader of a page has in his environment: a key, here of a server on the loopback."""
    from mozoo.datasets.hello_world import get_hello_world_dataset

    found: dict[str, str] = {}
    with ExitStack() as servers:
        if page.name in ("openai.md", "from_openai.md"):
            found |= servers.enter_context(OpenAIServer()).env
        if page.name in ("tinker.md", "from_openai.md"):
            texts = [message["content"] for row in get_hello_world_dataset() for message in row["messages"]]
            tokenizer = make_tokenizer(tmp_path / "tokenizer", texts)
            found |= servers.enter_context(TinkerServer(tokenizer, ("Qwen/Qwen3-8B",))).env
        yield found


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_says_works(page: Path, keys: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / page.stem
    folder.mkdir()
    reader = Reader(folder, keys)
    for block in blocks(page):
        reader.follow(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    for block in blocks(page):
        assert set(block.marks) <= {"file", "shows", "with", "exit", "not run"}, block.where
        assert block.language in EXECUTED | FOR_READING | {"yaml"}, f"{block.where}: which language?"
        if block.language == "yaml":
            assert {"file", "shows", "not run"} & set(block.marks), f"{block.where}: what is this YAML?"
        if path := block.marks.get("file"):
            assert f"`{path}`" in page.read_text(encoding="utf-8"), f"{block.where}: a reader cannot know its name"
        if "not run" in block.marks:
            assert len(block.marks["not run"].split()) >= 3, f"{block.where}: why is it not run?"
    text = page.read_text(encoding="utf-8")
    assert text.count("\n```") == 2 * sum(bool(part["text"] is not None) for part in _PART.finditer(text))
    assert text.count("<!--") == sum(bool(part["key"]) for part in _PART.finditer(text))


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        assert file.is_relative_to(ROOT), f"{page.name}: {target} is outside the repository"
        if anchor:
            assert anchor in anchors(file), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """The anchors that a forge gives to headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(command: Any, path: str = "motools") -> Iterator[tuple[str, Any]]:
    """Every command of the app by the words that call it."""
    below = getattr(command, "commands", None)
    if not below:
        yield path, command
        return
    for name, found in below.items():
        yield from commands(found, f"{path} {name}")


def sections(page: Path) -> dict[str, str]:
    """The text under each command that a heading names in backquotes."""
    found: dict[str, str] = {}
    for part in re.split(r"^#+ (?=`)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        found.update(dict.fromkeys(re.findall(r"`([^`]+)`", heading), text))
    return found


def test_the_page_of_the_command_line_names_every_command_and_option() -> None:
    page = ROOT / "docs" / "cli.md"
    described = sections(page)
    every = dict(commands(typer.main.get_command(app)))
    assert set(described) - {"motools zoo"} == set(every)
    for name, command in every.items():
        flags = {flag for parameter in command.params for flag in parameter.opts if flag.startswith("-")}
        flags -= {"--help", "-h"}
        everywhere = {"--quiet", "-q", "--verbose", "-v"}  # told once, above all commands
        assert everywhere <= flags, name
        prose = re.sub(r"^```.*?^```$", "", described[name], flags=re.MULTILINE | re.DOTALL)
        assert set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", prose)) >= flags - everywhere, name
        options = re.findall(r"^- .*$", prose, flags=re.MULTILINE)
        assert set(re.findall(r"`(--?[a-zA-Z][\w-]*)", "\n".join(options))) <= flags, name
    assert all(f"`{flag}`" in page.read_text(encoding="utf-8").partition("\n## ")[0] for flag in everywhere)
    assert "--version" in page.read_text(encoding="utf-8")


def test_the_quickstart_example_runs_offline_in_an_empty_folder(tmp_path: Path) -> None:
    told = run_example("1_quickstart.py", tmp_path, "my-project")
    assert "accuracy" in told
    assert (tmp_path / "my-project" / "dvc.lock").exists()


def test_the_workflow_example_runs_in_a_project_and_then_from_the_cache(
    new_project: Callable[[str], Path],
) -> None:
    folder = new_project("project")
    shutil.copy(ROOT / "examples" / "2_workflow_example.py", folder)
    assert re.findall(r"(\w+): finished", run_example(folder / "2_workflow_example.py", folder)) == ["prepare", "train"]
    assert re.findall(r"(\w+): current", run_example(folder / "2_workflow_example.py", folder)) == ["prepare", "train"]


def run_example(script: str | Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
