"""What a function has made is never thrown away, whatever fails afterwards: it is put aside and taken up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain import OUTPUTS, Chain, commit, dvc, eventually, git

from motools.base.files import in_words
from motools.repo.file_hashes import FileHashes


@pytest.fixture
def chain(project: Path) -> Chain:
    return Chain.lay(project)


def aside(chain: Chain) -> list[Path]:
    return sorted(chain.path(".motools", "finished").glob("*"))


def is_sound(chain: Chain) -> None:
    assert chain.run().statuses == ["current"] * 3
    assert chain.dvc_status() == {}
    assert chain.leftovers() == []
    assert aside(chain) == []


@pytest.fixture
def small_cache(chain: Chain) -> Iterator[Path]:
    """A cache on a disk of its own, of 300 kB."""
    cache = chain.path(".dvc", "cache")
    cache.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(cache)]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield cache
    subprocess.run(["umount", str(cache)], check=True)


def test_what_the_cache_has_no_room_for_waits_until_it_has(chain: Chain, small_cache: Path) -> None:
    chain.set("train", fill=100_000)  # times five letters
    failed = chain.run()
    assert failed.statuses == ["finished", "failed", "skipped"]
    [folder] = aside(chain)
    assert f"No space left on device: {small_cache}" in failed.said
    assert f"What the step made is kept in {folder}." in failed.said
    assert "`motools run --stages train --force` executes the step again" in failed.said
    assert chain.run().statuses == ["current", "failed", "skipped"]
    assert len(aside(chain)) == 1
    assert chain.executed() == ["dataset", "model"]
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_cache)], check=True)
    assert chain.run().statuses == ["current", "finished", "finished"]
    assert chain.executed() == ["results"]
    is_sound(chain)


ODD_USAGE = [
    '{"m": {"input_tok',
    "null",
    "[1, 2]",
    '{"m": {"input_tokens": null, "output_tokens": 3}}',
    '{"a": NaN}',
    "\xff",
    '{"a": "half an emoji: \\ud83d"}',
    '{"m": {"input_tokens": 1e999}}',
    '{"a": ' + "[" * 120 + "]" * 120 + "}",
]


@pytest.mark.parametrize("text", [*ODD_USAGE, "\xff", "[" * 100_000])
def test_a_result_is_kept_whatever_its_usage_says(chain: Chain, text: str) -> None:
    chain.path("usage").write_text(text, encoding="latin-1")
    chain.edit("chain.py", '    out = workspace / "out"\n', f"    {COPY_USAGE}\n" + '    out = workspace / "out"\n')
    assert chain.run().statuses == ["finished"] * 3
    costs = chain.command("costs", str(chain.folder))
    assert costs.code == 0
    assert "Traceback" not in costs.err
    assert chain.executed() == OUTPUTS


DISTURBED = {
    "a pipe where its usage is read": 'os.mkfifo(workspace / "usage.json")',
    "no standard output": "import sys; sys.stdout = sys.stderr = None",
    "a closed standard output": "import sys; sys.stdout.close()",
    "a mask that takes all rights away": "os.umask(0o777)",
    "descriptors that are closed": "os.close(1); os.close(2)",
}


@pytest.mark.parametrize("what", DISTURBED)
def test_a_result_is_kept_whatever_its_function_leaves_behind_in_the_process(chain: Chain, what: str) -> None:
    chain.edit("chain.py", "    return [Atom", f"    {DISTURBED[what]}\n    return [Atom")
    assert chain.run().statuses == ["finished"] * 3
    assert chain.executed() == OUTPUTS
    for path in ("atoms/model", "atoms/model/atom.json", "atoms/model/data/part.txt", "runs/train.json"):
        assert chain.path(path).stat().st_mode & 0o400, path
    is_sound(chain)


def test_where_a_result_waits_is_told_although_its_log_can_be_written_no_more(chain: Chain) -> None:
    less = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    chain.edit("chain.py", "    return [Atom", f"    {less}\n    return [Atom")
    failed = chain.run()
    [folder] = aside(chain)
    assert f"What the step made is kept in {folder}." in failed.said


COPY_USAGE = 'import shutil; shutil.copy(Path(__file__).with_name("usage"), workspace / "usage.json")'


@pytest.mark.parametrize("how", ["read", "written"])
def test_a_result_is_kept_although_the_name_of_a_file_is_not_utf8(chain: Chain, how: str) -> None:
    chain.path("data").mkdir()
    odd = os.fsencode(chain.path("data")) + b"/\xff.txt"
    if how == "read":
        with open(odd, "w") as file:
            file.write("one")
        do = "[open(os.path.join(at, name)).read() for name in os.listdir(at)]"
    else:
        do = "open(os.path.join(at, os.fsdecode(bytes([255])) + '.txt'), 'w').write('one')"
    chain.edit("chain.py", "def train(", f"def train(config, *rest):\n    at = LOG.with_name('data')\n    {do}\n"
               "    return trained(config, *rest)\n\n\ndef trained(")  # fmt: skip
    assert chain.run().statuses == ["finished"] * 3
    assert chain.executed() == OUTPUTS
    is_sound(chain)
    if how == "read":
        with open(odd, "w") as file:
            file.write("two")
        assert chain.run().statuses[1] == "finished", "it counts, though DVC cannot name it"


def test_a_result_is_kept_whatever_its_person_is_called(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTOOLS_USER", "J\udcfcrgen")  # as Latin-1 arrives
    assert chain.run().statuses == ["finished"] * 3
    assert json.loads(chain.path("runs", "train.json").read_bytes())["user"] == "J\udcfcrgen"
    is_sound(chain)


def test_what_a_dvcignore_hides_is_taken_up_when_its_rule_is_gone(chain: Chain) -> None:
    rules = chain.path(".dvcignore").read_text()
    chain.path(".dvcignore").write_text("fill.txt\n")
    failed = chain.run()
    assert failed.code == 1
    assert "A .dvcignore hides atoms/dataset/data/sub/fill.txt" in failed.said
    chain.path(".dvcignore").write_text(rules)
    assert chain.run().statuses == ["finished"] * 3
    assert chain.executed() == OUTPUTS
    is_sound(chain)


def test_what_holds_a_key_is_taken_up_when_that_is_a_key_no_longer(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "dataset 0 []")
    failed = chain.run()
    assert failed.code == 1
    assert "would hold the value of SOME_API_KEY, for all to read." in failed.said
    assert os.stat(chain.path(".motools", "finished")).st_mode & 0o077 == 0
    monkeypatch.delenv("SOME_API_KEY")
    assert chain.run().statuses == ["finished"] * 3
    assert chain.executed() == OUTPUTS
    is_sound(chain)


WRONG = {
    "another name": ("AtomConstructor(name, out, kind)", 'AtomConstructor("datset", out, kind)', "'datset'"),
    "nothing": ("return [AtomConstructor(name, out, kind)]", "return None", "returned None"),
    "a path that is not there": ("AtomConstructor(name, out,", 'AtomConstructor(name, out / "no",', "does not exist"),
    "a link": ("    return [Atom", '    (out / "link").symlink_to(__file__)\n    return [Atom', "is a link"),
    "no path": ("AtomConstructor(name, out, kind)", "AtomConstructor(name, None, kind)", "its path is none"),
    "a path of a null byte": ("(name, out, kind)", "(name, 'a\\0b', kind)", "its path is none"),
    "no name": ("AtomConstructor(name, out, kind)", "AtomConstructor(None, out, kind)", "its name is no text"),
    "metadata that is no mapping": ("(name, out, kind)", "(name, out, kind, [1])", "its metadata is no mapping"),
    "metadata that is not JSON": ("(name, out, kind)", "(name, out, kind, {'at': Path('x')})", "is not JSON"),
}


@pytest.mark.parametrize("how", WRONG)
def test_what_a_function_returns_wrongly_is_kept_where_the_error_says(chain: Chain, how: str) -> None:
    before, after, words = WRONG[how]
    chain.edit("chain.py", before, after)
    failed = chain.run()
    assert failed.code == 1
    assert words.strip("'") in failed.said
    [folder] = aside(chain)
    assert str(folder) in failed.said
    assert (folder / "workspace" / "out" / "sub" / "fill.txt").read_text() == "dataset" * 10


def test_an_evaluation_whose_metrics_cannot_be_read_is_kept_and_not_executed_again(chain: Chain) -> None:
    chain.edit("chain.py", '{{"task"', 'oops{{"task"')
    failed = chain.run()
    assert failed.statuses == ["finished", "finished", "failed"]
    assert "cannot keep its output 'results': its metrics.json cannot be read: " in failed.said
    [folder] = aside(chain)
    assert f"What the step made is kept in {folder}." in failed.said
    assert chain.executed() == OUTPUTS
    assert chain.run().statuses == ["current", "current", "failed"]
    assert chain.executed() == []


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN"])
def test_a_metric_that_is_no_finite_number_is_null_in_a_file_that_is_json(chain: Chain, number: str) -> None:
    chain.edit("chain.py", '{{"mean": {config.seed}.5}}', f'{{{{"mean": {number}, "n": 1}}}}')
    done = chain.command("run", str(chain.folder))
    assert done.code == 0

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    text = chain.path("metrics", "evaluate.json").read_text()
    assert json.loads(text, parse_constant=refuse) == {"task": {"score": {"mean": None, "n": 1}}}
    word = "task.score.mean is no finite number, which JSON cannot say: metrics/evaluate.json has null."
    assert (word in " ".join(f"{done.out} {done.err}".split())) is (number != "NaN"), (
        "which has been null from the beginning"
    )
    is_sound(chain)


def test_what_somebody_has_edited_there_is_no_result(chain: Chain) -> None:
    chain.path(".dvcignore").write_text("fill.txt\n")
    assert chain.run().code == 1
    [folder] = aside(chain)
    (folder / "workspace" / "out" / "part.txt").write_text("better")
    chain.path(".dvcignore").write_text("")
    assert chain.run().statuses == ["finished"] * 3
    assert chain.executed() == ["dataset", *OUTPUTS]
    assert (folder / "workspace" / "out" / "part.txt").read_text() == "better"


def test_force_executes_what_was_put_aside(chain: Chain) -> None:
    chain.path(".dvcignore").write_text("fill.txt\n")
    assert chain.run().code == 1
    chain.path(".dvcignore").write_text("")
    assert chain.run("--stages", "prepare", "--force").statuses[0] == "finished"
    assert chain.executed() == ["dataset", "dataset"]
    assert chain.run().statuses == ["current", "finished", "finished"]
    is_sound(chain)


def test_what_was_put_aside_is_not_taken_up_when_the_code_has_changed(chain: Chain) -> None:
    chain.path(".dvcignore").write_text("fill.txt\n")
    assert chain.run().code == 1
    chain.path(".dvcignore").write_text("")
    chain.edit("chain.py", 'write_text(f"{name} {config.seed}', 'write_text(f"now {name} {config.seed}')
    assert chain.run().statuses == ["finished"] * 3
    assert chain.executed() == ["dataset", *OUTPUTS]
    assert chain.path("atoms", "dataset", "data", "part.txt").read_text().startswith("now dataset")
    is_sound(chain)


def test_what_had_finished_when_everything_was_killed_is_not_executed_again(chain: Chain) -> None:
    chain.path("atoms").mkdir()
    ignore = chain.path("atoms", ".dvcignore")
    os.mkfifo(ignore)  # which is read between the function's end and the cache, and keeps its reader waiting
    process = chain.start()
    made = eventually(lambda: list(chain.path(".motools", "work").glob("*/made.json")))
    process.kill()
    process.communicate()
    ignore.unlink()
    assert made
    assert chain.run().statuses == ["finished"] * 3
    assert chain.executed() == OUTPUTS
    is_sound(chain)


def test_a_single_step_takes_up_what_was_killed_too(chain: Chain) -> None:
    chain.path("atoms").mkdir()
    ignore = chain.path("atoms", ".dvcignore")
    os.mkfifo(ignore)
    process = chain.start()
    eventually(lambda: list(chain.path(".motools", "work").glob("*/made.json")))
    process.kill()
    process.communicate()
    ignore.unlink()
    assert chain.command("step", "run", "chain.py:workflow", "prepare").code == 0
    assert chain.executed() == ["dataset"]
    assert chain.run().statuses == ["restored", "finished", "finished"]
    is_sound(chain)


def test_what_was_put_aside_goes_when_another_clone_has_executed_the_same_later(chain: Chain, tmp_path: Path) -> None:
    commit(chain.folder)
    git(tmp_path, "clone", "-q", str(chain.folder), str(tmp_path / "clone"))
    clone = Chain(tmp_path / "clone")
    dvc(clone.folder, "cache", "dir", "--local", str(chain.path(".dvc", "cache")))
    rules = chain.path(".dvcignore").read_text()
    chain.path(".dvcignore").write_text("fill.txt\n")
    assert chain.run().code == 1
    chain.path(".dvcignore").write_text(rules)
    assert len(aside(chain)) == 1
    assert clone.run().statuses == ["finished"] * 3
    assert chain.run().statuses == ["restored"] * 3
    assert chain.executed() == ["dataset"]
    is_sound(chain)


def test_what_was_put_aside_stays_where_the_result_of_an_earlier_execution_is_taken(chain: Chain) -> None:
    assert chain.run().code == 0
    rules = chain.path(".dvcignore").read_text()
    chain.path(".dvcignore").write_text("fill.txt\n")
    assert chain.run("--stages", "prepare", "--force").code == 1
    chain.path(".dvcignore").write_text(rules)
    assert chain.run().statuses == ["restored", "current", "current"]
    assert len(aside(chain)) == 1


@pytest.mark.parametrize("what", ["KeyboardInterrupt", "GeneratorExit", "KeyError('x')"])
def test_whatever_a_function_raises_is_named(chain: Chain, what: str) -> None:
    chain.edit("chain.py", "    time.sleep(config.pause)\n", f"    raise {what}\n")
    failed = chain.run()
    assert failed.statuses == ["failed", "skipped", "skipped"]
    assert f"The step 'prepare' failed: {what.partition('(')[0]}" in failed.said
    assert f"raise {what}" in chain.path(".motools", "logs", "prepare.log").read_text()
    assert chain.leftovers() == []


def test_what_fails_while_a_tree_is_copied_is_told_as_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a").symlink_to("nowhere")
    with pytest.raises(shutil.Error) as caught:
        shutil.copytree(tmp_path / "from", tmp_path / "to")
    assert in_words(caught.value) == f"No such file or directory: {tmp_path / 'to' / 'a'}"


def test_what_was_kept_or_looked_into_a_month_ago_goes_and_nothing_else(chain: Chain) -> None:
    assert chain.run().code == 0
    private = chain.path(".motools")
    for name in ("kept/old", "kept/new", "atoms/old", "atoms/new", "finished/old", "replaced/old"):
        (private / name).mkdir(parents=True)
        if name.endswith("old"):
            os.utime(private / name, (0, 0))
    chain.set(seed=1)
    assert chain.run().code == 0
    left = {f"{path.parent.name}/{path.name}" for path in private.glob("*/*") if path.name in ("old", "new")}
    assert left == {"kept/new", "atoms/new", "finished/old", "replaced/old"}


def test_the_index_forgets_files_that_are_gone(chain: Chain) -> None:
    index = FileHashes(chain.path("index.json"))
    for name in ("a", "b"):
        chain.path(name).write_text(name)
        os.utime(chain.path(name), (1, 1))
    eventually(lambda: index.file(str(chain.path("b"))) and str(chain.path("b")) in index._entries)
    index.file(str(chain.path("a")))
    chain.path("a").unlink()
    index.save()
    assert list(json.loads(chain.path("index.json").read_text())["files"]) == [str(chain.path("b"))]


FOUND = """
def found(config):
    from motools.workflow import current_step

    kept = current_step().kept() / "half"
    if kept.exists():
        return f"{kept.read_text()} and {WORD}"
    kept.write_text(f"half {WORD}")
    raise RuntimeError("half way")


WORD = "old"


def make("""


@pytest.mark.parametrize("edited", [False, True])
def test_what_an_attempt_kept_is_not_taken_up_in_a_copy_of_the_project(
    chain: Chain, tmp_path: Path, edited: bool
) -> None:
    """What the attempt had used is told by its paths, and would be looked at there, not in the copy."""
    chain.edit("chain.py", "def make(", FOUND.lstrip())
    chain.edit("chain.py", "{name} {config.seed}", "{name} {found(config)}")
    failed = chain.run("--stages", "prepare")
    assert "half way" in failed.said
    other = Chain(Path(shutil.copytree(chain.folder, tmp_path / "copy", symlinks=True)))
    if edited:
        other.edit("chain.py", 'WORD = "old"', 'WORD = "new"')
    assert "half way" in other.run("--stages", "prepare").said
    assert other.run("--stages", "prepare").statuses[0] == "finished"
    word = "new" if edited else "old"
    assert f"half {word} and {word}" in other.path("atoms/dataset/data/part.txt").read_text()
    assert chain.run("--stages", "prepare").statuses[0] == "finished"
    assert "half old and old" in chain.path("atoms/dataset/data/part.txt").read_text()
