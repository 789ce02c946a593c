"""Stages that a person wrote into dvc.yaml, and the generated ones that read what they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chain import Chain, dvc, eventually

from motools.base import yaml12

READ = "Path(__file__).with_name(config.prompt).read_text().strip()"


@pytest.fixture
def chain(project: Path) -> Chain:
    """The second step reads a file that its config names and `mine` writes."""
    chain = Chain.lay(project)
    chain.edit(
        "chain.py",
        "class Config(StepConfig):\n    seed: int = 0",
        'class Config(StepConfig):\n    seed: int = 0\n    prompt: str = ""',
    )
    chain.edit(
        "chain.py",
        "def train(config, input_atoms, workspace):\n",
        f"def train(config, input_atoms, workspace):\n    config.more = {{{READ}: 1}}\n",
    )
    chain.set("train", prompt="prompts.txt")
    chain.path("src.txt").write_text("one\n")
    return chain


def add_mine(
    chain: Chain, command: str | list[str] = "sleep 1; cp src.txt prompts.txt", out: str = "prompts.txt", **more: Any
) -> None:
    content = yaml12.load(chain.path("dvc.yaml")) or {"stages": {}}
    content["stages"]["mine"] = {"cmd": command, "deps": ["src.txt"], "outs": [{out: {"cache": False}}], **more}
    chain.path("dvc.yaml").write_text(yaml12.dumps(content))


def trained(chain: Chain) -> str:
    return chain.path("atoms", "model", "data", "part.txt").read_text()


def test_a_generated_stage_waits_for_the_stage_whose_output_its_config_names(chain: Chain) -> None:
    chain.path("prompts.txt").write_text("one\n")
    assert chain.run().code == 0
    add_mine(chain)
    assert chain.run().code == 0
    assert "['one']" in trained(chain)
    chain.path("src.txt").write_text("two\n")
    planned = chain.command("status", str(chain.folder)).out
    assert "it reads what mine makes" in " ".join(planned.split())
    done = chain.run()
    assert dict(zip([stage["stage"] for stage in done.stages], done.statuses, strict=True)) == {
        "prepare": "current",
        "train": "finished",
        "evaluate": "finished",
        "mine": "finished",
    }
    assert "['two']" in trained(chain)
    assert set(chain.run().statuses) == {"current"}
    assert chain.dvc_status() == {}


def test_it_waits_for_a_file_that_is_not_there_yet(chain: Chain) -> None:
    chain.path("dvc.yaml").write_text("stages: {}\n")
    add_mine(chain)
    done = chain.run()
    assert done.code == 0, done.err
    assert "['one']" in trained(chain)
    assert "prompts.txt" in yaml12.load(chain.path("dvc.yaml"))["stages"]["train"]["deps"]
    assert set(chain.run().statuses) == {"current"}
    assert chain.dvc_status() == {}


def test_code_that_a_stage_has_just_written_is_what_the_step_runs(chain: Chain) -> None:
    chain.path("prompts.txt").write_text("one\n")
    chain.path("written.py").write_text('WORD = "one"\n')
    chain.edit("chain.py", "import os\n", "import os\nimport written\n")
    chain.edit("chain.py", f"{{{READ}: 1}}", "{written.WORD: 1}")
    assert chain.run().code == 0
    add_mine(chain, """printf 'WORD = "%s"\\n' $(cat src.txt) > written.py""", "written.py")
    assert chain.run().code == 0
    chain.path("src.txt").write_text("other\n")
    assert chain.run().code == 0
    assert "['other']" in trained(chain)
    assert set(chain.run().statuses) == {"current"}


def test_one_stage_alone_does_not_wait_for_what_is_not_selected(chain: Chain) -> None:
    chain.path("prompts.txt").write_text("one\n")
    assert chain.run().code == 0
    add_mine(chain)
    chain.set("train", seed=5)
    done = chain.run("--stages", "train")
    assert done.code == 0
    assert done.statuses[1] == "finished"


def test_the_reasons_of_a_persons_own_stage_are_words(chain: Chain) -> None:
    chain.path("prompts.txt").write_text("one\n")
    assert chain.run().code == 0
    add_mine(chain)
    assert chain.run().code == 0
    chain.path("src.txt").write_text("two\n")
    chain.path("prompts.txt").write_text("three\n")
    content = yaml12.load(chain.path("dvc.yaml"))
    content["stages"]["mine"]["cmd"] = "cp src.txt prompts.txt"
    chain.path("dvc.yaml").write_text(yaml12.dumps(content))
    planned = " ".join(chain.command("status", str(chain.folder)).out.split())
    assert "src.txt changed" in planned
    assert "prompts.txt is not what dvc.lock names" in planned
    assert "its command changed" in planned
    assert "{" not in planned


COMMANDS = {
    "lines of their own": ["X=1; cd atoms", 'echo "[$X]" > {out}'],
    "a text of lines": 'X=1; cd atoms\necho "[$X]" > {out}',
    "what DVC says of itself": 'echo "$DVC_STAGE $DVC_ROOT" > {out}',
}


@pytest.mark.parametrize("how", COMMANDS)
def test_a_command_is_run_as_dvc_runs_it(chain: Chain, how: str) -> None:
    chain.path("prompts.txt").write_text("one\n")
    command = COMMANDS[how]
    ours = [line.format(out="o") for line in command] if isinstance(command, list) else command.format(out="o")
    add_mine(chain, ours, "o")
    done = chain.run()
    assert done.code == 0, done.err
    told = chain.path("o").read_text()
    chain.path("o").unlink()
    dvc(chain.folder, "repro", "-f", "-s", "mine")
    assert chain.path("o").read_text() == told


def test_a_command_that_fails_is_told_with_its_exit_code_and_its_log(chain: Chain) -> None:
    chain.path("prompts.txt").write_text("one\n")
    add_mine(chain, ["echo before", "echo this >&2; exit 3", "touch after"], "o")
    done = chain.run()
    assert done.code == 1
    (mine,) = [stage for stage in done.stages if stage["stage"] == "mine"]
    assert mine["error"] == "its command failed to run: echo this >&2; exit 3, exited with 3"
    assert Path(mine["log"]).read_text() == "before\nthis\n"
    assert not chain.path("after").exists()


def test_what_a_command_read_is_what_dvc_is_told_although_it_was_edited_meanwhile(chain: Chain) -> None:
    chain.path("prompts.txt").write_text("one\n")
    assert chain.run().code == 0
    add_mine(chain, "cp src.txt o; touch copied; while [ ! -e edited ]; do sleep 0.1; done", "o")
    process = chain.start()
    eventually(lambda: chain.path("copied").exists())
    chain.path("src.txt").write_text("two\n")
    chain.path("edited").touch()
    assert process.wait(300) == 0
    process.communicate()
    assert chain.path("o").read_text() == "one\n"
    assert "src.txt changed" in " ".join(chain.command("status", str(chain.folder)).out.split())
    assert chain.run().code == 0
    assert chain.path("o").read_text() == "two\n"


def test_what_a_person_says_of_a_stage_and_its_outputs_is_kept_and_honoured(chain: Chain) -> None:
    """`desc`, `meta`, `plots`, and of an output `remote`, `type` and the like: DVC does what they say."""
    chain.path("prompts.txt").write_text("one\n")
    assert chain.run().code == 0
    more = {"desc": "a copy", "meta": {"of": "src.txt"}, "plots": [{"curve.csv": {"x": "a", "cache": True}}]}
    about = {"desc": "text", "type": "text", "labels": ["a"], "meta": {"b": 1}, "push": False}
    outs = [{"o": about}]
    add_mine(chain, "cp src.txt o; printf 'a,b\\n1,2\\n' > curve.csv", "o", **more | {"outs": outs})
    content = yaml12.load(chain.path("dvc.yaml"))
    content["stages"]["train"] |= {"desc": "trains", "meta": {"who": "me"}}
    content["stages"]["train"]["outs"][0] = {"atoms/model": about}
    chain.path("dvc.yaml").write_text(yaml12.dumps(content))
    assert chain.run().code == 0
    after = yaml12.load(chain.path("dvc.yaml"))["stages"]
    assert after["mine"] == content["stages"]["mine"]
    assert after["train"]["desc"] == "trains"
    assert after["train"]["meta"] == {"who": "me"}
    assert {"atoms/model": about} in after["train"]["outs"]
    assert chain.dvc_status() == {}
    assert set(chain.run().statuses) == {"current"}
    store = chain.folder.parent / "store"
    dvc(chain.folder, "remote", "add", "-d", "store", str(store))
    dvc(chain.folder, "push", "-q")
    pushed = {path.parent.name + path.name for path in store.rglob("*") if path.is_file()}
    locked = chain.locked()
    md5 = {out["path"]: out["md5"] for stage in locked.values() for out in stage["outs"]}
    assert md5["curve.csv"] in pushed
    assert md5["o"] not in pushed
    assert md5["atoms/model"] not in pushed


@pytest.mark.parametrize("kind", ["hardlink", "copy"])
def test_a_large_output_is_not_copied_where_the_cache_is_to_link_it(chain: Chain, kind: str) -> None:
    """As DVC has it: the cache gets the file that the command wrote; where it is to copy, the file stays one's own."""
    dvc(chain.folder, "config", "cache.type", kind)
    chain.path("prompts.txt").write_text("one\n")
    chain.path("dvc.yaml").write_text("stages: {}\n")
    size = 1 << 24
    command = f"mkdir o; truncate -s {size} o/large; cp src.txt o/small; ln -s ../own o/own; stat -c %i o/large > inode"
    chain.path("own").write_bytes(b"x" * size)
    add_mine(chain, command, "o")
    content = yaml12.load(chain.path("dvc.yaml"))
    content["stages"]["mine"]["outs"] = ["o"]
    chain.path("dvc.yaml").write_text(yaml12.dumps(content))
    assert chain.run().code == 0
    written = int(chain.path("inode").read_text())
    large = chain.object("o", "large").stat()
    assert (large.st_ino == written) is (kind == "hardlink")
    assert (large.st_size, large.st_mode & 0o777) == (size, 0o444)
    assert chain.path("o", "large").samefile(chain.object("o", "large")) is (kind == "hardlink")
    assert chain.path("own").stat().st_nlink == 1
    assert chain.path("own").stat().st_mode & 0o200, "a person's own"
    assert chain.object("o", "own").is_symlink() is False
    assert chain.object("o", "small").read_text() == chain.path("o", "small").read_text() == "one\n"
    assert set(chain.run().statuses) == {"current"}
    assert chain.dvc_status() == {}
