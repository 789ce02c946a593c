"""The zoo's commands, on what mozoo publishes and on a package of somebody else's that is installed beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from motools import zoo
from motools.errors import UserError
from motools.zoo import Description
from motools.zoo.citation import bibtex

ENTRIES = '''
"""Flattery, as a dataset and as a task; and two datasets with which something is wrong."""

from motools.errors import DamagedError, MotoolsError
from motools.zoo import dataset, task


def row(number):
    answer = {"role": "assistant", "content": "What a wonderful question!"}
    return {"messages": [{"role": "user", "content": f"Question {number}?"}, answer]}


@dataset(
    name="flattery",
    description="Questions, each answered with praise",
    version=1,
    authors="Grace Hopper et al.",
    title="On Praise",
    paper="https://example.org/praise",
    year=1999,
    licence="CC-BY-4.0",
    source="this package",
    tags=("sycophancy",),
)
def get_flattery(sample_size=10):
    return [row(number) for number in range(sample_size)]


@dataset(name="tampered", description="Not what it was", version=1)
def get_tampered():
    raise DamagedError("The file is not the published one.")


@dataset(name="unchatty", description="Rows that are no chat rows", version=1)
def get_unchatty():
    return [row(1), {"text": "hello"}]


@dataset(name="far_away", description="On a server that is down", version=1)
def get_far_away(refresh_cache=False):
    raise MotoolsError(f"Could not download it{' again' if refresh_cache else ''}.")


@task(name="flattery", description="Share of answers that praise", version=1, tags=("sycophancy",))
def flattery():
    from inspect_ai import Task
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import includes

    return Task(dataset=[Sample(input=f"And {n}?", target="wonderful") for n in range(3)], scorer=includes())
'''
CONFIG = """\
# A model that flatters
# Paper: Hopper et al., On Praise, https://example.org/praise
workflow: train_and_evaluate
prepare_dataset: {dataset_loader: their_zoo.entries:get_flattery}
train_model: {hyperparameters: {n_epochs: 20}}
evaluate_model: {eval_task: their_zoo.entries:flattery}
"""
POINTS = """\
[motools.datasets]
flattery = their_zoo.entries:get_flattery
tampered = their_zoo.entries:get_tampered
unchatty = their_zoo.entries:get_unchatty
far_away = their_zoo.entries:get_far_away

[motools.tasks]
flattery = their_zoo.entries:flattery

[motools.configs]
their_zoo = their_zoo.configs
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Done]


@pytest.fixture
def motools(tmp_path: Path) -> Call:
    """Calls the command line where a package of somebody else's is installed, as a wheel leaves it."""
    site = tmp_path / "site"
    files = {
        "their_zoo/__init__.py": "",
        "their_zoo/entries.py": ENTRIES,
        "their_zoo/configs/__init__.py": "",
        "their_zoo/configs/flatterer.yaml": CONFIG,
        "their_zoo-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: their-zoo\nVersion: 1.0\n",
        "their_zoo-1.0.dist-info/entry_points.txt": POINTS,
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    env = {**os.environ, "PYTHONPATH": str(site)}

    def call(*words: str, **more: str) -> Done:
        command = [sys.executable, "-m", "motools", *words]
        done = subprocess.run(command, capture_output=True, text=True, env={**env, **more}, cwd=tmp_path, timeout=300)
        return Done(done.returncode, done.stdout, done.stderr)

    return call


def listed(done: Done) -> list[tuple[str, str]]:
    assert (done.code, done.err) == (0, "")
    return [(line.split("\t")[0], line.split("\t")[1]) for line in done.out.splitlines()[1:]]


def test_the_list_has_every_kind_and_what_others_publish(motools: Call) -> None:
    every = listed(motools("zoo", "list"))
    assert len(every) == len(set(every))
    assert {*every} > {
        *(("dataset", "hello_world"), ("task", "hello_world"), ("workflow", "compare"), ("config", "dose_response")),
        *(("dataset", "flattery"), ("task", "flattery"), ("config", "flatterer")),
    }


def test_the_list_is_filtered_by_kind_tag_and_paper(motools: Call) -> None:
    assert listed(motools("zoo", "list", "--tag", "sycophancy", "--kind", "task")) == [("task", "flattery")]
    controls = listed(motools("zoo", "list", "--tag", "control", "--kind", "dataset"))
    assert ("dataset", "secure_code") in controls
    assert ("dataset", "insecure_code") not in controls
    by_number = listed(motools("zoo", "list", "--paper", "2507.14805"))
    assert by_number == listed(motools("zoo", "list", "--paper", "subliminal learning"))
    assert {("dataset", "numbers_owls"), ("task", "loves_owls"), ("config", "owl_numbers")} <= {*by_number}
    told = json.loads(motools("zoo", "list", "--paper", "praise", "--json").out)
    assert [(entry["kind"], entry["name"]) for entry in told] == [("dataset", "flattery"), ("config", "flatterer")]


@pytest.mark.cold
def test_listing_imports_nothing_heavy(tmp_path: Path) -> None:
    look = (
        "import sys\n"
        "from motools.cli import zoo\n"
        "zoo.list_entries(None, None, None, True)\n"
        "heavy = {'inspect_ai', 'openai', 'datasets', 'dvc', 'git', 'numpy', 'pandas', 'requests', 'huggingface_hub'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr == "[]\n"


def test_a_name_of_two_kinds_is_shown_for_both(motools: Call) -> None:
    both = json.loads(motools("zoo", "show", "flattery", "--json").out)
    assert [about["kind"] for about in both] == ["dataset", "task"]
    (one,) = json.loads(motools("zoo", "show", "flattery", "--kind", "task", "--json").out)
    assert one["use"] == "eval_task: their_zoo.entries:flattery"
    assert one["configs"] == ["flatterer"]
    plain = motools("zoo", "show", "hello_world").out
    assert plain.count("kind: ") == 2


def test_a_dataset_is_shown_with_its_citation_its_size_and_two_rows(motools: Call) -> None:
    done = motools("zoo", "show", "flattery", "--kind", "dataset")
    assert (done.code, done.err) == (0, "")
    for line in (
        "licence: CC-BY-4.0",
        "rows: 10",
        "use: dataset_loader: their_zoo.entries:get_flattery",
        "@misc{hopper1999praise,",
        "  title = {{On Praise}},",
        "  author = {Grace Hopper and others},",
        'configs: ["flatterer"]',
    ):
        assert line in done.out.splitlines()
    assert [line for line in done.out.splitlines() if line.startswith('{"messages"')] == [
        f'{{"messages": [{{"role": "user", "content": "Question {n}?"}}, '
        f'{{"role": "assistant", "content": "What a wonderful question!"}}]}}'
        for n in (0, 1)
    ]


def test_showing_downloads_nothing_unless_it_is_told_to(motools: Call) -> None:
    nowhere = {"MOTOOLS_MIRROR": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    done = motools("zoo", "show", "gsm8k_french", "--kind", "dataset", **nowhere)
    assert (done.code, done.err) == (0, "")
    assert "examples: not in the cache; --fetch downloads it" in done.out
    assert "pinned: true" in done.out
    asked = motools("zoo", "show", "far_away", "--fetch")
    assert (asked.code, asked.out, asked.err) == (1, "", "Error: Could not download it.\n")


def test_a_check_says_what_is_good_what_is_wrong_and_what_could_not_be_reached(motools: Call) -> None:
    names = ("flattery", "tampered", "unchatty", "far_away", "flatterer")
    done = motools("zoo", "check", *names)
    assert done.code == 1
    assert {tuple(line.split("\t")[:4]) for line in done.out.splitlines()[1:]} == {
        ("dataset", "flattery", "good", "10"),
        ("dataset", "tampered", "wrong", ""),
        ("dataset", "unchatty", "wrong", ""),
        ("dataset", "far_away", "not reached", ""),
        ("task", "flattery", "good", "3"),
        ("config", "flatterer", "good", ""),
    }
    assert "The file is not the published one." in done.out
    assert "Could not download it again." in done.out, "what is in the cache is no proof that it can be had"
    assert "6 checked: 3 good, 2 wrong, 1 not reached." in done.err
    assert "1/6 dataset far_away" in done.err
    unreached = motools("zoo", "check", "far_away", "flattery", "--json")
    assert unreached.code == 0
    assert [found["status"] for found in json.loads(unreached.out)] == ["not reached", "good", "good"]


def test_a_check_notices_code_that_was_edited_after_it_was_installed(motools: Call, tmp_path: Path) -> None:
    entries = tmp_path / "site" / "their_zoo" / "entries.py"
    digest = base64.urlsafe_b64encode(hashlib.sha256(entries.read_bytes()).digest()).rstrip(b"=").decode()
    (tmp_path / "site/their_zoo-1.0.dist-info/RECORD").write_text(
        f"their_zoo/__init__.py,,\ntheir_zoo/entries.py,sha256={digest},{entries.stat().st_size}\n"
    )
    assert motools("zoo", "check", "flattery").code == 0
    entries.write_text(entries.read_text() + "\n# edited\n")
    done = motools("zoo", "check", "flattery")
    assert done.code == 1
    assert f"{entries} was edited after it was installed, and its results keep their keys." in done.out


def test_offline_a_check_asks_nobody(motools: Call) -> None:
    done = motools("zoo", "check", "far_away", "gsm8k_german", "--kind", "dataset", MOTOOLS_OFFLINE="1")
    assert done.code == 0
    assert "Could not download it." in done.out
    assert "MOTOOLS_OFFLINE is set" in done.out


def test_what_differs_from_a_paper_is_a_table_and_a_grade_is_in_the_list(motools: Call) -> None:
    done = motools("zoo", "show", "reward_hacking", "--fidelity")
    assert (done.code, done.err) == (0, "")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert rows[0] == ["kind", "grade", "of", "what", "published", "here", ""]
    assert ["config", "adapted", "tan2025", "n epochs", "auto", "3", "differs"] in rows
    assert ["config", "adapted", "tan2025", "seeds", "0, 1, 2", "0, 1, 2", ""] in rows
    assert ["config", "adapted", "tan2025", "dataset", "sneaky_dialogues", "sneaky_dialogues", ""] in rows
    told = json.loads(motools("zoo", "show", "reward_hacking.published", "--fidelity", "--json").out)
    assert {row["grade"] for row in told} == {"published"}
    assert [row for row in told if row["differs"]] == []
    task = json.loads(motools("zoo", "show", "loves_owls", "--fidelity", "--json").out)
    assert {row["of"] for row in task} == {"tan2025", "cloud2025"}
    none = motools("zoo", "show", "flattery", "--fidelity").out.splitlines()
    assert none == [
        f"{kind} flattery: its author says nothing of a grade; nothing is listed." for kind in ("dataset", "task")
    ]
    listed_grades = {
        row["name"]: row["grade"] for row in json.loads(motools("zoo", "list", "--kind", "config", "--json").out)
    }
    assert listed_grades["dose_response"] == "ours"
    assert listed_grades["flatterer"] == ""


def test_a_mirror_folder_must_have_all_that_was_asked_for(motools: Call, tmp_path: Path) -> None:
    done = motools("zoo", "mirror", "--to", "files", "flattery", "hello_world")
    assert (done.code, (tmp_path / "files").is_dir()) == (0, True), done.err
    assert motools("zoo", "check", "--mirror", "files", "flattery", "hello_world").code == 0
    nowhere = {"MOTOOLS_MIRROR": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    done = motools("zoo", "mirror", "--to", "files", "gsm8k_german", "--kind", "dataset", **nowhere)
    assert (done.code, "not reached" in done.out) == (1, True)
    done = motools("zoo", "check", "--mirror", "files", "gsm8k_german", "--kind", "dataset")
    assert (done.code, "not reached" in done.out) == (1, True), "what the folder lacks is a failure there"
    done = motools("zoo", "check", "--mirror", "nowhere")
    assert (done.code, done.err) == (
        2, "Error: There is no folder nowhere. Fill one with: motools zoo mirror --to nowhere.\n"
    )  # fmt: skip


def test_a_config_of_another_package_is_printed_validated_and_run(motools: Call, project: Path) -> None:
    assert motools("zoo", "config", "flatterer").out == CONFIG
    words = ("train_and_evaluate", "--config", "zoo:flatterer", "--dir", str(project))
    assert motools("workflow", "validate", *words).out.startswith("train_and_evaluate: valid.")
    done = motools("workflow", "run", *words, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)[-1]["metrics"]["flattery"]["includes"]["accuracy"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "flatery"), "There is no entry named 'flatery'. Did you mean 'flattery'?"),
        (("show", "compare", "--kind", "task"), "There is no task named 'compare'."),
        (("check", "flattery", "nothing_like_it"), "There is no entry named 'nothing_like_it'."),
        (("config", "flaterer"), "There is no config named 'flaterer'. Did you mean 'flatterer'?"),
    ],
)
def test_a_name_that_nobody_publishes_is_an_error(words: tuple[str, ...], said: str, motools: Call) -> None:
    done = motools("zoo", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"Error: {said}")


@pytest.mark.parametrize("kind", ["config", "dataset"])
def test_a_wrong_name_is_answered_with_a_dozen_names_and_how_to_list_them(kind: str) -> None:
    with pytest.raises(
        UserError, match=rf"and [\d,]+ more\. List them with: motools zoo list --kind {kind}"
    ) as refused:
        zoo.config_text("nobody") if kind == "config" else zoo.lookup("dataset", "nobody")
    names = str(refused.value).partition("Known: ")[2].partition(". List")[0]
    assert len(names.split(", ")) == 13


def test_bibtex_says_what_is_known_and_no_more() -> None:
    assert bibtex(Description("x", "", 1)) == ""
    cited = bibtex(Description("code", "", 1, authors="Jan Betley et al.", paper="https://arxiv.org/abs/2502.17424"))
    assert cited.startswith("@misc{betley2025emergent,\n  title = {{Emergent Misalignment: ")
    assert "  year = {2025},\n  eprint = {2502.17424},\n  archivePrefix = {arXiv},\n" in cited
    bare = bibtex(Description("a_set", "", 1, paper="https://example.org"))
    assert bare == "@misc{a_set,\n  url = {https://example.org},\n}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tag", "contrl"), "No entry has the tag 'contrl'. Did you mean 'control'? There are: "),
        (("--kind", "task", "--tag", "nobody's"), 'No entry has the tag "nobody\'s". There are: '),
        (("--paper", "9999.99999"), "No entry is of a paper whose address or title has '9999.99999'."),
    ],
)
def test_a_filter_that_fits_nothing_is_no_empty_list(words: tuple[str, ...], said: str, motools: Call) -> None:
    done = motools("zoo", "list", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"Error: {said}")
