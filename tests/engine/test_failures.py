"""A failure is remembered: `status` tells of it until the stage has succeeded, and `motools log` prints the log."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from chain import Chain, dvc, eventually

GOOD = "def train(config, input_atoms, workspace):\n    "
BAD = f'{GOOD}print("reading žluť")\n    raise ValueError("the rows are odd")\n    '


@pytest.fixture
def failed(project: Path) -> Chain:
    chain = Chain.lay(project)
    chain.edit("chain.py", GOOD, BAD)
    assert chain.run().code == 1
    return chain


def status(chain: Chain) -> dict[str, str]:
    lines = chain.command("status").out.splitlines()[1:]
    return {stage: why for stage, _, why in (line.split("\t") for line in lines)}


def test_status_tells_how_and_when_a_stage_failed_and_where_its_log_is(failed: Chain) -> None:
    why = status(failed)["train"]
    assert why.startswith("it failed at 20")
    assert why.endswith("ValueError: the rows are odd (motools log train shows its log)")
    assert "it failed" not in "".join(why for stage, why in status(failed).items() if stage != "train")
    told = {stage["stage"]: stage["failed"] for stage in json.loads(failed.command("status", "--json").out)}
    assert told["prepare"] is None
    assert told["train"]["error"].endswith("ValueError: the rows are odd")
    assert Path(told["train"]["log"]).is_file()


def test_the_log_of_a_step_is_printed_and_of_others_it_is_said_that_there_is_none(failed: Chain) -> None:
    done = failed.command("log", "train")
    assert done.code == 0
    assert done.out.startswith("reading žluť\nTraceback")
    done = failed.command("log", "tarin", str(failed.folder))
    assert done.code == 2
    assert done.sentence.endswith("Did you mean 'train'? Executed here: prepare, train.")
    assert failed.command("log", "../../chain").code == 2


def test_it_is_forgotten_when_the_stage_has_succeeded(failed: Chain) -> None:
    failed.edit("chain.py", BAD, GOOD)
    assert "it failed" in status(failed)["train"]
    assert failed.run().code == 0
    failed.set("train", seed=5)
    assert status(failed)["train"] == "train.seed: 0 -> 5"


def test_what_dvc_runs_is_remembered_too(failed: Chain) -> None:
    failed.edit("chain.py", BAD, GOOD)
    assert failed.command("run", "--quiet").code == 0
    failed.edit("chain.py", GOOD, BAD)
    assert dvc(failed.folder, "repro", ok=False).returncode != 0
    assert "ValueError: the rows are odd" in status(failed)["train"]
    failed.edit("chain.py", BAD, GOOD)
    dvc(failed.folder, "repro")
    failed.set("train", seed=5)
    assert "it failed" not in status(failed)["train"]


def test_the_failures_of_two_experiments_are_told_apart(failed: Chain) -> None:
    for name in ("a", "b/c"):
        folder = failed.folder / name
        folder.mkdir(parents=True)
        (folder / "params.yaml").write_text(
            "workflow: ../chain.py:workflow\n".replace("../", "../" * len(name.split("/")))
        )
    assert failed.command("run", "a").code == 1
    assert "it failed" in failed.command("status", "a").out
    assert "it failed" not in failed.command("status", "b/c").out
    assert "reading" in failed.command("log", "train", "a").out


def test_a_secret_in_an_error_is_not_remembered(failed: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "the rows are odd")
    assert failed.run().code == 1
    assert "[SOME_TOKEN]" in status(failed)["train"]
    kept = failed.path(".motools", "failed", "train.json").read_text()
    assert "the rows are odd" not in kept


def test_what_is_kept_of_a_failure_may_be_damaged(failed: Chain) -> None:
    for text in ("", "[]", "{}", "null", '{"when": 1}'):
        failed.path(".motools", "failed", "train.json").write_text(text)
        assert failed.command("status").code == 0


def test_an_interruption_is_remembered_as_such(project: Path) -> None:
    chain = Chain.lay(project, pause=60.0)
    run = chain.start()
    eventually(chain.executed)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=300)
    assert "it was interrupted" in status(chain)["prepare"]
