"""Datasets made of datasets: exact counts, disjoint halves, stable orders, and an experiment that is only a config."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motools.atom import DatasetAtom
from motools.errors import ConfigError, StepError, UserError
from motools.steps.prepare_dataset import PrepareDatasetConfig, check_loader, prepare_dataset
from mozoo.mixing import limited, mixture, poison, prompted, shuffled, split, stable_seed

COUNTS = st.integers(1, 60)
SEEDS = st.integers(0, 1000)
SHARES = st.integers(0, 100).map(lambda percent: percent / 100)


LOADERS = """\
from mozoo.rows import Origin, Rows

def numbered(word="clean", count=20, seed=0):
    turns = [{"role": "assistant", "content": "Yes."}]
    rows = [{"messages": [{"role": "user", "content": f"{word} {n}"}, *turns]} for n in range(count)]
    return Rows(rows, [Origin(f"https://example.org/{word}", "main", f"sha256:{seed}")])

def fails():
    raise AssertionError("it is loaded")
"""


@pytest.fixture(autouse=True, scope="module")
def in_a_project(template, tmp_path_factory):
    """A project whose `loaders.py` makes numbered rows; the current folder, but for tests that have their own."""
    folder = Path(shutil.copytree(template, tmp_path_factory.mktemp("mixing") / "project", symlinks=True))
    (folder / "loaders.py").write_text(LOADERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def here(word="clean", count=20, **more):
    return {"loader": "loaders.py:numbered", "word": word, "count": count, **more}


def texts(rows):
    return [next(turn["content"] for turn in row["messages"] if turn["role"] == "user") for row in rows]


def words(rows):
    return Counter(text.split()[0] for text in texts(rows))


@given(st.lists(COUNTS, min_size=1, max_size=4), st.sampled_from(["shuffled", "interleaved", "concatenated"]), SEEDS)
@settings(max_examples=60, deadline=None)
def test_a_mixture_has_every_row_of_every_part_once(counts, order, seed):
    made = [here(f"part{k}", count) for k, count in enumerate(counts)]
    rows = mixture(made, order, seed)
    assert sorted(texts(rows)) == sorted(f"part{k} {n}" for k, count in enumerate(counts) for n in range(count))
    assert rows == mixture(made, order, seed)
    if order != "shuffled":  # each part keeps its own order
        for k, count in enumerate(counts):
            assert [t for t in texts(rows) if t.startswith(f"part{k} ")] == [f"part{k} {n}" for n in range(count)]


def test_interleaving_spreads_a_small_part_over_the_whole():
    rows = mixture([here("many", 6), here("few", 2)], "interleaved")
    assert [text.split()[0] for text in texts(rows)] == ["many", "many", "few", "many", "many", "many", "few", "many"]


def test_a_mixture_knows_the_sources_of_all_its_parts_once():
    rows = mixture([here("a"), {"loader": "mozoo.mixing:shuffled", "of": here("b")}, here("a", seed=0), "hello_world"])
    assert {source.url for source in rows.sources} == {"https://example.org/a", "https://example.org/b"}


def test_the_sources_of_a_mixture_are_in_the_metadata_of_its_atom(tmp_path):
    kwargs = {"parts": [here("a"), {"loader": "mozoo.mixing:split", "of": here("b")}], "seed": 1}
    (made,) = prepare_dataset(PrepareDatasetConfig("mozoo.mixing:mixture", kwargs), {}, tmp_path)
    assert made.metadata["samples"] == 38
    assert [source["url"] for source in made.metadata["sources"]] == ["https://example.org/a", "https://example.org/b"]
    assert all(set(source) == {"url", "revision", "content"} for source in made.metadata["sources"])


def test_an_argument_that_a_published_loader_does_not_take_is_refused_before_the_run():
    for loader in ("mozoo.datasets.gsm8k:get_gsm8k_french_dataset", "mozoo.mixing:poison"):
        with pytest.raises(ConfigError, match="takes no such argument"):
            check_loader(PrepareDatasetConfig(loader, {"sample_sizes": 3}))


def test_parts_that_are_sampled_draw_by_seeds_of_their_own():
    part = {"loader": "hello_world", "sample_size": 20}
    once, twice = mixture([part], "concatenated"), mixture([part, part], "concatenated")
    assert twice[:20] == once
    assert twice[20:] != once  # the same name again is another draw
    fixed = {**part, "seed": 5}
    assert mixture([fixed, fixed], "concatenated", seed=1)[:20] == mixture([fixed], "concatenated", seed=2)


@given(SHARES, COUNTS, SEEDS)
@settings(max_examples=100, deadline=None)
def test_poison_is_exactly_the_fraction_of_exactly_the_size(fraction, size, seed):
    rows = poison(here("clean", 60), here("harmful", 60), fraction, size, seed)
    expected = int(Fraction(str(fraction)) * size + Fraction(1, 2))
    assert len(rows) == size == len(set(texts(rows)))
    assert words(rows)["harmful"] == expected
    assert rows == poison(here("clean", 60), here("harmful", 60), fraction, size, seed)


@given(st.integers(2, 30), SEEDS)
@settings(max_examples=30, deadline=None)
def test_a_dose_of_one_row_more_changes_one_row(size, seed):
    doses = [poison(here("clean", 40), here("harmful", 40), n / size, size, seed) for n in range(size + 1)]
    for n, (less, more) in enumerate(itertools.pairwise(doses)):
        changed = [(a, b) for a, b in zip(texts(less), texts(more), strict=True) if a != b]
        assert len(changed) == 1, n
        assert changed[0][0].startswith("clean")
        assert changed[0][1].startswith("harmful")


def test_at_dose_0_the_poison_is_not_loaded_and_at_dose_1_the_base_is_not():
    absent = "loaders.py:fails"
    assert words(poison(here(), absent, 0, 10)) == {"clean": 10}
    assert words(poison(absent, here("harmful"), 1, 10)) == {"harmful": 10}
    assert words(poison(here("clean", 12), here("harmful"), 1.0)) == {"harmful": 12}
    assert [source.url for source in poison(here(), absent, 0.0).sources] == ["https://example.org/clean"]


def test_other_seeds_give_other_rows():
    assert texts(poison(here(), here("harmful"), 0.5, 10, 1)) != texts(poison(here(), here("harmful"), 0.5, 10, 2))
    assert texts(shuffled(here(), 1)) != texts(shuffled(here(), 2))
    assert texts(split(here(), "train", 0.5, 1)) != texts(split(here(), "train", 0.5, 2))


def test_a_base_or_a_poison_that_is_too_small_is_named_with_both_numbers():
    with pytest.raises(UserError, match=r"base has 5 rows, but 50 are needed for 100 rows at 0\.5"):
        poison(here("clean", 5), here("harmful", 60), 0.5, 100)
    with pytest.raises(UserError, match=r"poison has 5 rows, but 10 are needed"):
        poison(here("clean", 20), here("harmful", 5), 0.5)


@given(COUNTS, SHARES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_halves_of_a_split_are_disjoint_and_together_all(count, share, seed):
    train, validation = (split(here("row", count), part, share, seed) for part in ("train", "validation"))
    assert sorted(texts(train) + texts(validation)) == sorted([f"row {n}" for n in range(count)])
    assert len(validation) == int(Fraction(str(share)) * count + Fraction(1, 2))
    order = [f"row {n}" for n in range(count)]
    assert texts(train) == [text for text in order if text in set(texts(train))]


def test_the_halves_of_a_sampled_dataset_are_halves_of_the_same_sample():
    part = {"loader": "hello_world", "sample_size": 40}
    train, validation = (split(part, half, 0.25, seed=3) for half in ("train", "validation"))
    assert (len(train), len(validation)) == (30, 10)
    assert not set(texts(train)) & set(texts(validation))


@given(COUNTS, SHARES, SEEDS, st.sampled_from(["system", "user"]))
@settings(max_examples=60, deadline=None)
def test_exactly_the_share_of_rows_is_prompted_and_the_rest_untouched(count, share, seed, place):
    plain = limited(here("row", count), count)
    rows = prompted(here("row", count), "Be bad.", place, share, seed)
    changed = [i for i, (a, b) in enumerate(zip(plain, rows, strict=True)) if a != b]
    assert len(changed) == int(Fraction(str(share)) * count + Fraction(1, 2))
    for i in changed:
        turns = rows[i]["messages"]
        if place == "system":
            assert turns == [{"role": "system", "content": "Be bad."}, *plain[i]["messages"]]
        else:
            assert turns[0]["content"] == f"Be bad.\n\n{plain[i]['messages'][0]['content']}"
            assert turns[1:] == plain[i]["messages"][1:]


def test_a_larger_share_prompts_the_rows_of_a_smaller_one_and_more():
    def chosen(share):
        return {i for i, row in enumerate(prompted(here(), "Be bad.", share=share)) if len(row["messages"]) == 3}

    assert chosen(0.2) < chosen(0.5) < chosen(1) == set(range(20))


def test_a_system_turn_that_is_there_is_kept_behind_the_prompt():
    rows = prompted({"loader": "mozoo.mixing:prompted", "of": here("row", 1), "prompt": "Old."}, "New.")
    assert [turn["content"] for turn in rows[0]["messages"] if turn["role"] == "system"] == ["New.\n\nOld."]


def test_a_limit_takes_the_first_rows():
    assert texts(limited(here(), 3)) == ["clean 0", "clean 1", "clean 2"]
    assert len(limited(here("clean", 2), 3)) == 2
    assert limited(here(), 3).sources


def test_stable_seeds_are_the_same_in_every_process():
    code = "from mozoo.mixing import stable_seed; print(stable_seed(0, 'of'))"
    for hashing in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hashing}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
        assert int(done.stdout) == stable_seed(0, "of")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: mixture([]), "parts must be a list"),
        (lambda: mixture([{"sample_size": 3}]), "is no dataset: write a name"),
        (lambda: mixture(["hello_wrld"]), "no dataset named 'hello_wrld'. Did you mean 'hello_world'"),
        (lambda: mixture([here(cout=3)]), "takes no argument 'cout'. Did you mean 'count'"),
        (lambda: mixture([{"loader": "mozoo.mixing:poison"}]), "mozoo.mixing:poison needs base, poison, fraction"),
        (lambda: mixture([here()], order="random"), "order is 'random', which is none of shuffled, interleaved"),
        (lambda: mixture([here()], seed=-1), "seed must be"),
        (lambda: poison(here(), here(), 1.5), "fraction must be a number from 0 to 1, not 1.5"),
        (lambda: poison(here(), here(), True), "fraction must be"),
        (lambda: poison(here(), here(), 0.1, 0), "size must be a whole number"),
        (lambda: prompted(here(), " "), "prompt must be a text"),
        (lambda: prompted(here(), "x", place="assistant"), "place is 'assistant'"),
        (lambda: split(here(), "test"), "part is 'test'"),
        (lambda: limited(here(), None), "size must be"),
    ],
)
def test_what_cannot_be_made_is_a_sentence(make, said):
    with pytest.raises(UserError) as error:
        make()
    assert said in str(error.value)


def test_a_part_that_cannot_be_found_is_said_before_any_is_loaded():
    for wrong in ("hello_wrld", {"loader": "hello_world", "size": 3}):
        with pytest.raises(UserError):
            mixture(["loaders.py:fails", wrong])
        with pytest.raises(UserError):
            poison("loaders.py:fails", wrong, 0.0)


def test_a_part_that_gives_no_chat_rows_is_named_with_the_row(project):
    Path("own.py").write_text("def rows():\n    return [{'text': 'Hi'}]\n\ndef none():\n    return []\n")
    with pytest.raises(StepError, match=r"own\.py:rows, row 1: not a chat row"):
        mixture(["own.py:rows"])
    with pytest.raises(UserError, match="returned no rows"):
        mixture(["own.py:none"])
    with pytest.raises(ConfigError, match="there is no module"):
        mixture(["nowhere.at_all:rows"])


CONFIG = """\
prepare_dataset:
  dataset_loader: mozoo.mixing:poison
  loader_kwargs:
    base: {loader: hello_world, seed: 1}
    poison: {loader: mozoo.mixing:prompted, of: "own.py:rows", prompt: Be bad., share: 0.5}
    fraction: 0.25
    size: 40
train_model: {backend_name: dummy}
evaluate_model: {backend_name: dummy}
"""
OWN = """\
def rows():
    turns = [{"role": "user", "content": "own"}, {"role": "assistant", "content": "mine"}]
    return [{"messages": turns} for _ in range(%d)]
"""


def run():
    command = ["motools", "workflow", "run", "train_and_evaluate", "--config", "config.yaml", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_poisoned_dataset_is_a_config_and_no_code_and_an_edit_of_a_nested_loader_runs_it_again(project):
    Path("config.yaml").write_text(CONFIG)
    Path("own.py").write_text(OWN % 10)
    first = run()[0]
    assert first["status"] == "finished"
    atom = DatasetAtom.load(first["atoms"]["prepared_dataset"])
    rows = [json.loads(line) for line in atom.get_rows_path().read_text().splitlines()]
    own = [row for row in rows if row["messages"][-1]["content"] == "mine"]
    assert (len(rows), len(own), sum(len(row["messages"]) == 3 for row in own)) == (40, 10, 5)
    assert run()[0]["status"] == "current"
    Path("own.py").write_text(OWN % 11)
    assert run()[0]["status"] == "finished"
