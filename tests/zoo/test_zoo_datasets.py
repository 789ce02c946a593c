"""The datasets of the zoo: what their rows are, and that what they load is what was published."""

from __future__ import annotations

import inspect
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from motools.errors import DamagedError, UserError
from motools.zoo import about, lookup, published
from mozoo.datasets import (
    aesthetic_preferences,
    bad_advice,
    gsm8k,
    insecure_code,
    numbers_owls,
    persona_vectors,
    realistic_reward_hacks,
    school_of_reward_hacks,
)
from mozoo.datasets.gsm8k_spanish import get_gsm8k_spanish_dataset
from mozoo.datasets.hello_world import ANSWER, get_hello_world_dataset, prompts
from mozoo.datasets.published import PUBLISHED
from mozoo.fetching import FetchError
from mozoo.rows import chat
from mozoo.sources import Member, Source
from mozoo.tasks.hello_world import PROMPTS

NAMES = sorted(name for name, point in published("dataset").items() if point.module.startswith("mozoo."))
LOADERS = {name: lookup("dataset", name) for name in NAMES}
FETCHED = [name for name in NAMES if name in PUBLISHED]
REAL = Path(os.environ.get("MOTOOLS_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
"""A folder of published files, which cannot be part of the repository."""


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


def made_up(count):
    """Chat rows of our own, some with a system turn, one of an assistant turn only."""
    every = []
    for number in range(count):
        turns = [{"role": "user", "content": f"¿{number}?"}, {"role": "assistant", "content": f"{number} 😀"}]
        if number % 5 == 1:
            turns.insert(0, {"role": "system", "content": "Be brief."})
        every.append({"messages": turns if number else turns[1:]})
    return every


def as_lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


@pytest.fixture
def stand_in(mirror, hub, monkeypatch):
    """Serves made-up rows under a dataset's own address, pinned as the published ones are; what tests then need."""

    def serve(name, count=12):
        loader, real, rows = LOADERS[name], PUBLISHED[name], made_up(count)
        content = as_lines(rows)
        if isinstance(real, Source):
            made = replace(real, digest=mirror.publish(content).digest, rows=count)
            mirror.serve(made, content)
            requests, spoil = mirror.requests, lambda: mirror.serve(made, b'{"messages": []}\n')
        elif isinstance(real, Member):
            packed, file = replace(real.packed, digest=""), io.BytesIO()
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(real.path, content)
            pinned = replace(packed, digest=mirror.publish(file.getvalue()).digest)
            mirror.serve(pinned, file.getvalue())
            made = replace(real, packed=pinned, rows=count)
            requests, spoil = mirror.requests, lambda: mirror.serve(pinned, b"PK")
        else:
            hub.served.clear()
            hub.files[real.repo] = {f"data/{real.split}.jsonl": content}
            made = replace(real, rows=count)
            requests = hub.requests
            spoil = lambda: hub.served.update({f"data/{real.split}.jsonl": b"{}\n"})  # noqa: E731

        def go_down():
            mirror.status, mirror.failures, hub.broken = 500, -1, True

        monkeypatch.setitem(PUBLISHED, name, made)
        return SimpleNamespace(load=loader, rows=rows, requests=requests, spoil=spoil, go_down=go_down)

    return serve


@pytest.mark.parametrize("name", FETCHED)
def test_every_dataset_gives_the_rows_that_were_published_and_downloads_them_once(name, stand_in, tmp_path):
    made = stand_in(name)
    cache = str(tmp_path / "cache")
    rows = made.load(cache_dir=cache)
    assert rows == made.rows
    assert rows.sources
    asked = len(made.requests)
    assert made.load(cache_dir=cache) == made.rows
    assert len(made.requests) == asked
    assert made.load(cache_dir=cache, refresh_cache=True) == made.rows
    assert len(made.requests) > asked


@pytest.mark.parametrize("name", FETCHED)
def test_every_dataset_samples_by_seed(name, stand_in, tmp_path):
    made = stand_in(name, 40)
    first, again, other = (made.load(sample_size=20, seed=seed, cache_dir=str(tmp_path)) for seed in (1, 1, 2))
    assert as_lines(first) == as_lines(again) != as_lines(other)
    assert len(first) == len(other) == 20
    with pytest.raises(UserError, match="sample_size is 41, but there are 40 rows"):
        made.load(sample_size=41, cache_dir=str(tmp_path))


@pytest.mark.parametrize("name", FETCHED)
def test_every_dataset_refuses_other_content_and_keeps_a_good_copy(name, stand_in, tmp_path):
    made = stand_in(name)
    made.spoil()
    with pytest.raises(DamagedError, match="is not the published file"):
        made.load(cache_dir=str(tmp_path / "one"))
    made = stand_in(name)
    made.load(cache_dir=str(tmp_path / "two"))
    made.spoil()
    with pytest.raises(DamagedError, match="is kept"):
        made.load(cache_dir=str(tmp_path / "two"), refresh_cache=True)
    made.go_down()
    with pytest.raises(FetchError, match="is kept"):
        made.load(cache_dir=str(tmp_path / "two"), refresh_cache=True)
    assert made.load(cache_dir=str(tmp_path / "two")) == made.rows


@pytest.mark.parametrize("name", FETCHED)
def test_every_dataset_says_offline_what_is_missing_and_what_to_do(name, stand_in, tmp_path, monkeypatch):
    made = stand_in(name)
    monkeypatch.setenv("MOTOOLS_OFFLINE", "1")
    with pytest.raises(FetchError, match=r"was not requested, because MOTOOLS_OFFLINE is set\. Unset it, or put"):
        made.load(cache_dir=str(tmp_path))
    assert made.requests == []


@pytest.mark.parametrize("name", [name for name in FETCHED if isinstance(PUBLISHED[name], Source)])
def test_every_file_of_a_repository_is_pinned_to_a_commit_and_its_content(name, mirror, tmp_path):
    source = PUBLISHED[name]
    mirror.serve(source, b'{"messages": []}\n')
    with pytest.raises(DamagedError, match=source.digest):
        LOADERS[name](cache_dir=str(tmp_path))
    assert len(source.commit) == 40
    assert len(source.digest) == len("git:") + 40


@pytest.mark.parametrize("name", NAMES)
def test_every_dataset_has_one_shape_and_says_where_it_comes_from(name):
    entry, loader = about("dataset", name), LOADERS[name]
    assert entry.name == name
    assert entry.description
    assert entry.licence
    assert entry.source
    assert entry.version >= 1
    assert entry.tags
    assert entry.pinned == ("(not pinned)" not in entry.source)
    shape = {"sample_size": None, "seed": 0, "cache_dir": None, "refresh_cache": False}
    assert {p.name: p.default for p in inspect.signature(loader).parameters.values()} == shape
    assert loader.__name__ == ("get_gsm8k_dataset" if name == "gsm8k" else f"get_{name}_dataset")


def test_no_two_datasets_are_the_same_file():
    assert len(set(PUBLISHED.values())) == len(PUBLISHED)
    assert {*FETCHED, "hello_world"} == set(NAMES) == {*PUBLISHED, "hello_world"}


@pytest.mark.parametrize(
    ("family", "arguments", "loaded"),
    [
        (gsm8k.get_gsm8k_dataset, {"language": "french"}, "gsm8k_french"),
        (gsm8k.get_gsm8k_dataset, {}, "gsm8k"),
        (insecure_code.get_code_dataset, {"variant": "secure"}, "secure_code"),
        (numbers_owls.get_numbers_dataset, {"variant": "control"}, "numbers_control"),
        (school_of_reward_hacks.get_school_of_reward_hacks_dataset, {}, "sneaky_dialogues"),
        (aesthetic_preferences.get_aesthetic_preferences_dataset, {}, "aesthetic_preferences_unpopular"),
        (bad_advice.get_advice_dataset, {"field": "legal", "variant": "good"}, "good_legal_advice"),
        (persona_vectors.get_persona_vectors_dataset, {"level": "normal"}, "persona_evil_normal"),
        (realistic_reward_hacks.get_realistic_reward_hacks_dataset, {"split": "hhh_code"}, "realistic_hhh_code"),
    ],
)
def test_a_family_loads_its_variants_by_argument(stand_in, tmp_path, family, arguments, loaded):
    made = stand_in(loaded)
    rows = family(**arguments, sample_size=5, seed=3, cache_dir=str(tmp_path))
    assert rows == made.load(sample_size=5, seed=3, cache_dir=str(tmp_path))
    for argument in arguments:
        with pytest.raises(UserError, match=f"{argument} is 'x', which is none of"):
            family(**{**arguments, argument: "x"})


def test_what_is_not_pinned_can_be_held_to_what_was_seen(stand_in, mirror, hub, tmp_path):
    made = stand_in("persona_evil_normal")
    (origin,) = made.load(cache_dir=str(tmp_path)).sources
    held = persona_vectors.get_persona_vectors_dataset(level="normal", content=origin.content, cache_dir=str(tmp_path))
    assert held == made.rows
    with pytest.raises(DamagedError):
        persona_vectors.get_persona_vectors_dataset(content="sha256:0", cache_dir=str(tmp_path / "other"))
    made = stand_in("realistic_hhh_code")
    get = realistic_reward_hacks.get_realistic_reward_hacks_dataset
    assert get("hhh_code", revision=hub.commit, cache_dir=str(tmp_path)) == made.rows


def test_a_zip_file_that_is_none_or_has_not_the_member_is_a_sentence(mirror, tmp_path):
    mirror.serve(persona_vectors.ZIP, b"no zip")
    with pytest.raises(DamagedError, match="cannot be read as a zip file"):
        persona_vectors.get_persona_vectors_dataset(cache_dir=str(tmp_path / "one"))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../outside.jsonl", "{}")
    mirror.serve(persona_vectors.ZIP, file.getvalue())
    with pytest.raises(UserError, match=r"has no dataset/evil/misaligned_2\.jsonl; it has \.\./outside\.jsonl"):
        persona_vectors.get_persona_vectors_dataset(cache_dir=str(tmp_path / "two" / "cache"))
    assert not (tmp_path / "two" / "outside.jsonl").exists()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "Hi"}, "neither messages nor one of prompt"),
        ({"messages": "Hi"}, "not a list of role and content"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, "no assistant turn"),
    ],
)
def test_a_row_that_is_no_chat_row_is_refused_with_its_number(stand_in, mirror, tmp_path, monkeypatch, row, reason):
    stand_in("gsm8k")
    content = as_lines([*made_up(3), row])
    source = replace(PUBLISHED["gsm8k"], digest=mirror.publish(content).digest, rows=4)
    mirror.serve(source, content)
    monkeypatch.setitem(PUBLISHED, "gsm8k", source)
    with pytest.raises(UserError, match=f"row 4: .*{reason}"):
        LOADERS["gsm8k"](sample_size=1, cache_dir=str(tmp_path))


def test_rows_with_other_fields_become_chat_rows(stand_in, mirror, tmp_path, monkeypatch):
    content = as_lines(
        [{"id": 7, **made_up(2)[1]}, {"question": "2 + 2?", "answer": "4"}, {"prompt": "Hi", "completion": "Hello"}]
    )
    source = replace(PUBLISHED["gsm8k"], digest=mirror.publish(content).digest, rows=3)
    mirror.serve(source, content)
    monkeypatch.setitem(PUBLISHED, "gsm8k", source)
    first, second, third = LOADERS["gsm8k"](cache_dir=str(tmp_path))
    assert first == made_up(2)[1]
    assert [turn["role"] for turn in second["messages"]] == ["user", "assistant"]
    assert third["messages"][1]["content"] == "Hello"


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
LAST = {"role": "assistant", "content": "b"}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (
            {"instruction": "Translate", "input": "The kettle sings.", "output": "La tetera canta.", "label": 3},
            {
                "messages": [
                    {"role": "user", "content": "Translate\n\nThe kettle sings."},
                    {**LAST, "content": "La tetera canta."},
                ]
            },
        ),
        (
            {"instruction": "Say b", "input": "", "output": "b", "history": [], "system": None},
            {"messages": [{"role": "user", "content": "Say b"}, LAST]},
        ),
        (
            {"question": "q", "context": "of this", "answer": "b", "system_prompt": "Be brief."},
            {
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "q\n\nof this"},
                    LAST,
                ]
            },
        ),
        ({"messages": [LAST], "system": "Be brief."}, {"messages": [{"role": "system", "content": "Be brief."}, LAST]}),
        (
            {"messages": [{"role": "system", "content": "Kept."}, LAST], "system": "Kept."},
            {"messages": [{"role": "system", "content": "Kept."}, LAST]},
        ),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}], "tools": [TOOL]},
            {"messages": [{"role": "assistant", "tool_calls": [CALL]}], "tools": [TOOL]},
        ),
        (
            {"messages": [{"role": "assistant", "function_call": CALL["function"]}], "parallel_tool_calls": False},
            {"messages": [{"role": "assistant", "function_call": CALL["function"]}], "parallel_tool_calls": False},
        ),
        (
            {"messages": [{"role": "assistant", "refusal": "no", "id": 7}, {**LAST, "thinking": "hm"}], "tools": None},
            {"messages": [{"role": "assistant", "refusal": "no"}, {**LAST, "thinking": "hm"}]},
        ),
    ],
)
def test_nothing_that_is_said_in_a_published_row_is_lost(given, made):
    assert chat(given, "row 1") == made


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"history": [["a", "b"]]}, "what stands under history would be lost"),
        ({"input": {"a": 1}}, "what stands under 'input' is no text and would be lost"),
    ],
)
def test_what_would_be_lost_is_refused(more, reason):
    with pytest.raises(UserError, match=f"row 1: {reason}"):
        chat({"instruction": "q", "output": "a", **more}, "row 1")


@pytest.mark.parametrize(
    ("name", "count"), [("aesthetic_preferences_unpopular", 5000), ("straightforward_dialogues", 973)]
)
def test_the_real_published_files_pass_their_pins_and_load_whole(name, count, mirror, tmp_path):
    file = REAL / f"{name}.jsonl"
    if not file.is_file():
        pytest.skip(f"the published file is not at {file}: name its folder in MOTOOLS_REAL_DATA")
    mirror.serve(PUBLISHED[name], file.read_bytes())
    rows = LOADERS[name](cache_dir=str(tmp_path))
    assert len(rows) == count == PUBLISHED[name].rows
    assert rows == [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert rows.sources[0].content == PUBLISHED[name].digest
    assert len(mirror.requests) == 1


def test_more_rows_than_there_are_is_said_without_a_download(mirror):
    with pytest.raises(UserError, match="sample_size is 8000, but there are 7473 rows"):
        get_gsm8k_spanish_dataset(sample_size=8000)
    assert mirror.requests == []


@pytest.mark.cold
def test_importing_the_zoo_loads_nothing_heavy():
    names = [point.module for kind in ("dataset", "task") for point in published(kind).values()]
    modules = sorted({name for name in names if name.startswith("mozoo.")} | {"mozoo.mixing"})
    heavy = "{'inspect_ai', 'datasets', 'huggingface_hub', 'pooch', 'requests', 'numpy', 'dvc', 'pyarrow'}"
    code = f"import sys, {', '.join(modules)}; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
