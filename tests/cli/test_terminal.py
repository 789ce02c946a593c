"""What others have named or written is shown, and no terminal obeys it: by each command that reads."""

from __future__ import annotations

import ast
import json
import os
import shutil
from pathlib import Path

import pytest
from chain import Chain, Lay, git

import motools
from motools.base import yaml12

EVIL = "\x1b[2J\x1b]0;t\x07\x9b1m\u202eb"
OBEYED = {"\x1b", "\x07", "\x9b", "\u202e", "\r"}


def hostile(folder: Path) -> None:
    """A project of two pipelines that have run; all that can be named in one of them is named by a stranger."""
    chain = Chain.lay(folder)
    assert chain.run().code == 0
    other = folder / f"study{EVIL}"
    other.mkdir()
    for name in ("runs", "metrics", "atoms"):
        shutil.copytree(chain.path(name), other / name, symlinks=True)
    stages = chain.locked()
    renamed = {f"{name}{EVIL}": stage for name, stage in stages.items()}
    numbers = json.loads(chain.path("metrics", "evaluate.json").read_text())
    (other / "metrics" / "evaluate.json").unlink()
    (other / "metrics" / "evaluate.json").write_text(json.dumps({f"task{EVIL}": numbers["task"]}))
    for stage in renamed.values():
        for out in stage["outs"]:
            out["path"] = out["path"].replace("atoms/model", f"atoms/model{EVIL}")
    (other / "atoms" / "model").rename(other / "atoms" / f"model{EVIL}")
    (other / "dvc.lock").write_text(yaml12.dumps_lock({"schema": "2.0", "stages": renamed}))
    dvc_yaml = yaml12.load(chain.path("dvc.yaml"))
    dvc_yaml["stages"] = {f"{name}{EVIL}": stage for name, stage in dvc_yaml["stages"].items()}
    (other / "dvc.yaml").write_text(yaml12.dumps(dvc_yaml))
    params = yaml12.load(chain.path("params.yaml"))
    (other / "params.yaml").write_text(yaml12.dumps({**params, f"prepare{EVIL}": {"more": {EVIL: EVIL}}}))
    (folder / ".dvc" / "config").write_text(f'[core]\nremote = far\n[remote "far"]\nurl = {folder}/gone{EVIL}\n')
    (folder / "notes.yaml").write_text(yaml12.dumps({EVIL: EVIL}))
    git(folder, "add", "-A")
    git(folder, "-c", f"user.name=ada{EVIL}", "-c", "user.email=a@b.c", "commit", "-q", "-m", f"subject{EVIL}")
    git(folder, "branch", "study\u202e\x9b")
    chain.set("prepare", seed=1)


READING = [
    *("status", "costs", "results", "results --csv", "results --markdown", "report -o r.html", "status --env", "note"),
    *("run --dry-run", "status --check", "status --complete", "log nothing", "history evaluate", "history task"),
]
"""Commands that take a folder."""
OTHERS = [
    *(
        "atoms list",
        "atoms show model",
        "atoms show nothing",
        "jobs list",
        "gc --dry-run",
        "pull",
        "push",
        "trust --list",
    ),
    *("lineage results", "lineage model", "lineage nothing", "lineage modelEVIL", "lineage HERE/atoms/modelEVIL"),
    *("diff", "diff HEAD~1..HEAD", "diff HEAD~1 --markdown", "diff HEAD~1 --plan", "compare results nothing"),
    *("compare results results", "compare HERE/results results --csv", "compare HERE/results results --markdown"),
    *("compare HERE/results results --latex", "compare results modelEVIL", "dataset show dataset", "rm HERE --dry-run"),
    *("history EVIL", "history trainEVIL", "history taskEVIL.score.mean", "history nothing", "log prepareEVIL"),
    *("workflow validate chain.py:workflow", "results --where study=EVIL", "results --sort EVIL", "judge show EVIL"),
]


@pytest.mark.parametrize("words", [*READING, *(f"{words} HERE" for words in READING), *OTHERS])
def test_no_terminal_obeys_what_a_stranger_has_named(lay: Lay, words: str) -> None:
    folder = lay(hostile)
    (other,) = folder.glob("study*")
    for place in (folder, other):
        os.chdir(place)
        given = [word.replace("HERE", str(other)).replace("EVIL", EVIL) for word in words.split()]
        done = Chain(place).command(*given)
        assert "Traceback" not in done.err
        assert not OBEYED & set(done.out + done.err), (place, done)


def test_a_folders_name_is_no_markup_of_a_comment(lay: Lay) -> None:
    folder = lay(hostile)
    (folder / "study`<img src=x>").mkdir()
    (folder / "study`<img src=x>" / "params.yaml").write_text("{a: 1}")
    git(folder, "add", "-A")
    assert "#### ``study`<img src=x>``" in Chain(folder).command("diff", "--markdown").out


SAFE = {"f'motools {__version__}'", "made.id", "f'Compare with: motools compare {atom.id[:17]} {made.id[:17]}'"}
"""What is shown that nobody else has written."""


def is_safe(node: ast.expr) -> bool:
    if isinstance(node, ast.IfExp):
        return is_safe(node.body) and is_safe(node.orelse)
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("visible", "visible_json", "'\\t'.join"):
        return True
    numbers = isinstance(node, ast.JoinedStr) and ("delta." in ast.unparse(node) or "checked: " in ast.unparse(node))
    return isinstance(node, ast.Constant) or numbers or ast.unparse(node) in SAFE


def test_each_text_that_a_command_shows_goes_through_what_makes_it_visible() -> None:
    unsafe = []
    for path in Path(motools.__file__).with_name("cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            shows = isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "typer.echo")
            if shows and node.args and not is_safe(node.args[0]) and "isatty" not in ast.unparse(node):
                unsafe.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert unsafe == []
