"""Stages that a person wrote into dvc.yaml, and the generated ones that read what they make."""

from __future__ import annotations

from pathlib import Path

import pytest
from chain import Chain

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


def add_mine(chain: Chain, command: str = "sleep 1; cp src.txt prompts.txt", out: str = "prompts.txt") -> None:
    content = yaml12.load(chain.path("dvc.yaml"))
    content["stages"]["mine"] = {"cmd": command, "deps": ["src.txt"], "outs": [{out: {"cache": False}}]}
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
    content = yaml12.load(chain.path("dvc.yaml"))
    content["stages"]["mine"]["cmd"] = "cp src.txt prompts.txt"
    chain.path("dvc.yaml").write_text(yaml12.dumps(content))
    planned = " ".join(chain.command("status", str(chain.folder)).out.split())
    assert "src.txt changed" in planned
    assert "its command changed" in planned
    assert "{" not in planned
