"""Lineage: each ancestor once, whatever shape the past has, and nothing that somebody wrote ends the telling."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from chain import Chain, Done, Lay, commit, git, spoil

from motools.atom import Atom, DatasetAtom, EvalAtom, ModelAtom, records
from motools.atom.lineage import trace
from motools.atom.listing import find, find_atom, list_atoms
from motools.base import yaml12
from motools.errors import AtomError
from motools.repo.hashing import hash_file
from motools.repo.project import Project


def put(content: bytes, suffix: str = "") -> str:
    """An object of the cache, as it would come from a remote; its hash."""
    store = Project.find().store
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    path = store.path(md5 + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o444)
    return md5


def forged(made_from: Any = None, metadata: Any = None, kind: Any = "dataset", **files: bytes) -> str:
    """The id of an atom that says anything at all."""
    about = json.dumps({"kind": kind, "made_from": made_from or {}, "metadata": metadata or {}}).encode()
    listing = [{"md5": put(text), "relpath": name.replace("__", "/")} for name, text in files.items()]
    listing.append({"md5": put(about), "relpath": "atom.json"})
    return f"{kind}-{put(json.dumps(listing).encode(), '.dir')}"


def motools(*words: str, code: int = 0) -> Done:
    done = Chain(Path.cwd()).command(*words)
    assert "Traceback" not in done.err, done.err
    assert done.code == code, done.err
    return done


def ladder(floors: int) -> str:
    """Two atoms a floor, each made of both of the floor below: 2 ** floors paths."""
    below: list[str] = []
    for floor in range(floors):
        made_from = dict(zip("ab", below, strict=False))
        below = [forged(made_from, {"at": f"{floor}{side}"}) for side in "ab"]
    return below[0]


def test_an_ancestor_that_many_share_is_visited_and_told_once(project: Path) -> None:
    top = ladder(1000)
    began = time.process_time()
    ancestry = trace(Atom.load(top))
    told = json.dumps(ancestry.as_dict())
    assert time.process_time() - began < 30
    assert told.count('"kind"') == 1999  # all but the other one of the highest floor
    assert ancestry.parents["a"].parents["b"] is ancestry.parents["b"].parents["b"]  # type: ignore[union-attr]
    out = motools("lineage", top).out
    assert out.count("at 0a") == 1
    assert max(map(len, out.splitlines())) < 300


def test_what_lies_deep_is_told_in_trees_of_their_own_and_none_is_lost(project: Path) -> None:
    ids: list[str] = []
    for number in range(150):
        ids.append(forged({"before": ids[-1]} if ids else {}, {"at": number}))
    told = json.loads(motools("lineage", ids[-1], "--json").out)
    found = []
    for tree in [told, *told["further"]]:
        while isinstance(tree, dict) and "kind" in tree:
            found.append(tree["id"])
            tree = tree["made_from"].get("before")
    assert found == ids[::-1]
    text = motools("lineage", ids[-1]).out
    assert all(text.count(f"{id}\n") == 1 for id in ids)


def test_an_atom_that_says_it_was_made_from_itself_ends(project: Path) -> None:
    prefix = {"self": "dataset-" + "0" * 2, "all": "dataset-ab", "odd": "../x", "none": ""}
    found = [forged(prefix, {"n": number}) for number in range(300)]
    for id in found[:3]:
        ancestry = trace(Atom.load(id))
        assert dict(ancestry.parents) == prefix  # what a part of an id fits is no ancestor


def test_a_damaged_parent_ends_its_own_branch_only(project: Path) -> None:
    sound = ModelAtom.create(user="ada", metadata={"model_id": "m"})
    broken = DatasetAtom.create(user="ada", metadata={"n": 1})
    nonsense = f"dataset-{forged(metadata=['no mapping']).rpartition('-')[2]}"
    gone = "model-" + "0" * 32
    child = EvalAtom.create(user="ada", made_from={"sound": sound.id, "broken": broken.id})
    top = forged({"child": child.id, "nonsense": nonsense, "gone": gone}, kind="eval")
    store = Project.find().store
    spoil(store.path(broken.md5 + ".dir"))
    ancestry = trace(Atom.load(top))
    inner = ancestry.parents["child"]
    assert not isinstance(inner, str)
    assert inner.parents["broken"] == broken.id
    assert not isinstance(inner.parents["sound"], str)
    out = motools("lineage", top).out
    assert f"broken: {broken.id} (damaged)" in out
    assert f"nonsense: {nonsense} (damaged)" in out
    assert f"gone: {gone} (not at hand)" in out
    assert sound.id in out


def test_parents_are_those_of_the_atoms_own_project(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = ModelAtom.create(user="ada", metadata={"model_id": "m"})
    child = EvalAtom.create(user="ada", made_from={"model": parent.id})
    monkeypatch.chdir(tmp_path)
    ancestry = trace(child)
    assert not isinstance(ancestry.parents["model"], str)
    assert ancestry.parents["model"].record is not None


def test_control_characters_of_a_stranger_are_shown_and_not_obeyed(project: Path) -> None:
    evil = "\x1b[2J\x1b]0;title\x07\x9b1m\u202egpj\ud800\r\n\tx"
    id = forged({f"in{evil}": "dataset-" + "0" * 32}, {f"name{evil}": evil, "model_id": evil}, "model")
    for words in (("atoms", "show", id), ("lineage", id), ("lineage", f"model-{evil}")):
        for more in ((), ("--json",)):
            done = subprocess.run(
                [sys.executable, "-m", "motools", *(word.replace("\ud800", "") for word in words), *more],
                capture_output=True,
                timeout=300,
            )
            shown = done.stdout.decode() + done.stderr.decode()
            assert "Traceback" not in shown
            assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(shown), (words, more)
            if more:
                json.loads(done.stdout or "{}")
    assert "\\x1b[2J" in motools("lineage", id).out
    assert json.loads(motools("atoms", "show", id, "--json").out)["metadata"]["model_id"] == evil


DEEP = b"[" * 200_000 + b"]" * 200_000
AT_100 = b'{"a":' * 101 + b"1" + b"}" * 101


@pytest.mark.parametrize("deep", [DEEP, AT_100, b"[" * 200_000], ids=["brackets", "101 levels", "no end"])
def test_json_that_is_too_deep_is_a_sentence_wherever_it_stands(project: Path, deep: bytes) -> None:
    about = put(b'{"kind": "model", "made_from": {}, "metadata": {"a": ' + deep + b"}}")
    in_atom = "model-" + put(json.dumps([{"md5": about, "relpath": "atom.json"}]).encode(), ".dir")
    in_folder = "model-" + put(deep, ".dir")
    in_metrics = forged(kind="eval", data__metrics__json=b"").replace("eval-", "")
    in_metrics = forged(kind="eval", **{"data__metrics.json": deep, "data__samples.jsonl": deep})
    for id in (in_atom, in_folder):
        for words in (("atoms", "show"), ("lineage",), ("compare",)):
            began = time.monotonic()
            assert motools(*words, id, code=1).err.startswith("Error: ")
            assert time.monotonic() - began < 300
    assert motools("compare", in_metrics, in_metrics, code=1).err.startswith("Error: The metrics.json of eval-")
    assert "cannot be read" in motools("lineage", in_metrics).out
    motools("atoms", "list")


@pytest.mark.parametrize(
    "names", [["a", "a/b"], ["data", "data/x"], ["x" * 300], ["data/\ud800"], ["atom.json/x"]], ids=repr
)
def test_paths_that_cannot_lie_beside_each_other_are_a_sentence(project: Path, names: list[str]) -> None:
    about = put(b'{"kind": "model", "made_from": {}, "metadata": {}}')
    listing = [{"md5": put(b"x"), "relpath": name} for name in names] + [{"md5": about, "relpath": "atom.json"}]
    id = "model-" + put(json.dumps(listing).encode(), ".dir")
    done = subprocess.run(["motools", "atoms", "show", id], capture_output=True, text=True, timeout=300)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("Error: ")


ODD = [
    b"",
    b"[]",
    b"null",
    b'"text"',
    DEEP,
    b'{"user": 3, "started": "x", "seconds": 1, "commit": null, "dirty": false}',
    b'{"user": "a", "started": [], "seconds": 1, "commit": null, "dirty": false}',
    b'{"user": "a", "started": "x", "seconds": "long", "commit": null, "dirty": false}',
    b'{"user": "a", "started": "x", "seconds": 1' + b"0" * 400 + b', "commit": null, "dirty": false}',
    b'{"user": "a", "started": "x", "seconds": 1, "commit": ["a"], "dirty": 3, "config": [1], "usage": 3, '
    b'"versions": null, "changed": {"a": 1}, "step": {}, "key": 7, "more": 1}',
    b'{"user": "\\u001b[2J", "started": "\\ud800", "seconds": NaN, "commit": "\\n", "dirty": true, '
    b'"usage": {"trained_tokens": "many", "m": {"input_tokens": null}, "n": 3}, "config": {"a": {"b": []}}}',
    b'{"user": "a", "started": "x", "seconds": 1e999, "commit": null, "dirty": false}',
]


@pytest.mark.parametrize("commit", ["HEAD", "a\nb", f"{'0' * 40}\n", "--all", "no commit"])
def test_a_record_whose_commit_can_be_none_is_no_record(commit: str) -> None:
    fields = {"user": "a", "started": "x", "seconds": 1, "dirty": False}
    assert records._checked({**fields, "commit": "0" * 40}).commit == "0" * 40
    with pytest.raises(ValueError, match="commit"):
        records._checked({**fields, "commit": commit})


def test_a_record_with_the_trace_of_another_ends_no_command(project: Path) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    lock = chain.locked()
    out = next(out for out in lock["train"]["outs"] if out["path"] == "runs/train.json")
    told = json.loads(chain.path("runs", "train.json").read_text())
    for odd in (3, [], {"files": []}, {"env": {"A": 3}}, {"code": {"a.py": {"module": [], "package": 1, "md5": 2}}}):
        text = json.dumps({**told, "trace": odd}).encode()
        chain.path("runs", "train.json").unlink()
        chain.path("runs", "train.json").write_bytes(text)
        out["md5"] = put(text)
        chain.path("dvc.lock").write_text(yaml12.dumps_lock({"schema": "2.0", "stages": lock}))
        assert chain.command("status", str(project)).code == 0, odd


def test_a_record_of_any_content_ends_no_command(project: Path) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    lock = chain.locked()
    out = next(out for out in lock["train"]["outs"] if out["path"] == "runs/train.json")
    for text in ODD:
        chain.path("runs", "train.json").unlink()
        chain.path("runs", "train.json").write_bytes(text)
        out["md5"] = put(text)
        chain.path("dvc.lock").write_text(yaml12.dumps_lock({"schema": "2.0", "stages": lock}))
        for words in (("atoms", "list"), ("atoms", "show", "model"), ("lineage", "results"), ("costs",)):
            assert "\x1b" not in motools(*words).out
            json.loads(motools(*words, "--json").out)


LOCKS = {
    "dvc.lock": ["stages: 3", "stages: {a: 3}", "stages: {a: {outs: 3}}", "stages: {a: {outs: [{md5: x}]}}"],
    "data.dvc": ["outs: 3", "outs: [3]", "outs: [{md5: x}]"],
}
NO_LOCKS = ["<<<<<<< HEAD\n", "[]", "3", "a: " + "[" * 50_000]


def test_a_lock_file_that_cannot_be_read_is_told_and_the_others_are_listed(project: Path) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    (project / "other").mkdir()
    for name, texts in LOCKS.items():
        for text in [*texts, *NO_LOCKS]:
            path = project / "other" / name
            path.write_text(text)
            told = motools("atoms", "list")
            assert [line.split("\t")[1] for line in told.out.splitlines()[1:]] == ["dataset", "model", "results"], text
            assert f"Left out: {path}" in told.err, text
            path.unlink()
    (project / "other" / "dvc.lock").write_bytes(b"\xff\xfe")
    assert "Left out: " in motools("atoms", "list").err
    assert motools("lineage", "results").out


# -- where atoms are found ---------------------------------------------------------------------


@pytest.mark.parametrize("where", ["runs", "logs/metrics", "metrics/atoms", "atoms/first", "venv", ".hidden"])
def test_a_pipeline_is_found_whatever_its_folder_is_called(project: Path, where: str) -> None:
    chain = Chain.lay(project)
    (project / where).mkdir(parents=True)
    (project / where / "params.yaml").write_text("workflow: chain:workflow\n")
    assert chain.command("run", str(project / where), "-q").code == 0
    assert {(atom.name, atom.folder) for atom in list_atoms(Project(project))} == {
        (name, where) for name in ("dataset", "model", "results")
    }


def test_what_only_looks_like_a_pipeline_is_not_walked(project: Path) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    lock = (project / "dvc.lock").read_text()
    inside = ["atoms/dataset/data", "node_modules/x", "env", "other"]
    for where in inside:
        (project / where).mkdir(parents=True, exist_ok=True)
        (project / where / "dvc.lock").write_text(lock)
    (project / "env" / "pyvenv.cfg").write_text("")
    (project / "other" / ".dvc").mkdir()
    (project / "other" / ".dvc" / "config").write_text("")
    assert len(list(list_atoms(Project(project)))) == 3


def test_a_whole_id_is_looked_up_and_not_searched_for(project: Path) -> None:
    atom = ModelAtom.create(user="ada", metadata={"model_id": "m"})
    other = ModelAtom.create(user="ada", metadata={"model_id": "n"})
    spoil(Project(project).store.path(other.md5 + ".dir"))
    (project / "dvc.lock").write_text("<<<<<<< HEAD\n")
    assert Atom.load(atom.id) == atom


@pytest.mark.parametrize("cached", [True, False])
def test_an_edited_work_tree_is_never_handed_out_as_the_atom(project: Path, cached: bool) -> None:
    chain = Chain.lay(project)
    ids = chain.run().ids
    part = project / "atoms" / "model" / "data" / "part.txt"
    before = part.read_text()
    store = Project(project).store
    if not cached:
        for name in ("atom.json", "data/part.txt"):
            path = chain.object("atoms/model", name)
            path.chmod(0o644)
            path.unlink()
        store.path(ids["model"].rpartition("-")[2] + ".dir").unlink()
        assert (Atom.load(ids["model"]).get_data_path() / "part.txt").read_text() == before
    part.unlink()
    part.write_text("mine")
    if cached:
        assert (Atom.load(ids["model"]).get_data_path() / "part.txt").read_text() == before
    else:
        with pytest.raises(AtomError, match="There is no atom"):
            Atom.load(ids["model"])
        assert "model" not in [atom.name for atom in list_atoms(Project(project))]


def test_listing_and_telling_take_time_in_proportion(project: Path) -> None:
    """300 atoms in a pipeline's lock file, and 300 commits of it, each of which would take 0.1 s to read as YAML."""
    stages: dict[str, Any] = {}
    ids: list[str] = []
    for number in range(300):
        ids.append(forged({"before": ids[-1]} if number % 10 else {}, {"n": number}))
        outs = [{"path": f"atoms/a{number}", "hash": "md5", "md5": ids[-1].rpartition("-")[2] + ".dir", "size": 1}]
        stages[f"s{number}"] = {"cmd": "motools step run w s", "outs": outs}
    text = yaml12.dumps_lock({"schema": "2.0", "stages": stages})
    stream = b""
    for number in range(300):
        data = text.replace("motools step run w s", f"motools step run w {number}", 3).encode()
        head = f"commit refs/heads/many\ncommitter A <a@b.c> {1700000000 + number} +0000\ndata 1\nx\n"
        stream += head.encode() + f"M 644 inline dvc.lock\ndata {len(data)}\n".encode() + data + b"\n"
    subprocess.run(["git", "fast-import", "--quiet"], input=stream, check=True)
    (project / "dvc.lock").write_text(text)

    def seconds(*words: str) -> float:
        before = sum(os.times()[:4])  # this process's, and its children's
        out = motools(*words).out
        assert ids[-1] in out
        return sum(os.times()[:4]) - before

    assert seconds("atoms", "list") < 10  # of a slow machine's; on a fast one it is a third of a second
    assert seconds("lineage", "a299") < 15


# -- what git says -----------------------------------------------------------------------------


def record(folder: Path, stage: str) -> dict[str, Any]:
    return dict(json.loads((folder / "runs" / f"{stage}.json").read_text()))


def test_the_author_is_whom_git_would_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(project, "config", "user.name", "build machine")
    git(project, "config", "user.email", "machine@example.org")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ann")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "ann@example.org")
    assert Project(project).user == "Ann <ann@example.org>"
    monkeypatch.delenv("GIT_AUTHOR_NAME")
    monkeypatch.delenv("GIT_AUTHOR_EMAIL")
    assert Project(project).user == "build machine <machine@example.org>"
    monkeypatch.setenv("MOTOOLS_USER", "me")
    assert Project(project).user == "me"


def test_who_git_does_not_know_is_the_one_who_is_logged_in(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(os.environ["HOME"], ".gitconfig").write_text("[user]\n useConfigOnly = true\n")
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "ada")
    assert Project(project).user == "ada"


def test_an_author_without_an_address_is_named_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(os.environ["HOME"], ".gitconfig").write_text("[user]\n useConfigOnly = true\n")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ann")
    assert Project(project).user == "Ann"


@pytest.mark.parametrize("name", ["two\nlines.txt", '"quoted".txt', "caf\udce9.txt", "back\\slash\n.txt"])
def test_what_differs_is_told_whatever_its_name(project: Path, name: str) -> None:
    file = project / name
    file.write_text("one")
    commit(project)
    assert Project(project).git.state([file]).changed == {}
    file.write_text("two")
    for asked in ([], [file]):
        state = Project(project).git.state(asked)
        assert [*state.changed] == [name]
        assert state.changed[name] == hashlib.sha1(b"blob 3\0two").hexdigest()
    other = file.with_name(f"new {name}")
    other.write_text("of no commit")
    assert {*Project(project).git.state([file, other]).changed} == {name, f"new {name}"}


def test_a_submodule_at_another_commit_is_a_change_whatever_gitmodules_says(project: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "library")
    for text in ("1", "2"):
        (tmp_path / "library" / "part.py").write_text(text)
        commit(tmp_path / "library")
    git(project, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "library"), "library")
    git(project, "config", "-f", ".gitmodules", "submodule.library.ignore", "all")
    commit(project)
    assert Project(project).git.state([project / "library" / "part.py"]).changed == {}
    git(project / "library", "checkout", "-q", "HEAD~1")
    assert [*Project(project).git.state([]).changed] == ["library"]


def test_in_a_hook_git_is_asked_of_this_repository(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "sub" / ".dvc").mkdir(parents=True)
    (project / "sub" / "code.py").write_text("1")
    commit(project)
    git(project, "worktree", "add", "-q", str(tmp_path / "beside"))
    root = tmp_path / "beside" / "sub"
    monkeypatch.setenv("GIT_DIR", git(root, "rev-parse", "--absolute-git-dir").strip())  # as git tells its hooks there
    monkeypatch.setenv("GIT_INDEX_FILE", f"{os.environ['GIT_DIR']}/index")
    state = Project(root).git.state([root / "code.py"])
    assert (state.top, state.changed) == ((tmp_path / "beside").resolve(), {})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert Project(root).git.state([]).commit == state.commit


@pytest.mark.parametrize("hide", ["nothing", "ignored", "assume-unchanged", "skip-worktree", "in metrics", "untracked"])
def test_code_that_is_in_no_commit_is_dirty_however_git_is_told_not_to_look(project: Path, hide: str) -> None:
    chain = Chain.lay(project)
    helper = project / ("metrics" if hide == "in metrics" else "helping") / "part.py"
    helper.parent.mkdir()
    helper.write_text("WORD = 'one'\n")
    chain.edit("chain.py", "from pathlib", f"from {helper.parent.name}.part import WORD\nfrom pathlib")
    chain.edit("chain.py", 'f"{name} {config', 'f"{WORD} {name} {config')
    if hide == "ignored":
        (project / ".gitignore").write_text((project / ".gitignore").read_text() + "helping/\n")
    elif hide != "untracked":
        git(project, "add", "-f", str(helper))
    git(project, "add", "chain.py", "params.yaml", ".gitignore")
    git(project, "commit", "-qm", "code")
    assert chain.run().code == 0
    git(project, "add", "dvc.yaml", "params.yaml")
    git(project, "commit", "-qm", "compiled")
    if hide not in ("ignored", "untracked"):
        assert chain.run("--force", "--stages", "train").code == 0
        assert record(project, "train")["dirty"] is False
        if hide in ("assume-unchanged", "skip-worktree"):
            git(project, "update-index", f"--{hide}", str(helper))
        helper.write_text("WORD = 'two'\n")
    assert chain.run("--force", "--stages", "train").code == 0
    found = record(project, "train")
    assert found["dirty"] is True
    assert [*found["changed"]] == [f"{helper.parent.name}/part.py"]
    assert f"with uncommitted changes in {helper.parent.name}/part.py" in motools("lineage", "model").out


def test_what_runs_write_is_no_change_and_what_a_person_edits_is(project: Path) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    commit(project)
    assert chain.run("--force").code == 0  # dvc.lock, metrics, records are written anew
    assert record(project, "evaluate")["dirty"] is False
    commit(project)
    (project / "metrics" / "notes.json").write_text("{}")
    (project / "notes.txt").write_text("x")
    git(project, "add", "-f", "metrics/notes.json", "notes.txt")
    commit(project)
    (project / "metrics" / "notes.json").write_text("[]")
    assert [*Project(project).git.state([]).changed] == ["metrics/notes.json"]


def test_code_and_configs_are_told_apart(project: Path) -> None:
    chain = Chain.lay(project)
    commit(project)
    (project / "arm").mkdir()
    (project / "arm" / "params.yaml").write_text("workflow: chain:workflow\n")
    assert chain.command("run", str(project / "arm"), "-q").code == 0
    assert [*record(project / "arm", "train")["changed"]] == ["arm/params.yaml"]


def test_a_commit_that_is_gone_is_told_to_be(project: Path) -> None:
    chain = Chain.lay(project)
    commit(project)
    assert chain.run().code == 0
    commit(project)
    old = record(project, "train")["commit"]
    assert f"code at {old[:10]}" in motools("lineage", "model").out
    assert "not in this repository" not in motools("lineage", "model").out
    git(project, "reset", "-q", "--soft", "HEAD~2")
    commit(project, "squashed")
    git(project, "reflog", "expire", "--expire=now", "--all")
    git(project, "gc", "-q", "--prune=now")
    assert f"code at {old[:10]} (a commit that is not in this repository)" in motools("lineage", "model").out
    assert json.loads(motools("lineage", "model", "--json").out)["commit_gone"] is True


def test_where_a_shallow_clone_begins_is_not_told_as_the_first_commit(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    commit(project)
    (project / "more").write_text("x")
    commit(project)
    first = git(project, "log", "--format=%H", "--", "dvc.lock").split()[0]
    assert f"in git since {first[:10]}\n" in motools("lineage", "model").out
    for name in ("shallow", "whole"):
        depth = ["--depth", "1"] if name == "shallow" else []
        subprocess.run(["git", "clone", "-q", *depth, f"file://{project}", str(tmp_path / name)], check=True)
        subprocess.run(["cp", "-r", str(project / ".dvc" / "cache"), str(tmp_path / name / ".dvc")], check=True)
        monkeypatch.chdir(tmp_path / name)
        told = motools("lineage", "model").out
        assert (" or before" in told) == (name == "shallow")
        assert json.loads(motools("lineage", "model", "--json").out)["or_before"] == (name == "shallow")


def test_a_fresh_clone_is_told_the_same_by_its_remote_alone_also_of_what_was_before(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lineage(id: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(motools("lineage", id, "--json").out)
        return {name: value for name, value in told.items() if name != "out_of_date"}  # nothing is checked out there

    chain = Chain.lay(project)
    subprocess.run(["dvc", "remote", "add", "-q", "-d", "s", str(tmp_path / "remote")], check=True, timeout=60)
    assert chain.run().code == 0
    commit(project, "first")
    before = find("results", project)
    chain.set(seed=1)
    assert chain.run().code == 0
    commit(project, "second")
    assert chain.command("push").code == 0
    told = {id: lineage(id) for id in ("results", before.id)}
    subprocess.run(["git", "clone", "-q", str(project), str(tmp_path / "clone")], check=True, timeout=60)
    monkeypatch.chdir(tmp_path / "clone")
    assert {id: lineage(id) for id in told} == told
    assert all(f"'step': '{step}'" in str(told["results"]) for step in ("prepare", "train", "evaluate"))


# -- what people's own stages made -------------------------------------------------------------


def with_figure(project: Path) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    (project / "draw.py").write_text(
        "import sys, pathlib\n"
        "target = pathlib.Path(sys.argv[1]); target.parent.mkdir(exist_ok=True)\n"
        "target.write_text('of ' + pathlib.Path(sys.argv[2]).read_text())\n"
    )
    (project / "sub").mkdir()
    stages = yaml12.load(project / "dvc.yaml")
    stages["stages"] |= {
        "table": {
            "cmd": "python draw.py table.txt atoms/results/data/metrics.json",
            "deps": ["draw.py", "atoms/results/data/metrics.json"],
            "outs": ["table.txt"],
        },
        "draw": {
            "wdir": "sub",
            "cmd": "python ../draw.py figures/scores.txt ../table.txt",
            "deps": ["../draw.py", "../table.txt", "../atoms/model"],
            "outs": ["figures"],
        },
    }
    (project / "dvc.yaml").write_text(yaml12.dumps(stages))
    assert chain.run().code == 0, chain.run().err
    commit(project)


@pytest.fixture
def figure(lay: Lay) -> Chain:
    """A pipeline with a table of the results, and a figure of the table in a folder of its own."""
    return Chain(lay(with_figure))


@pytest.mark.parametrize("path", ["sub/figures/scores.txt", "sub/figures", "./sub/../sub/figures/"])
def test_a_figure_is_traced_to_its_stage_its_files_and_the_atoms_behind_it(figure: Chain, path: str) -> None:
    ids = {atom.name: atom.id for atom in list_atoms(Project(figure.folder))}
    ancestry = trace(find(path, figure.folder))
    assert ancestry.atom.id == "sub/figures"
    assert ancestry.atom.metadata["stage"] == "draw"
    assert ancestry.atom.metadata["command"] == "python ../draw.py figures/scores.txt ../table.txt"
    assert len(ancestry.commits) == 1
    table, model = ancestry.parents["../table.txt"], ancestry.parents["../atoms/model"]
    assert not isinstance(table, str)
    assert not isinstance(model, str)
    assert (table.atom.id, model.atom.id) == ("table.txt", ids["model"])
    results = table.parents["atoms/results/data/metrics.json"]
    assert not isinstance(results, str)
    assert results.atom.id == ids["results"]
    assert ancestry.parents["../draw.py"] == f"draw.py ({hash_file(figure.folder / 'draw.py')})"
    told = motools("lineage", path).out
    for word in ("sub/figures", "draw", "table.txt", *ids.values(), "by Ada Test"):
        assert word in told
    assert json.loads(motools("lineage", path, "--json").out)["made_from"]["../table.txt"]["id"] == "table.txt"


def test_what_was_made_of_an_earlier_result_is_not_told_to_be_of_the_new_one(figure: Chain) -> None:
    lock = figure.locked()
    dep = next(dep for dep in lock["draw"]["deps"] if dep["path"] == "../table.txt")
    old, dep["md5"] = dep["md5"], "0" * 32
    figure.path("dvc.lock").write_text(yaml12.dumps_lock({"schema": "2.0", "stages": lock}))
    ancestry = trace(find("sub/figures", figure.folder))
    assert ancestry.parents["../table.txt"] == f"table.txt ({'0' * 32}, which table has made anew)"
    assert old


def test_an_atom_is_found_by_its_path_too(figure: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {atom.name: atom.id for atom in list_atoms(Project(figure.folder))}
    for path in ("atoms/model", "atoms/model/data/part.txt", str(figure.folder / "atoms" / "model"), "model"):
        assert find_atom(path, figure.folder).id == ids["model"]
    assert find_atom("../atoms/results", figure.folder / "sub").id == ids["results"]
    assert ids["results"] in motools("compare", "atoms/results", "results", "--json").out
    with pytest.raises(AtomError, match="is what the stage table has made, and no atom"):
        find_atom("table.txt", figure.folder)
    with pytest.raises(AtomError, match="is no output of a stage"):
        find_atom("draw.py", figure.folder)
    assert motools("lineage", "nowhere/x.png", code=2).err.startswith("Error: ")


def test_only_what_a_step_used_makes_its_result_dirty(project: Path) -> None:
    chain = Chain.lay(project)
    (project / "notes.txt").write_text("x")
    assert chain.run().code == 0
    commit(project)
    (project / "notes.txt").write_text("y")
    assert chain.run("--force").code == 0
    assert (record(project, "train")["dirty"], record(project, "train")["changed"]) == (False, {})


def test_the_commit_that_later_has_just_these_files_is_found(project: Path) -> None:
    chain = Chain.lay(project)
    chain.set(seed=1)
    commit(project)
    chain.set(seed=2)
    assert chain.run().code == 0
    (project / "params.yaml").write_text((project / "params.yaml").read_text() + "# another\n")
    commit(project)
    assert "which are in" not in motools("lineage", "model").out
    chain.set(seed=2)
    text = (project / "params.yaml").read_text().replace("# another\n", "")
    (project / "params.yaml").write_text(text)
    (project / "dvc.lock").unlink()
    commit(project)
    head = git(project, "rev-parse", "HEAD")[:10]
    assert chain.run().code == 0
    commit(project)
    assert f"with uncommitted changes in params.yaml, which are in {head}" in motools("lineage", "model").out
    assert json.loads(motools("lineage", "model", "--json").out)["committed"].startswith(head)


def test_what_was_made_before_the_first_commit_is_found_in_it(project: Path) -> None:
    chain = Chain.lay(project)
    shutil.rmtree(project / ".git")
    git(project, "init", "-q")
    assert chain.run().code == 0
    commit(project)
    head = git(project, "rev-parse", "HEAD")[:10]
    assert f"before the first commit; what it used is in {head}" in motools("lineage", "model").out
