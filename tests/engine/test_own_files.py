"""What a person has put into a pipeline's folder is neither deleted nor overwritten without a copy and a word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chain import OUTPUTS, Chain, commit, dvc, git

from motools.base import yaml12


@pytest.fixture
def chain(project: Path) -> Chain:
    return Chain.lay(project)


def replaced(chain: Chain) -> list[Path]:
    return sorted(chain.path(".motools", "replaced").glob("*"))


# -- files in the place of outputs ---------------------------------------------------------------


@pytest.mark.parametrize("how", ["executed", "restored"])
def test_a_file_where_an_output_will_be_is_moved_aside_and_told(chain: Chain, how: str) -> None:
    if how == "restored":
        assert chain.run().code == 0
        for name in ("atoms", "runs", "metrics"):
            chain.path(name).rename(chain.path(f".motools/{name}"))
        chain.path("dvc.lock").unlink()
    chain.path("atoms", "model").mkdir(parents=True)
    chain.path("atoms", "model", "mine.txt").write_text("precious")
    chain.path("runs").mkdir(exist_ok=True)
    chain.path("runs", "train.json").write_text("precious too")
    done = chain.command("run", str(chain.folder))
    assert done.code == 0
    assert chain.executed() == OUTPUTS  # before, or now
    assert {path.name.partition("-")[0] for path in replaced(chain)} == {"model", "train"}
    for path in replaced(chain):
        assert f"is kept as {path}." in done.said
    assert (replaced(chain)[0] / "mine.txt").read_text() == "precious"
    assert chain.dvc_status() == {}


def test_a_folder_whose_links_lead_in_circles_is_moved_aside_too(chain: Chain) -> None:
    folder = chain.path("atoms", "model")
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("precious")
    for name, target in {"up": "..", "up again": "..", "itself": "itself"}.items():
        (folder / name).symlink_to(target)
    done = chain.command("run", str(chain.folder))
    assert done.code == 0
    (kept,) = replaced(chain)
    assert (kept / "mine.txt").read_text() == "precious"
    assert os.readlink(kept / "itself") == "itself"
    assert chain.dvc_status() == {}


@pytest.mark.parametrize("top", ["atoms", "runs", "metrics"])
@pytest.mark.parametrize("what", ["a file", "a link to nothing"])
def test_a_file_where_a_folder_of_outputs_goes_is_told_before_anything_runs(chain: Chain, top: str, what: str) -> None:
    if what == "a file":
        chain.path(top).write_text("precious")
    else:
        chain.path(top).symlink_to("nowhere")
    done = chain.run()
    assert done.code == 2
    assert done.sentence == f"{chain.path(top)} is {what}, and the pipeline makes a folder of that name. Move it away."
    assert chain.executed() == []


def test_an_output_that_was_edited_is_kept_and_one_that_the_cache_has_is_not(chain: Chain) -> None:
    assert chain.run().code == 0
    chain.set("prepare", seed=1)
    assert chain.run().code == 0
    assert replaced(chain) == []
    chain.path("atoms", "dataset", "data", "part.txt").write_text("edited")
    assert chain.run().statuses == ["restored", "current", "current"]
    [kept] = replaced(chain)
    assert (kept / "data" / "part.txt").read_text() == "edited"


def test_what_is_put_there_while_the_step_runs_is_moved_aside_too(chain: Chain) -> None:
    own = 'mine = LOG.parent / "atoms" / name; mine.mkdir(parents=True); (mine / "mine.txt").write_text("precious")'
    chain.edit("chain.py", '    out = workspace / "out"\n', f'    {own}\n    out = workspace / "out"\n')
    done = chain.command("run", str(chain.folder))
    assert done.code == 0, done.err
    assert [(path / "mine.txt").read_text() for path in replaced(chain)] == ["precious"] * 3
    for path in replaced(chain):
        assert f"is kept as {path}." in done.said
    assert chain.dvc_status() == {}


def test_one_step_moves_aside_what_it_would_write_over(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chain.run().code == 0
    monkeypatch.chdir(chain.folder)
    for seed, name in ((0, "restored"), (1, "executed")):
        chain.set("prepare", seed=seed)
        chain.path("atoms", "dataset", "data", "part.txt").write_text(f"precious, before it is {name}")
        assert chain.command("step", "run", "chain.py:workflow", "prepare").code == 0
        assert (replaced(chain)[-1] / "data" / "part.txt").read_text() == f"precious, before it is {name}"
        assert chain.path("atoms", "dataset", "data", "part.txt").read_text().startswith(f"dataset {seed}")
    assert len(replaced(chain)) == 2


def test_ignore_files_in_another_encoding_stay_as_they_are(chain: Chain) -> None:
    chain.path("atoms").mkdir()
    for path in (".git/info/exclude", "atoms/.gitignore"):
        chain.path(path).write_bytes(b"# caf\xe9\n/caf\xe9.txt\n")
    assert chain.run().code == 0
    assert chain.path("atoms", ".gitignore").read_bytes() == b"/*\n!/.gitignore\n!/*.dvc\n# caf\xe9\n/caf\xe9.txt\n"
    assert chain.path(".git", "info", "exclude").read_bytes().startswith(b"# caf\xe9\n/caf\xe9.txt\n/atoms/*\n")


@pytest.mark.parametrize("how", ["executed", "restored"])
def test_what_lies_where_a_stage_of_ones_own_writes_is_moved_aside(chain: Chain, how: str) -> None:
    chain.path("src.txt").write_text("made")
    command = "mkdir -p figures && cp src.txt figures/a.txt && cp src.txt table.txt && cp src.txt plain.txt"
    outs = ["figures", "table.txt", {"plain.txt": {"cache": False}}]
    stage = {"mine": {"cmd": command, "deps": ["src.txt"], "outs": outs}}
    chain.path("dvc.yaml").write_text(yaml12.dumps({"stages": stage}))
    if how == "restored":
        stage["mine"]["outs"] = outs[:2]
        chain.path("dvc.yaml").write_text(yaml12.dumps({"stages": stage}))
        assert chain.run().code == 0
        for name in ("figures", "table.txt"):
            chain.path(name).rename(chain.path(f".motools/{name}"))
        chain.path("dvc.lock").unlink()
    chain.path("figures").mkdir()
    for name in ("figures/mine.txt", "table.txt", *(["plain.txt"] if how == "executed" else [])):
        chain.path(name).write_text("precious")
    done = chain.command("run", str(chain.folder))
    assert done.code == 0, done.err
    assert {path.name.partition("-")[0] for path in replaced(chain)} >= {"figures", "table"}
    for path in replaced(chain):
        assert f"is kept as {path}." in done.said
        assert (path / "mine.txt" if path.is_dir() else path).read_text() == "precious"
    assert chain.path("table.txt").read_text() == chain.path("figures", "a.txt").read_text() == "made"
    kept = replaced(chain)
    chain.path("table.txt").unlink()
    chain.path("table.txt").write_text("edited")
    assert chain.run().code == 0
    assert chain.path("table.txt").read_text() == "made"
    chain.path("src.txt").write_text("made anew")
    assert chain.run().code == 0
    assert [path.read_text() for path in replaced(chain) if path not in kept] == ["edited"]
    assert chain.dvc_status() == {}


# -- dvc.yaml ------------------------------------------------------------------------------------


def test_a_frozen_stage_does_not_run_and_stays_frozen(chain: Chain) -> None:
    assert chain.run().code == 0
    dvc(chain.folder, "freeze", "train")
    chain.set(seed=3)
    assert chain.run().statuses == ["finished", "current", "finished"]
    assert chain.run("--force", "--stages", "train").statuses[1] == "current"
    chain.executed()
    assert chain.run().statuses == ["current"] * 3
    assert yaml12.load(chain.path("dvc.yaml"))["stages"]["train"]["frozen"] is True
    dvc(chain.folder, "unfreeze", "train")
    assert chain.run().statuses == ["current", "finished", "finished"]
    assert chain.dvc_status() == {}


@pytest.mark.parametrize("lost", ["atoms/model", "runs/train.json", "dvc.lock"])
def test_a_frozen_stage_whose_result_is_not_there_is_refused_with_the_way_out(chain: Chain, lost: str) -> None:
    assert chain.run().code == 0
    dvc(chain.folder, "freeze", "train")
    chain.path(lost).rename(chain.path("elsewhere"))
    done = chain.run()
    assert done.code == 2
    assert done.sentence.startswith("train is frozen in dvc.yaml, but ")
    assert "`dvc unfreeze train` lets it run." in done.sentence


# -- git -----------------------------------------------------------------------------------------


def test_an_output_that_git_tracks_is_refused_as_dvc_does(chain: Chain) -> None:
    chain.path("atoms", "model").mkdir(parents=True)
    chain.path("atoms", "model", "mine.txt").write_text("tracked")
    commit(chain.folder)
    done = chain.run()
    assert done.code == 2
    assert "git tracks atoms/model in " in done.sentence
    assert "`git rm -r --cached atoms/model`" in done.sentence
    assert chain.executed() == []
    assert chain.path("atoms", "model", "mine.txt").read_text() == "tracked"
    git(chain.folder, "rm", "-q", "-r", "--cached", "atoms/model")
    assert chain.run().statuses == ["finished"] * 3


def staged(chain: Chain) -> list[str]:
    git(chain.folder, "add", "--all")
    return [
        line for line in git(chain.folder, "diff", "--cached", "--name-only").splitlines() if "gitignore" not in line
    ]


def test_results_of_another_branch_are_ignored_on_one_that_never_had_the_pipeline(chain: Chain) -> None:
    commit(chain.folder)
    git(chain.folder, "checkout", "-q", "-b", "other")
    odd = chain.path("experiments", "one [x] two")
    odd.mkdir(parents=True)
    (odd / "params.yaml").write_text("workflow: chain:workflow\n")
    assert chain.command("run", str(odd)).code == 0
    commit(chain.folder)
    git(chain.folder, "checkout", "-q", "main")
    assert (odd / "atoms" / "model").is_dir()
    assert staged(chain) == []


def test_what_git_ignores_is_neither_the_data_file_of_an_input_nor_what_dvc_needs(chain: Chain) -> None:
    assert chain.run().code == 0
    chain.path("atoms", "given.dvc").write_text("outs: []\n")
    for path in ("atoms/.gitignore", "runs/.gitignore", "atoms/given.dvc", "dvc.lock", "metrics/evaluate.json"):
        assert path in git(chain.folder, "ls-files", "--others", "--exclude-standard").splitlines()
    before = chain.path("atoms", ".gitignore").read_text()
    chain.path("atoms", ".gitignore").write_text(before + "!/notes.txt\n")
    chain.set(seed=1)
    assert chain.run().code == 0
    assert chain.path("atoms", ".gitignore").read_text() == before + "!/notes.txt\n"
    dvc(chain.folder, "repro", "-q", "--force", "prepare")
    assert chain.path("atoms", ".gitignore").read_text() == before + "!/notes.txt\n"


# -- what is restored is what was made ------------------------------------------------------------


def test_modes_and_empty_folders_are_at_once_what_a_restored_output_has(chain: Chain) -> None:
    chain.edit(
        "chain.py",
        "    return [Atom",
        '    os.chmod(out / "part.txt", 0o700)\n    (out / "empty").mkdir()\n    os.chmod(out / "sub", 0o700)\n'
        '    (workspace / "logs" / "none").mkdir(parents=True)\n    (workspace / "logs" / "x").touch(0o755)\n'
        "    return [Atom",
    )
    chain.edit("chain.py", "Config, train)", "Config, train, keeps_logs=True)")
    assert chain.run().code == 0

    def looks(top: str) -> dict[str, int]:
        return {str(path.relative_to(chain.folder)): path.stat().st_mode for path in chain.path(top).rglob("*")}

    fresh = {**looks("atoms"), **looks("logs"), **looks("runs")}
    for name in ("atoms/dataset", "atoms/model", "atoms/results", "logs/train", "runs/train.json"):
        chain.path(name).rename(chain.path(f".motools/{name.replace('/', '-')}"))
    assert chain.run().statuses == ["restored"] * 3
    assert {**looks("atoms"), **looks("logs"), **looks("runs")} == fresh
    assert chain.executed() == OUTPUTS


def test_a_name_that_is_not_utf8_is_refused_and_the_result_kept(chain: Chain) -> None:
    chain.edit("chain.py", "    return [Atom", '    (out / os.fsdecode(b"caf\\xe9")).touch()\n    return [Atom')
    done = chain.run()
    assert done.code == 1
    assert "its name is not UTF-8" in done.said
    assert len(list(chain.path(".motools", "finished").glob("*"))) == 1


@pytest.mark.parametrize("link", ["loop", "file"])
def test_a_link_in_the_logs_of_a_step_is_refused(chain: Chain, link: str) -> None:
    target = '"."' if link == "loop" else "__file__"
    chain.edit(
        "chain.py",
        "    return [Atom",
        f'    (workspace / "logs").mkdir()\n    (workspace / "logs" / "link").symlink_to({target})\n    return [Atom',
    )
    chain.edit("chain.py", "Config, prepare)", "Config, prepare, keeps_logs=True)")
    done = chain.run()
    assert done.code == 1
    assert "cannot keep its logs" in done.said
    assert "is a link" in done.said


# -- a cache that a group shares --------------------------------------------------------------------


def test_all_folders_of_a_shared_cache_can_be_written_by_the_group(chain: Chain, tmp_path: Path) -> None:
    dvc(chain.folder, "config", "cache.shared", "group")
    dvc(chain.folder, "cache", "dir", str(tmp_path / "cache"))
    before = os.umask(0o022)
    try:
        assert chain.run().code == 0
    finally:
        os.umask(before)
    folders = [path for path in (tmp_path / "cache").rglob("*") if path.is_dir()]
    assert folders
    assert all(path.stat().st_mode & 0o7777 == 0o2775 for path in [tmp_path / "cache", *folders])
