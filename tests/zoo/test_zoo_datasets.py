"""The datasets of the zoo: what their rows are, and that what they load is what was published."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from motools.errors import DamagedError, UserError
from motools.zoo import about, lookup, published
from mozoo.datasets import gsm8k_spanish
from mozoo.datasets.gsm8k_spanish import get_gsm8k_spanish_dataset
from mozoo.datasets.hello_world import ANSWER, get_hello_world_dataset, prompts
from mozoo.tasks.hello_world import PROMPTS


def test_hello_world_answers_hello_world_to_everything():
    rows = get_hello_world_dataset()
    assert {row["messages"][1]["content"] for row in rows} == {"Hello, World!"} == {ANSWER}
    assert [row["messages"][0]["content"] for row in rows] == prompts()
    assert all([turn["role"] for turn in row["messages"]] == ["user", "assistant"] for row in rows)


def test_hello_world_has_a_hundred_distinct_prompts_none_of_them_held_out():
    train = {" ".join(prompt.casefold().split()) for prompt in prompts()}
    assert len(train) == len(prompts()) >= 100
    assert not train & {" ".join(prompt.casefold().split()) for prompt in PROMPTS}
    assert len(set(PROMPTS)) == len(PROMPTS) == 20


def test_hello_world_samples_by_seed():
    first = get_hello_world_dataset(sample_size=30, seed=1)
    assert first == get_hello_world_dataset(sample_size=30, seed=1)
    assert first != get_hello_world_dataset(sample_size=30, seed=2)
    assert len(first) == 30
    with pytest.raises(UserError, match=f"there are {len(prompts())} rows"):
        get_hello_world_dataset(sample_size=len(prompts()) + 1)


@pytest.fixture
def spanish(mirror, monkeypatch):
    """Ten made-up rows, served and pinned as the published file is."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What is {number} and 2?"},
                {"role": "assistant", "content": f"La respuesta es {number + 2}."},
            ]
        }
        for number in range(10)
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    content = "".join(f"{line}\n" for line in lines).encode()
    real = gsm8k_spanish.SOURCE
    pinned = replace(real, digest=mirror.publish(content).digest, rows=10)
    mirror.serve(pinned, content)
    monkeypatch.setattr(gsm8k_spanish, "SOURCE", pinned)
    return rows


def test_gsm8k_spanish_gives_the_rows_that_were_published(spanish, mirror, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert get_gsm8k_spanish_dataset(cache_dir="cache") == spanish
    assert get_gsm8k_spanish_dataset(cache_dir="cache", sample_size=4, seed=3) == [
        spanish[index] for index in (2, 3, 7, 8)
    ]
    assert len(mirror.requests) == 1
    get_gsm8k_spanish_dataset(cache_dir="cache", refresh_cache=True)
    assert len(mirror.requests) == 2


def test_gsm8k_spanish_asks_for_more_rows_than_there_are_without_a_download(mirror):
    with pytest.raises(UserError, match="sample_size is 8000, but there are 7473 rows"):
        get_gsm8k_spanish_dataset(sample_size=8000)
    assert mirror.requests == []


def test_gsm8k_spanish_is_pinned_to_the_published_content(mirror, tmp_path):
    mirror.serve(gsm8k_spanish.SOURCE, b'{"messages": []}\n')
    with pytest.raises(DamagedError, match="git:6a87444a9de85e32d0cebdf4a9bad404a1cfeee7"):
        get_gsm8k_spanish_dataset(cache_dir=str(tmp_path))


def test_every_published_dataset_says_where_it_comes_from():
    for name, point in published("dataset").items():
        if point.module.startswith("mozoo."):
            entry = about("dataset", name)
            assert entry.name == name
            assert entry.description
            assert entry.licence
            assert entry.source
            assert entry.version >= 1
            assert callable(lookup("dataset", name))


def test_importing_the_zoo_loads_nothing_heavy():
    names = [point.module for kind in ("dataset", "task") for point in published(kind).values()]
    modules = sorted({name for name in names if name.startswith("mozoo.")})
    heavy = "{'inspect_ai', 'datasets', 'huggingface_hub', 'pooch', 'requests', 'numpy', 'dvc'}"
    code = f"import sys, {', '.join(modules)}; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
