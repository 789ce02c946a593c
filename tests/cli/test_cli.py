"""The command line: help of every command, JSON that parses, plain output where it is piped, exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from chain import Chain, eventually
from warm import COLD

from motools.atom import EvalAtom, ModelAtom
from motools.cli.app import app, main

METRICS = {"task": {"score": {"mean": 0.25, "stderr": 0.1}}}


class Done(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Done]


@pytest.fixture
def motools(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the command line in this process, with its output going to files as in a pipe."""

    for name in ("FORCE_COLOR", "PY_COLORS", "NO_COLOR", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("typer.rich_utils.FORCE_TERMINAL", None)  # read from those when typer was imported

    def call(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["motools", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        code = caught.value.code
        return Done(code if isinstance(code, int) else int(code is not None), *capsys.readouterr())

    return call


@pytest.fixture
def atoms(project: Path) -> dict[str, str]:
    """A project with a model and an evaluation of it."""
    model = ModelAtom.create(user="ada", metadata={"model_id": "m"}).id
    return {
        "model": model,
        "eval": EvalAtom.create(user="ada", made_from={"m": model}, metadata={"metrics": METRICS}).id,
    }


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group by the words that call it."""
    yield path, command
    for name, found in (getattr(command, "commands", None) or {}).items():
        yield from commands(found, (*path, name))


EVERY = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_the_help_of_every_command_says_what_it_is_for(path: tuple[str, ...], motools: Call) -> None:
    command = EVERY[path]
    done = motools(*path, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out == motools(*path, "-h").out
    assert "\x1b" not in done.out
    if hasattr(command, "commands"):
        assert command.help
        assert all(name in done.out for name in command.commands)
        assert "..." not in done.out.replace("COMMAND [ARGS]...", "")  # no command's first sentence is cut
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    described = bool(arguments) and all(getattr(p, "help", None) for p in arguments)
    assert "Example" in command.help or described
    assert all(getattr(p, "help", None) for p in command.params if p.name != "help"), path
    if "Example" in command.help:
        example = command.help[command.help.index("Example") :]
        assert f"motools {' '.join(path)}" in " ".join(example.split())


@pytest.mark.parametrize("path", [p for p, c in EVERY.items() if hasattr(c, "commands")], ids=" ".join)
def test_a_group_alone_shows_its_help(path: tuple[str, ...], motools: Call) -> None:
    done = motools(*path)
    assert "Usage: motools" in done.out + done.err


def test_every_command_that_shows_results_has_json() -> None:
    silent = {("init",), ("log",), ("step", "run"), ("workflow", "validate"), ("workflow", "schema"), ("zoo", "config")}
    for path, command in EVERY.items():
        if not hasattr(command, "commands"):
            flags = {flag for parameter in command.params for flag in parameter.opts}
            assert ("--json" in flags) == (path not in silent), path


JSON = [
    ("workflow", "list"),
    ("zoo", "list"),
    ("zoo", "show", "hello_world"),
    ("zoo", "show", "evaluate_only"),
    ("zoo", "show", "dose_response.tinylm"),
    ("atoms", "list"),
    ("atoms", "show", "{eval}"),
    ("compare", "{eval}", "{eval}"),
    ("lineage", "{eval}"),
    ("workflow", "run", "evaluate_only", "--config", "config.yaml", "--dry-run"),
]


@pytest.mark.parametrize("words", JSON, ids=" ".join)
def test_json_parses_and_the_same_without_it_is_plain_text(
    words: tuple[str, ...], motools: Call, atoms: dict[str, str]
) -> None:
    Path("config.yaml").write_text("evaluate_model: {backend_name: dummy}\n")
    words = tuple(word.format(**atoms) for word in words)
    done = motools(*words, "--json")
    assert (done.code, done.err) == (0, "")
    json.loads(done.out)
    plain = motools(*words)
    assert (plain.code, plain.err) == (0, "")
    assert "\x1b" not in plain.out
    with pytest.raises(json.JSONDecodeError):
        json.loads(plain.out)


def test_json_of_an_atom_says_all_of_it(motools: Call, atoms: dict[str, str]) -> None:
    shown = json.loads(motools("atoms", "show", atoms["eval"], "--json").out)
    assert shown["id"] == atoms["eval"]
    assert shown["made_from"] == {"m": atoms["model"]}
    assert shown["metrics"] == METRICS
    assert shown["record"]["user"] == "ada"
    told = json.loads(motools("lineage", atoms["eval"], "--json").out)
    assert told["made_from"]["m"]["id"] == atoms["model"]
    compared = json.loads(motools("compare", atoms["eval"], "--json").out)
    assert compared["evaluations"] == [{"name": atoms["eval"], "id": atoms["eval"], "out_of_date": []}]
    assert compared["metrics"] == {"task.score.mean": [0.25], "task.score.stderr": [0.1]}


def test_the_schema_parses_in_both_formats(motools: Call, project: Path) -> None:
    from motools.base import yaml12

    found = json.loads(motools("workflow", "schema", "evaluate_only").out)
    assert yaml12.loads(motools("workflow", "schema", "evaluate_only", "--format", "yaml").out) == found


def test_a_piped_table_has_tabs_and_no_line_is_cut(motools: Call, atoms: dict[str, str]) -> None:
    lines = motools("compare", atoms["eval"], atoms["eval"]).out.splitlines()
    assert [line.split("\t") for line in lines] == [
        ["metric", "arm", "value"],
        *[["task.score.mean", atoms["eval"], "0.25"]] * 2,
        *[["task.score.stderr", atoms["eval"], "0.1"]] * 2,
    ]
    assert atoms["model"] in motools("lineage", atoms["eval"]).out


@pytest.mark.parametrize("colours", [True, False])
def test_a_terminal_gets_colours_unless_no_color_is_set(
    colours: bool, motools: Call, atoms: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import rich.console

    monkeypatch.setenv("TERM", "xterm-256color")
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(rich.console.Console, "is_terminal", property(lambda self: True))
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True)
    Path("config.yaml").write_text("evaluate_model: {backend_name: dummy}\n")
    out = motools("workflow", "run", "evaluate_only", "--config", "config.yaml", "--dry-run").out
    assert bool(re.search(r"\x1b\[[0-9;]*3\dm", out)) == colours
    assert "existing_model" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nope",), "No such command 'nope'"),
        (("run", "--nope"), "No such option"),
        (("run", "--jobs", "0"), "Invalid value for '--jobs'"),
        (("run", "--jobs", "many"), "Invalid value for '--jobs'"),
        (("workflow", "schema", "evaluate_only", "--format", "xml"), "'xml' is not one of"),
        (("compare",), "Missing argument"),
        (("run",), "Error: "),
        (("status",), "Error: "),
        (("status", "--stages", "x"), "Error: "),
        (("compare", "{model}"), "is a model, not an eval"),
        (("lineage", "{model}0"), "Error: "),
        (("workflow", "run", "evaluate_only", "-i", "nonsense"), "--input 'nonsense': write NAME=ATOM-ID."),
        (("workflow", "run", "evaluate_only", "-i", "x={model}"), "takes no input 'x'"),
        (("workflow", "validate", "missing.py:workflow"), "Error: "),
        (("zoo", "show", "hello_wold"), "Did you mean 'hello_world'?"),
        (("step", "run", "evaluate_only", "nope"), "Error: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_input_exits_with_2_and_a_sentence(
    words: tuple[str, ...], said: str, motools: Call, atoms: dict[str, str]
) -> None:
    done = motools(*(word.format(**atoms) for word in words))
    assert done.code == 2
    assert done.out == ""
    assert said in done.err
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stauts",), "No such command 'stauts'. Did you mean 'status'"),
        (("atoms", "lst"), "`motools atoms --help` shows what it takes."),
        (("run", "--stage", "x"), "`motools run --help` shows what it takes."),
        (("diff", "main", "HEAD"), "`motools diff --help` shows what it takes."),
        (("run", "params.yaml"), "params.yaml is a file: name the folder of its pipeline, "),
        (("run", "experimets"), "experimets. Did you mean 'experiments'?"),
        (("status", "experimets", "other"), "experimets. Did you mean 'experiments'?"),
        (("status", "new", "other"), "/new. Type: mkdir -p "),
        (("push", "-r", "nope"), "no remote 'nope' with an address. There are: none."),
        (("export", "{eval}", "--to", "there"), " is an eval: only models are exported."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_word_is_answered_with_what_to_type(
    words: tuple[str, ...], said: str, motools: Call, atoms: dict[str, str]
) -> None:
    Path("params.yaml").touch()
    Path("experiments").mkdir()
    done = motools(*(word.format(**atoms) for word in words))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: ")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_the_version_is_that_of_the_package(motools: Call) -> None:
    from motools import __version__

    assert motools("--version") == (0, f"motools {__version__}\n", "")


def test_outside_of_a_project_a_workflow_can_be_validated_and_nothing_else(
    motools: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = motools("workflow", "validate", "evaluate_only")
    assert done == (0, "evaluate_only: valid. Steps: existing_model, evaluate_model.\n", "")
    for words in (("run",), ("status",), ("atoms", "list"), ("workflow", "run", "evaluate_only")):
        done = motools(*words)
        assert (done.code, done.out) == (2, "")
        assert "motools init" in done.err
    assert os.listdir() == []


def test_an_interrupt_exits_with_130_and_a_sentence(
    motools: Call, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from motools.atom import listing

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(listing, "list_atoms", stop)
    assert motools("atoms", "list") == (130, "", "Error: Interrupted.\n")


def test_what_nobody_foresaw_is_a_sentence_and_a_report_without_secrets(
    motools: Call, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from motools.atom import listing

    def stumble(*_: Any) -> Any:
        raise RuntimeError("no\nsuch thing with hunter2hunter2")

    monkeypatch.setenv("SOME_PASSWORD", "hunter2hunter2")
    monkeypatch.setattr(listing, "list_atoms", stumble)
    done = motools("atoms", "list", "--kind", "hunter2hunter2")
    assert (done.code, done.out) == (70, "")
    (report,) = (project / ".motools" / "crashes").iterdir()
    assert done.err == (
        "Error: MOTools met what it did not foresee, RuntimeError: no such thing with [SOME_PASSWORD]. "
        f"A report is in {report}: please send it to those who maintain MOTools. What has finished is kept.\n"
    )
    text = report.read_text()
    assert "command: motools atoms list --kind [SOME_PASSWORD]\n" in text
    assert "Traceback (most recent call last)" in text
    assert "raise RuntimeError" in text
    assert "packages: motools " in text
    assert "hunter2hunter2" not in text


def test_a_report_goes_to_the_temporary_folder_outside_of_a_project_and_where_the_project_cannot_be_written(
    motools: Call, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from motools import zoo

    def stumble(*_: Any) -> Any:
        raise RecursionError

    monkeypatch.setattr(zoo, "published", stumble)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (project / ".motools").write_text("in the way of a folder")
    for number, folder in enumerate((project, tmp_path), 1):
        monkeypatch.chdir(folder)
        done = motools("workflow", "list")
        assert done.code == 70
        assert str(tmp_path / "temporary" / "motools-") in done.err
        assert len(list((tmp_path / "temporary").iterdir())) == number
    monkeypatch.setattr("tempfile.tempdir", str(project / ".motools" / "temporary"))
    assert motools("workflow", "list").code == 70


def test_what_the_machine_refuses_is_a_sentence_without_a_report(
    motools: Call, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from motools.atom import listing

    def refuse(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied", "dvc.lock")

    monkeypatch.setattr(listing, "list_atoms", refuse)
    assert motools("atoms", "list") == (1, "", "Error: Permission denied: dvc.lock.\n")
    assert not (project / ".motools" / "crashes").exists()


def test_a_reader_that_leaves_early_is_no_failure_to_speak_of(project: Path) -> None:
    words = f"{sys.executable} -m motools zoo list --json | head -n 1"
    done = subprocess.run(words, shell=True, capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.stderr) == ("[\n", "")


def test_ctrl_c_while_a_step_runs_ends_in_a_sentence_and_shows_no_log(project: Path) -> None:
    chain = Chain.lay(project, pause=60.0)
    run = chain.start()
    eventually(chain.executed)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=300)
    assert (run.returncode, out) == (130, "")
    assert "prepare: stopped\n" in err
    assert err.endswith("Error: Interrupted. Kept: none. `motools run` goes on from there.\n")
    assert "Traceback" not in err


@pytest.mark.parametrize("locale", ["ASCII", "UTF-8"])
def test_a_text_that_cannot_be_a_path_names_no_file(project: Path, locale: str) -> None:
    texts = ["žluť", "žluť.py:rows", "žluť/日本.py@t", "a\\0b", "~\\0.py:x", "../\\0", "x" * 5000]
    chain, quoted = Chain.lay(project), ", ".join(f'"{text}"' for text in texts)
    section = f"prepare: {{more: {{texts: [{quoted}]}}}}\n"
    (project / "params.yaml").write_text(f"workflow: chain.py:workflow\n{section}", encoding="utf-8")
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} if locale == "ASCII" else {}
    for words in ("run -q", "run -q", "run -q", "status", "atoms show results", "lineage results"):
        done = subprocess.run(
            [sys.executable, "-m", "motools", *words.split()],
            cwd=project,
            env={**os.environ, **env},
            capture_output=True,
            timeout=300,
        )
        told = b"imports chain.py, which params.yaml names\n" if words == "status" else b""
        assert (done.returncode, done.stderr) == (0, told), words
    assert chain.executed() == ["dataset", "model", "results"]


MIXED = {"gsm8k_mixed_languages", *(f"gsm8k_mixed_languages.{which}" for which in ("local", "openai", "tinylm"))}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("motools wor", {"workflow"}),
        ("motools run --fail", {"--fail-fast"}),
        ("motools workflow validate evaluate_", {"evaluate_only"}),
        ("motools zoo show gsm8k_mix", MIXED),
        ("motools zoo config gsm8k_mix", MIXED),
        ("motools zoo show gsm8k_spanish_c", {"gsm8k_spanish_capitalised"}),
        ("motools zoo config gsm8k_spanish_c", set()),
    ],
)
def test_the_shell_completes_commands_options_and_published_names(typed: str, offered: set[str]) -> None:
    env = {**os.environ, "_MOTOOLS_COMPLETE": "source_bash"}  # --show-completion asks which shell it was typed into
    script = subprocess.run(["motools"], env=env, capture_output=True, text=True, check=True).stdout
    asked = f"COMP_WORDS=({typed}); COMP_CWORD={len(typed.split()) - 1}; _motools_completion motools"
    words = ["bash", "-c", f'{script}\n{asked}; echo "${{COMPREPLY[@]}}"']
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert set(done.stdout.split()) == offered, done.stderr


def test_a_sentence_that_ends_in_the_words_of_others_has_one_full_stop() -> None:
    from motools.errors import DamagedError, UserError

    assert str(UserError("it said: no.. Try again..")) == "it said: no. Try again."
    assert str(DamagedError("no such file..", Path("x"))) == "no such file."
    for kept in ("look into ..", "wait ... done...", "see ../x and a/..", "'a..' and 1..2"):
        assert str(UserError(kept)) == kept


def test_a_run_without_options_ends_as_one_with_options_does(project: Path) -> None:
    chain = Chain.lay(project)
    command = [sys.executable, "-m", "motools", "run"]
    for words, code in (([], 0), (["nowhere"], 2)):
        plain, told = (
            subprocess.run([*command, *words, *more], cwd=project, capture_output=True, text=True, timeout=300)
            for more in ([], ["--jobs", "2"])
        )
        assert (plain.returncode, told.returncode) == (code, code), plain.stderr + told.stderr
        assert plain.stderr.splitlines()[-1:] == told.stderr.splitlines()[-1:] or code == 0
    head = "def evaluate(config, input_atoms, workspace):\n"
    chain.edit("chain.py", head, f"{head}    1 / 0\n")
    chain.set("evaluate", seed=9)
    failed = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300)
    assert failed.returncode == 1
    assert "ZeroDivisionError" in failed.stderr


CLOSED = [
    ("{motools} atoms list >&-", 0),
    ("{motools} run --dry-run --json >&- 2>&-", 2),
    ("{motools} status 2>&-", 2),
    ("{motools} note hello <&- >&-", 0),
]


@pytest.mark.parametrize(("line", "code"), CLOSED, ids=[line for line, _ in CLOSED])
def test_a_stream_that_was_closed_is_as_good_as_one_that_nobody_reads(project: Path, line: str, code: int) -> None:
    (project / "params.yaml").write_text("train_model: {}\n")
    done = subprocess.run(
        ["sh", "-c", line.format(motools=Path(COLD).with_name("motools"))], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / ".motools" / "crashes").exists()
    assert "stages" not in "".join(path.read_text() for path in project.glob("*.yaml") if path.name != "notes.yaml")


PLACES = [
    (("report", "-o", "taken/below.html"), "File exists: taken. Give another path."),
    (("zoo", "mirror", "hello_world", "--to", "taken"), "File exists: taken. Give another path."),
    (("results", "--parquet", "folder"), "Is a directory: folder. Give another path."),
    (("report", "-o", "folder"), "Is a directory: folder. Give another path."),
    (("status", "x" * 300), f"File name too long: {{cwd}}/{'x' * 300}. Give another path."),
    (("atoms", "show", "x" * 300), f"File name too long: {{cwd}}/{'x' * 300}. Give another path."),
    (("dataset", "show", f"{'x' * 300}.jsonl"), f"File name too long: {'x' * 300}.jsonl. Give another path."),
]


@pytest.mark.parametrize(("words", "said"), PLACES, ids=[" ".join(words)[:30] for words, _ in PLACES])
def test_a_path_that_cannot_be_is_a_sentence_and_no_fault_of_motools(
    project: Path, motools: Call, words: tuple[str, ...], said: str
) -> None:
    assert Chain.lay(project).command("run", "--quiet").code == 0
    Path("folder").mkdir()
    Path("taken").write_text("mine")
    done = motools(*words)
    assert (done.code, done.err) == (2, f"Error: {said.format(cwd=Path.cwd())}\n")
    assert Path("taken").read_text() == "mine"
    assert not Path(".motools", "crashes").exists()


@pytest.mark.parametrize("words", [("status",), ("run",), ("atoms", "list"), ("init",)], ids=" ".join)
def test_in_a_folder_that_is_gone_it_says_so(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "gone").mkdir()
    line = 'rmdir "$PWD"; exec "$@"'
    call = ["sh", "-c", line, "sh", COLD, "-P", "-m", "motools", *words]
    done = subprocess.run(call, cwd=tmp_path / "gone", capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert done.stderr == "Error: The folder that you are in is gone: go to one that is there.\n"


def test_json_has_null_for_what_is_no_number(motools: Call, project: Path) -> None:
    odd = '{"task": {"score": {"mean": NaN, "accuracy": 1e999, "stderr": -Infinity}}}'
    Path("metrics.json").write_text(odd)
    atom = EvalAtom.create(user="ada", artifact_path=Path("metrics.json"))
    for words in (("atoms", "show", atom.id), ("compare", atom.id), ("lineage", atom.id)):
        done = motools(*words, "--json")
        assert done.code == 0, done.err
        json.loads(done.out, parse_constant=pytest.fail)


def test_a_kind_that_no_atom_is_of_is_told_and_the_kinds_that_there_are(motools: Call, atoms: dict[str, str]) -> None:
    Chain.lay(Path.cwd())
    assert Chain(Path.cwd()).command("run", "--quiet").code == 0
    done = motools("atoms", "list", "--kind", "modle", "--json")
    assert (done.code, json.loads(done.out)) == (0, [])
    assert re.search(r"No atom is a modle\. Did you mean 'model'\? There are: .*model", done.err)


def test_a_lineage_is_told_whole_at_any_width(
    project: Path, motools: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = " ".join(f"word{number}" for number in range(300))
    atom = ModelAtom.create(user="ada", metadata={"model_id": "m", "about": told})
    assert told in motools("lineage", atom.id).out
    monkeypatch.setattr("motools.base.terminal.sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", motools("lineage", atom.id).out)
    assert [word for word in told.split() if word not in shown] == []
    assert max(map(len, shown.splitlines())) <= 40


def test_a_run_that_nobody_listens_to_any_more_goes_on(project: Path) -> None:
    chain = Chain.lay(project)
    line = f"{Path(COLD).with_name('motools')} run 2>&1 | head -n 1"
    subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=300)
    assert {*chain.command("run", "--json").statuses} == {"current"}


def test_words_in_an_ascii_locale_are_the_letters_that_were_typed(project: Path) -> None:
    env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (project / "params.yaml").write_text("workflow: train_and_evaluate\n")
    call = [COLD, "-P", "-m", "motools", "note", "grün", "--tag", "größe", "--json"]
    done = subprocess.run(call, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "grün" in (project / "notes.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("typed", "code"), [(b"\x03", 130), (b"\x04", 0), (b"n\n", 0)], ids=["^C", "^D", "n"])
def test_a_question_is_interrupted_as_all_else_is(project: Path, typed: bytes, code: int) -> None:
    folder = project / "experiments" / "a"
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text("workflow: train_and_evaluate\n")
    process, terminal = pty.fork()
    if process == 0:
        signal.alarm(300)  # so that nobody waits for it for ever
        os.execv(COLD, [COLD, "-P", "-m", "motools", "rm", "experiments/a"])
    said = b""
    while b"Remove it?" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, typed)
    with suppress(OSError):  # so a terminal ends
        while True:
            if not select.select([terminal], [], [], 1.0)[0]:
                os.write(terminal, typed)  # it came between the question and the reading of the answer
            elif not (more := os.read(terminal, 1000)):
                break
            else:
                said += more
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == code, said
    assert (b"Error: Interrupted." in said) == (code == 130)
    assert folder.exists()


def test_a_misspelt_output_stage_or_tag_is_told_with_what_was_meant(project: Path, motools: Call) -> None:
    assert Chain.lay(project).command("run", "--quiet").code == 0
    names = [path.name for path in (project / "atoms").iterdir() if path.is_dir()]
    for words in (("lineage",), ("atoms", "show"), ("compare",)):
        done = motools(*words, f"{names[0]}x")
        assert done.code == 2
        assert f"Did you mean '{names[0]}" in done.err
    assert motools("note", "--tag", "odd-seed").code == 0
    done = motools("note", "--all", "--tag", "od-seed")
    assert (done.code, done.err) == (
        0,
        "No experiment has the tag od-seed. Did you mean 'odd-seed'? There are: odd-seed.\n",
    )
