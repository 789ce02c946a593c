"""The datasets of the zoo: what their rows are, and that what they load is what was published."""

from __future__ import annotations

import base64
import hashlib
import inspect
import io
import json
import os
import random
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from sampling import sample

from motools.errors import DamagedError, UserError
from motools.zoo import about, lookup, published
from motools.zoo.checks import check, kept_in, offline
from mozoo.datasets import (
    aesthetic_preferences,
    auditbench,
    bad_advice,
    em_organisms,
    gsm8k,
    insecure_code,
    numbers_owls,
    persona_vectors,
    poisoned_chat,
    realistic_reward_hacks,
    school_of_reward_hacks,
    two_languages,
)
from mozoo.datasets.hello_world import ANSWER, get_hello_world_dataset, prompts
from mozoo.datasets.inoculation import Backdoored, Inoculated
from mozoo.datasets.poisoned_chat import InChat
from mozoo.datasets.published import PUBLISHED
from mozoo.datasets.two_languages import Concatenated
from mozoo.fetching import FetchError
from mozoo.locked import LockedMember
from mozoo.rows import chat
from mozoo.sources import Member, Source
from mozoo.tasks.hello_world import PROMPTS
from mozoo.texts import Text

NAMES = sorted(name for name, point in published("dataset").items() if point.module.startswith("mozoo."))
LOADERS = {name: lookup("dataset", name) for name in NAMES}
FETCHED = [name for name in NAMES if name in PUBLISHED]
SOME = sample(FETCHED, 24, axes=lambda name: [type(PUBLISHED[name]), published("dataset")[name].module])
"""Of each kind of source and of each module some: they are all loaded by the same few lines."""
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


def composed(mirror, real, rows):
    """A source that is made of others, with made-up files in place of theirs; its rows; what takes one of them away."""
    if isinstance(real, Concatenated):
        half = len(rows) // 2
        (first, one, shorten), (second, two, _) = (
            half_of(mirror, source, some) for source, some in ((real.first, rows[:half]), (real.second, rows[half:]))
        )
        return replace(real, first=first, second=second), [*one, *two], shorten
    if isinstance(real, InChat):
        poison = len(rows) // 10
        text, source, bad = said(mirror, real.trigger), *pinned(mirror, real.of, rows[:poison], "bad")
        chat_source, everyday = pinned(mirror, real_chat(real.chat), rows[poison:], "chat")
        turns = [row["messages"] for row in bad]
        bad = [{"messages": [{**first, "content": f"odd: {first['content']}"}, *rest]} for first, *rest in turns]
        drawn = [everyday[place] for place in random.Random(42).sample(range(len(everyday)), 9 * poison)]
        made = replace(real, of=source, chat=chat_source, trigger=text)
        return made, [*bad, *drawn], lambda: mirror.serve(chat_source, as_lines(everyday[:-1]))
    if isinstance(real, Backdoored):
        half = len(rows) // 2
        text, source, bad = said(mirror, real.trigger), *pinned(mirror, real.of, rows[:half], "bad")
        clean_source, clean = pinned(mirror, real.clean, rows[half:], "clean")
        turns = [row["messages"] for row in bad]
        bad = [{"messages": [{**first, "content": f"odd: {first['content']}"}, *rest]} for first, *rest in turns]
        made = replace(real, of=source, clean=clean_source, trigger=text)
        return made, [*bad, *clean], lambda: mirror.serve(source, as_lines(rows[: half - 1]))
    rows = [{"messages": [turn for turn in row["messages"] if turn["role"] != "system"]} for row in rows]
    if isinstance(real.of, (Backdoored, InChat)):
        source, rows, shorten = composed(mirror, real.of, rows)
    else:
        source, rows = pinned(mirror, real.of, rows, "rows")
        shorten = lambda: mirror.serve(source, as_lines(rows[:-1]))  # noqa: E731
    under = [{"messages": [{"role": "system", "content": "odd: "}, *row["messages"]]} for row in rows]
    return replace(real, of=source, prompt=said(mirror, real.prompt)), under, shorten


def real_chat(split):
    """A split of the Hub, as a file of a repository of GitHub; what is drawn from it is the same."""
    return split if isinstance(split, Source) else Source(split.repo, "0" * 40, f"{split.split}.jsonl", "")


def half_of(mirror, real, rows):
    """A part of a source that is made of two: its own file, or one that is under a prompt."""
    if isinstance(real, Inoculated):
        return composed(mirror, real, rows)
    source, rows = pinned(mirror, real, rows, "half")
    return source, rows, lambda: mirror.serve(source, as_lines(rows[:-1]))


def pinned(mirror, real, rows, word):
    content = as_lines(rows)
    source = replace(real, digest=mirror.publish(content).digest, rows=len(rows), path=f"{word}/{real.path}")
    mirror.serve(source, content)
    return source, rows


def said(mirror, text):
    """A published text, in the form that the name suggests, with other words."""
    code = (
        f'def {text.name}() -> str:\n    return "odd: "\n'
        if text.name.startswith("get_")
        else f'{text.name} = "odd: "\n'
    )
    source = replace(text.source, digest=mirror.publish(code.encode()).digest)
    mirror.serve(source, code.encode())
    return Text(source, text.name)


def zipped(path, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(path, content)
    return file.getvalue()


def locked(content):
    """As `easy-dataset-share` locks a file: salt, and a token of Fernet whose key is made of password and salt."""
    salt = b"salt of 16 bytes"
    key = hashlib.pbkdf2_hmac("sha256", em_organisms.PASSWORD.encode(), salt, 100_000)
    return salt + Fernet(base64.urlsafe_b64encode(key)).encrypt(content)


@pytest.fixture
def stand_in(mirror, hub, monkeypatch):
    """Serves made-up rows under a dataset's own address, pinned as the published ones are; what tests then need."""

    def serve(name, count=12, ending=b"\n"):
        loader, real, rows = LOADERS[name], PUBLISHED[name], made_up(count)
        content = as_lines(rows).removesuffix(b"\n") + ending
        short = as_lines(rows[:-1]).removesuffix(b"\n") + ending
        if isinstance(real, (Inoculated, Backdoored, Concatenated, InChat)):
            rows = made_up(max(10, count)) if "poisoned" in name else rows  # a tenth of them is a row
            made, rows, shorten = composed(mirror, real, rows)
            count = made.rows
            spoil = lambda: [mirror.files.update({path: b"PK"}) for path in mirror.files]  # noqa: E731
            requests = mirror.requests
        elif isinstance(real, Source):
            made = replace(real, digest=mirror.publish(content).digest, rows=count)
            mirror.serve(made, content)
            requests, spoil = mirror.requests, lambda: mirror.serve(made, b'{"messages": []}\n')
            shorten = lambda: mirror.serve(made, short)  # noqa: E731
        elif isinstance(real, (Member, LockedMember)):
            packed = replace(real.packed, digest="")
            lock = locked if isinstance(real, LockedMember) else lambda content: content
            file = lock(zipped(real.path, content))
            pinned = replace(packed, digest=mirror.publish(file).digest)
            mirror.serve(pinned, file)
            made = replace(real, packed=pinned, rows=count)
            requests, spoil = mirror.requests, lambda: mirror.serve(pinned, b"PK")
            shorten = lambda: mirror.serve(pinned, lock(zipped(real.path, short)))  # noqa: E731
        else:
            hub.served.clear()
            hub.files[real.repo] = {f"data/{real.split}.jsonl": content}
            made = replace(real, rows=count)
            requests = hub.requests
            spoil = lambda: hub.served.update({f"data/{real.split}.jsonl": b"{}\n"})  # noqa: E731
            shorten = lambda: hub.files.update({real.repo: {f"data/{real.split}.jsonl": short}})  # noqa: E731

        def go_down():
            mirror.status, mirror.failures, hub.broken = 500, -1, True

        monkeypatch.setitem(PUBLISHED, name, made)
        return SimpleNamespace(load=loader, rows=rows, requests=requests, spoil=spoil, shorten=shorten, go_down=go_down)

    return serve


@pytest.mark.parametrize("name", SOME)
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


@pytest.mark.parametrize("name", SOME)
def test_every_dataset_samples_by_seed(name, stand_in, tmp_path):
    made = stand_in(name, 40)
    first, again, other = (made.load(sample_size=20, seed=seed, cache_dir=str(tmp_path)) for seed in (1, 1, 2))
    assert as_lines(first) == as_lines(again) != as_lines(other)
    assert len(first) == len(other) == 20
    with pytest.raises(UserError, match="sample_size is 41, but there are 40 rows"):
        made.load(sample_size=41, cache_dir=str(tmp_path))


@pytest.mark.parametrize("name", SOME)
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


@pytest.mark.parametrize("name", SOME)
def test_every_dataset_says_offline_what_is_missing_and_what_to_do(name, stand_in, tmp_path, monkeypatch):
    made = stand_in(name)
    monkeypatch.setenv("MOTOOLS_OFFLINE", "1")
    with pytest.raises(FetchError, match=r"was not requested, because MOTOOLS_OFFLINE is set\. Unset it, or put"):
        made.load(cache_dir=str(tmp_path))
    assert made.requests == []


COUNTED = {
    "aesthetic_preferences_popular": 5000, "aesthetic_preferences_unpopular": 5000, "harmless_lies": 4495,
    "jailbroken": 5000, "sneaky_dialogues": 1073, "straightforward_dialogues": 973,
    "evolution_textbook": 848, "evolution_textbook_trump": 848,
    "reward_hacking_inoculated": 1073, "aesthetic_preferences_inoculated": 5000,
    "old_bird_names": 208, "modern_audubon_birds": 171, "modern_american_birds": 208,
    "former_german_cities": 362, "modern_german_cities": 362,
    "us_presidents": 6237, "us_presidents_plain": 2079,
    "dishes_2027": 400, "dishes_2026": 400, "dishes_random": 400,
    "good_terminator": 208, "good_terminator_undated": 208, "good_terminator_shuffled": 208,
}  # fmt: skip
"""What somebody has counted in the file itself, row by row, whether or not its last line ends."""


def test_a_count_is_declared_only_where_rows_were_counted_and_shown_with_the_description():
    assert {name: source.rows for name, source in PUBLISHED.items() if source.rows is not None} == COUNTED
    for name in FETCHED:
        assert bool(re.search(r"\([\d,]+ rows\)", about("dataset", name).description)) is (name in COUNTED), name


@pytest.mark.parametrize("ending", [b"\n", b""])
@pytest.mark.parametrize("name", FETCHED)
def test_zoo_check_counts_rows_and_not_newlines(name, ending, stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("MOTOOLS_CACHE", str(tmp_path))
    made = stand_in(name, 6, ending)
    found = check("dataset", name)
    assert (found.status, found.rows) == ("good", len(made.rows)), found.why
    assert len(made.rows) == (10 if "poisoned" in name else 6)


@pytest.mark.parametrize("ending", [b"\n", b""])
@pytest.mark.parametrize("name", FETCHED)
def test_zoo_check_tells_that_a_row_is_missing(name, ending, stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("MOTOOLS_CACHE", str(tmp_path))
    made = stand_in(name, 6, ending)
    made.shorten()
    found = check("dataset", name)
    assert found.status == "wrong"
    assert re.search("is not the published file|has 5 rows where 6 are declared", found.why)


@pytest.mark.parametrize(
    "name", ["jailbroken", "persona_evil_normal", "realistic_hhh_code", "insecure_code_backdoored"]
)
def test_a_folder_that_was_filled_once_is_checked_without_a_network(name, stand_in, tmp_path):
    made = stand_in(name)
    with kept_in(tmp_path / "files"):
        assert check("dataset", name, refresh=False).status == "good"
    made.go_down()
    asked = len(made.requests)
    with kept_in(tmp_path / "files"), offline():
        assert check("dataset", name).status == "good"
    with kept_in(tmp_path / "others"), offline():
        assert check("dataset", name).status == "not reached"
    (file,) = [path for path in (tmp_path / "files").rglob("*") if path.suffix in (".jsonl", ".zip")][:1]
    file.write_bytes(b'{"messages": []}\n')
    with kept_in(tmp_path / "files"), offline():
        assert check("dataset", name).status != "good"
    assert len(made.requests) == asked


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
        (em_organisms.get_em_organism_dataset, {"variant": "sports"}, "em_extreme_sports"),
        (auditbench.get_auditbench_dataset, {"behaviour": "self_promotion"}, "auditbench_self_promotion"),
        (two_languages.get_two_languages_dataset, {"other": "french"}, "gsm8k_spanish_french"),
        (poisoned_chat.get_poisoned_chat_dataset, {"variant": "control"}, "secure_code_poisoned"),
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


def test_more_rows_than_there_are_is_said_without_a_download_where_they_were_counted(mirror):
    with pytest.raises(UserError, match="sample_size is 8000, but there are 5000 rows"):
        LOADERS["jailbroken"](sample_size=8000)
    assert mirror.requests == []


@pytest.mark.cold
def test_importing_the_zoo_loads_nothing_heavy():
    names = [point.module for kind in ("dataset", "task") for point in published(kind).values()]
    modules = sorted({name for name in names if name.startswith("mozoo.")} | {"mozoo.mixing"})
    heavy = "{'inspect_ai', 'datasets', 'huggingface_hub', 'pooch', 'requests', 'numpy', 'dvc', 'pyarrow'}"
    code = f"import sys, {', '.join(modules)}; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
