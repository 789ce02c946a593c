"""What is found of a lock file by searching is what a parser finds; what is no lock file gives nothing, and ends."""

from __future__ import annotations

from typing import Any

import pytest

from motools.base import yaml12
from motools.repo.lock_text import MANY, all_parts, made_by, of_stages

OUT = {"hash": "md5", "size": 1}
STAGES: dict[str, Any] = {
    "prepare": {
        "cmd": "make\n\n    outs:\n  evaluate:\n",
        "outs": [{"path": "atoms/dataset", "md5": "a1" * 16, **OUT}],
    },
    "train@fraction=0.1,seed=2": {
        "cmd": "train",
        "deps": [{"path": "atoms/dataset", "md5": "a1" * 16, **OUT}],
        "params": {"params.yaml": {"train": {"prepare": {"seed": 2}, "text": "a: b\n  prepare:\n    cmd: x"}}},
        "outs": [{"path": "atoms/model/fraction=0.1/seed=2", "md5": "b2" * 16, **OUT}],
    },
    "1": {"cmd": "number", "outs": [{"path": "atoms/one", "md5": "c3" * 16, **OUT}]},
    "true": {"cmd": "word"},
}
TEXT = yaml12.dumps({"schema": "2.0", "stages": STAGES}).encode()


def test_each_part_reads_as_a_parser_reads_it() -> None:
    assert {name: yaml12.loads(part) for name, part in all_parts(TEXT).items()} == STAGES
    assert of_stages([*STAGES, "absent"], TEXT) == all_parts(TEXT)
    assert of_stages([*STAGES, *(f"absent{n}" for n in range(MANY))], TEXT) == all_parts(TEXT)


def test_an_output_or_an_atom_is_of_the_stage_that_made_it_and_not_of_those_that_read_it() -> None:
    assert list(made_by("dataset", TEXT)) == ["prepare"]
    assert list(made_by("dataset-a1a1a1", TEXT)) == ["prepare"]
    assert list(made_by("model@fraction=0.1,seed=2", TEXT)) == ["train@fraction=0.1,seed=2"]
    assert list(made_by("one", TEXT)) == ["1"]
    assert list(made_by("train@fraction=0.1,seed=2", TEXT)) == ["train@fraction=0.1,seed=2"]
    assert made_by("cmd", TEXT) == made_by("a1", TEXT) == {}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"path: atoms/x\n",
        b"\n    outs:\n    - path: atoms/x\n",
        b"\n  \n    outs:\n    - path: atoms/x\n",
        b"a:\n  'x:\n    outs:\n    - path: atoms/x\n",
        b"\xff\n  \xff:\n    outs:\n    - path: atoms/x\n  -\n   :\n",
    ],
)
def test_what_is_no_lock_file_ends_the_search(text: bytes) -> None:
    assert set(all_parts(text)) | set(made_by("x", text)) <= {"'x", "\ufffd"}
