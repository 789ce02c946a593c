"""Whatever is done to a project between runs: a run, `dvc status`, the no-op and a fresh clone agree on every atom.

More of it: AGREEMENT_SEEDS=50 AGREEMENT_EDITS=40 pytest tests/test_agreement.py
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sampling
from chain import NAMES, OUTPUTS, WORKFLOW, Chain, commit, dvc, forget_modules, git, remove, spoil
from code_cases import write

from motools.base import yaml12
from motools.engine import snapshot
from motools.repo import file_hashes

SEEDS = int(os.environ.get("AGREEMENT_SEEDS", "3" if sampling.ALL else "2"))
EDITS = int(os.environ.get("AGREEMENT_EDITS", "16" if sampling.ALL else "10"))
FOLDERS = ["prompts", "rows"]
LIBRARY = '''\
"""What the steps are made with."""

from pathlib import Path

HERE = Path(__file__).parent
TITLE = (HERE / "prompts" / "title.md").read_text()


def of_dataset():
    return "a" + "".join(sorted(path.name for path in (HERE / "rows").iterdir()))


def of_model():
    own = HERE / "prompts" / "own.md"
    return shared() + "b" + (own if own.exists() else HERE / "prompts" / "model.md").read_text()


def of_results():
    return shared() + "c" + TITLE


def shared():
    return "s"


def unused():
    return "u"
'''


class World:
    """A project that things happen to, and fresh clones of it."""

    def __init__(self, chain: Chain, dice: random.Random, new_project: Callable[[str], Path]) -> None:
        self.chain, self.dice, self.new_project = chain, dice, new_project
        self.history: list[str] = []
        self.fresh: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        self.claims = 0

    # -- what a clone would have -----------------------------------------------

    def expected(self) -> dict[str, str]:
        """The atom ids of a full run of the same params and code in a clone with nothing else."""
        names = ["chain.py", "lib.py", "params.yaml"]
        names += sorted(
            f"{path.parent.name}/{path.name}" for name in FOLDERS for path in self.chain.path(name).iterdir()
        )
        texts = tuple((name, self.chain.path(name).read_text()) for name in names)
        if texts not in self.fresh:
            forget_modules(self.chain.folder)
            clone = Chain(self.new_project(f"clone{len(self.fresh)}"))
            write(clone.folder, dict(texts))
            done = clone.run()
            assert done.code == 0, done.err
            assert done.statuses == ["finished"] * 3
            forget_modules(clone.folder)
            self.fresh[texts] = done.ids
        return self.fresh[texts]

    def check(self) -> None:
        claimed = snapshot.unchanged(self.chain.folder)
        if claimed is None and self.chain.path("dvc.lock").exists() and self.dice.random() < 0.3:
            self.note("-> dvc repro")
            for _ in range(2):  # what a step was seen to read, DVC is told when it has run
                dvc(self.chain.folder, "repro", "-q")
                if self.chain.dvc_status() == {}:
                    break
            assert self.chain.dvc_status() == {}
            told = json.loads(self.chain.command("status", str(self.chain.folder), "--json").out)
            reasons = [reason for plan in told for reason in plan["reasons"]]
            # Names in a folder, and what was looked for in vain, are nothing that DVC can watch.
            assert all(each.startswith("what is in rows") or "own.md" in each for each in reasons), told
        done = self.chain.run()
        assert done.code == 0, done.err
        assert done.ids == self.expected()
        assert self.chain.dvc_status() == {}
        if claimed is not None:
            self.claims += 1
            assert done.statuses == ["current"] * 3
            assert {name: atom for stage in claimed for name, atom in stage["atoms"].items()} == done.ids
        assert [plan["status"] for plan in self.chain.run().stages] == ["current"] * 3

    # -- what happens to it ----------------------------------------------------

    def happen(self) -> None:
        ways = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("do_")]
        way = self.dice.choice(ways)
        before = len(self.history)
        way()
        if len(self.history) == before:
            self.history.append(way.__name__[3:])

    def note(self, *words: object) -> None:
        self.history.append(" ".join(map(str, words)))

    def do_change_a_seed(self) -> None:
        step, seed = self.dice.choice(NAMES), self.dice.randint(0, 2)
        self.note("seed of", step, "is", seed)
        self.chain.set(step, seed=seed)

    def do_change_a_mapping(self) -> None:
        self.chain.set(self.dice.choice(NAMES), more=self.dice.choice([{}, {"a": 1}, {"a": True}, {"b": [1e-4, None]}]))

    def do_reorder_params(self) -> None:
        path = self.chain.path("params.yaml")
        params = yaml12.load(path)
        names = list(params)
        self.dice.shuffle(names)
        path.write_text("# in another order\n" + yaml12.dumps({name: params[name] for name in names}))

    def do_change_code(self) -> None:
        name, letter = self.dice.choice(["dataset", "model", "results"]), self.dice.choice("abc")
        self.note("code of", name, "says", letter)
        self.rewrite(f"def of_{name}():", letter)

    def do_change_shared_code(self) -> None:
        self.rewrite("def shared():", self.dice.choice("st"))

    def do_change_unused_code(self) -> None:
        self.rewrite("def unused():", self.dice.choice("uvw"))

    def do_comment_on_code(self) -> None:
        path = self.chain.path("lib.py")
        path.write_text(path.read_text() + f"# {self.dice.random()}\n")

    def do_edit_a_prompt(self) -> None:
        name, text = self.dice.choice(["title", "model", "own", "unread"]), self.dice.choice("xyz")
        self.note("prompt", name, "says", text)
        self.chain.path("prompts", f"{name}.md").write_text(text)

    def do_drop_a_prompt(self) -> None:
        self.chain.path("prompts", "own.md").unlink(missing_ok=True)

    def do_add_or_drop_a_row(self) -> None:
        path = self.chain.path("rows", self.dice.choice(["one.txt", "two.txt"]))
        self.note("row", path.name)
        if path.exists():
            path.unlink()
        else:
            path.write_text("")

    def do_edit_a_row(self) -> None:
        """Only its name is read."""
        self.chain.path("rows", "zero.txt").write_text(self.dice.choice("xyz"))

    def do_write_a_note(self) -> None:
        self.chain.path("README.md").write_text(f"{self.dice.random()}")

    def rewrite(self, header: str, letter: str) -> None:
        path = self.chain.path("lib.py")
        before, _, after = path.read_text().partition(header)
        body, newline, rest = after.partition("\n\n")
        path.write_text(before + header + re.sub(r'"[a-z]"', f'"{letter}"', body, count=1) + newline + rest)

    def do_edit_an_out(self) -> None:
        file = self.an_out() / "data" / "part.txt"
        self.note("edit", file.parent.parent.name)
        if file.exists():
            self.own(file)
            spoil(file)

    def do_edit_an_out_and_its_time(self) -> None:
        """A file of equal size and equal time but other content: only its ctime tells."""
        file = self.an_out() / "data" / "part.txt"
        if file.exists():
            self.own(file)
            before = file.stat()
            spoil(file)
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    def own(self, file: Path) -> None:
        """Have a file of its own where it is a link into the cache, which would be damaged with it."""
        data = file.read_bytes()
        file.unlink()
        file.write_bytes(data)

    def do_touch_an_out(self) -> None:
        file = self.an_out() / "atom.json"
        if file.exists():
            os.utime(file)

    def do_add_to_an_out(self) -> None:
        folder = self.an_out()
        if folder.exists():
            (folder / "more.txt").write_text("more")

    def do_delete_an_out(self) -> None:
        path = self.dice.choice([self.an_out(), self.a_record(), self.chain.path("metrics", "evaluate.json")])
        self.note("delete", path.name)
        if path.exists():
            remove(path)

    def do_replace_an_out_by_itself(self) -> None:
        folder = self.an_out()
        if folder.exists():
            copy = folder.with_name("copy")
            shutil.copytree(folder, copy)
            remove(folder)
            copy.rename(folder)

    def do_swap_two_outs(self) -> None:
        first, second = self.chain.path("atoms", "dataset"), self.chain.path("atoms", "model")
        if first.exists() and second.exists():
            first.rename(first.with_name("swap"))
            second.rename(first)
            first.with_name("swap").rename(second)

    def an_out(self) -> Path:
        return self.chain.path("atoms", self.dice.choice(OUTPUTS))

    def a_record(self) -> Path:
        return self.chain.path("runs", f"{self.dice.choice(NAMES)}.json")

    def objects(self) -> list[Path]:
        return sorted(path for path in self.chain.path(".dvc", "cache", "files").rglob("*") if path.is_file())

    def do_lose_cache_objects(self) -> None:
        for path in self.dice.sample(self.objects(), min(3, len(self.objects()))):
            remove(path)

    def do_lose_the_cache(self) -> None:
        shutil.rmtree(self.chain.path(".dvc", "cache"), ignore_errors=True)

    def do_lose_the_step_cache(self) -> None:
        shutil.rmtree(self.chain.path(".dvc", "cache", "runs"), ignore_errors=True)

    def do_cut_a_cache_object(self) -> None:
        found = [path for path in self.objects() if path.stat().st_size > 1]
        if found:
            path = self.dice.choice(found)
            linked = path.stat().st_nlink > 1
            data = path.read_bytes()
            path.unlink()  # the out of the work tree may be the same file
            path.write_bytes(data[: len(data) // 2])
            self.note("cut", path.name, "linked" if linked else "")

    def do_collect_garbage(self) -> None:
        dvc(self.chain.folder, "gc", "--workspace", "--force", "-q", ok=False)

    def do_move_the_cache(self) -> None:
        dvc(self.chain.folder, "cache", "dir", "--local", self.dice.choice(["one", "two"]), "-q")

    def do_move_the_cache_back(self) -> None:
        dvc(self.chain.folder, "config", "--local", "cache.dir", "--unset", "-q", ok=False)

    def do_delete_the_lock(self) -> None:
        self.chain.path("dvc.lock").unlink(missing_ok=True)

    def do_forget_a_stage(self) -> None:
        path = self.chain.path("dvc.lock")
        lock = yaml12.load(path)
        lock["stages"].pop(self.dice.choice(NAMES), None)
        path.write_text(yaml12.dumps(lock))

    def do_lie_in_the_lock(self) -> None:
        """The lock names another atom: one of an earlier state, as after a careless merge."""
        path = self.chain.path("dvc.lock")
        old = git(
            self.chain.folder, "log", "-1", "--format=%H", "--skip", str(self.dice.randint(0, 5)), "--", "dvc.lock"
        )
        if old.strip():
            path.write_text(git(self.chain.folder, "show", f"{old.strip()}:dvc.lock"))

    def do_commit(self) -> None:
        commit(self.chain.folder)

    def do_branch(self) -> None:
        name = self.dice.choice(["main", "side", "far"])
        self.note("branch", name)
        commit(self.chain.folder)
        known = git(self.chain.folder, "branch", "--format=%(refname:short)").split()
        git(self.chain.folder, "checkout", "-q", *([] if name in known else ["-b"]), name)

    def do_dvc_checkout(self) -> None:
        dvc(self.chain.folder, "checkout", "--force", "-q", ok=False)

    def do_dvc_repro(self) -> None:
        dvc(self.chain.folder, "repro", "-q")
        assert self.chain.dvc_status() == {}

    def do_lose_what_is_private(self) -> None:
        shutil.rmtree(self.chain.path(".motools"), ignore_errors=True)

    def do_wait(self) -> None:
        time.sleep(0.05)


def lay(folder: Path) -> Chain:
    chain = Chain.lay(folder)
    text = WORKFLOW.replace('"""\nimport os', '"""\nimport lib\nimport os')
    text = text.replace(
        "config, input_atoms, workspace):\n    with", "config, input_atoms, workspace, flavour):\n    with"
    )
    text = text.replace("of {read}", "of {read} {flavour}")
    for output in OUTPUTS:
        text = text.replace(f'return make("{output}"', f'flavour = lib.of_{output}()\n    return make("{output}"')
    text = text.replace("workspace)\n\n", "workspace, flavour)\n\n")
    chain.path("chain.py").write_text(text)
    files = {"prompts/title.md": "x", "prompts/model.md": "x", "rows/zero.txt": "x"}
    write(folder, {"lib.py": LIBRARY, **files})
    assert text.count("flavour") == 8, text
    return chain


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SEEDS))
def test_after_any_edits_a_run_dvc_and_a_fresh_clone_agree(
    project: Path, new_project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    if seed % 2:  # so that what the last run wrote is old enough to be known by its stat
        for module in (file_hashes, snapshot):
            monkeypatch.setattr(module, "_GRAIN", 20_000_000)
    world = World(lay(project), random.Random(seed), new_project)
    world.check()
    commit(project)
    try:
        for _ in range(EDITS):
            for _ in range(world.dice.choice([1, 1, 1, 2, 3])):
                world.happen()
            world.check()
        world.do_wait()  # few edits may have left out that nothing happens
        world.check()
    except (AssertionError, OSError) as error:
        raise AssertionError(f"seed {seed}, after {'; '.join(world.history)}: {error}") from error
    assert len(world.fresh) > 1, "nothing ever changed"
    assert 0 < world.claims <= EDITS, "the no-op was not put to the test"
