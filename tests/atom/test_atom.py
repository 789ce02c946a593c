"""Atoms: made by hand, found by id, read without executing anything."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from motools.atom import Atom, DatasetAtom, EvalAtom, ModelAtom
from motools.atom.atom import atoms_at_hand
from motools.atom.folder import write_atom
from motools.errors import AtomError, DamagedError
from motools.repo import step_cache
from motools.repo.project import Project
from motools.repo.step_cache import CachedResult

pytestmark = pytest.mark.usefixtures("project")


def model(**metadata: Any) -> ModelAtom:
    return ModelAtom.create(user="ada", metadata=metadata or {"model_id": "m"})


def files(**contents: str) -> Path:
    """A new folder with files, whose names have `__` for `.`."""
    folder = Path("source")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, text in contents.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def object_of(atom: Atom, name: str | None = None) -> Path:
    """The cache object of an atom, or of one of its files."""
    store = Project.find().store
    oid = atom.md5 + ".dir"
    return store.path(store.tree(oid)[name] if name else oid)


def overwrite(path: Path, content: bytes) -> None:
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    path.write_bytes(content)
    path.chmod(0o444)


def forged(contents: dict[str, bytes]) -> str:
    """A folder object of any relative paths, put into the cache by hand; its hash."""
    import hashlib

    store = Project.find().store
    listing = []
    for name, content in contents.items():
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        store.path(md5).parent.mkdir(parents=True, exist_ok=True)
        store.path(md5).write_bytes(content)
        listing.append({"md5": md5, "relpath": name})
    text = json.dumps(listing).encode()
    md5 = hashlib.md5(text, usedforsecurity=False).hexdigest()
    store.path(md5 + ".dir").parent.mkdir(parents=True, exist_ok=True)
    store.path(md5 + ".dir").write_bytes(text)
    return md5


ABOUT = b'{"kind": "model", "made_from": {}, "metadata": {"model_id": "m"}}'


def test_an_atom_comes_back_as_it_was_made() -> None:
    made = model(model_id="m", note="é")
    assert re.fullmatch(r"model-[0-9a-f]{32}", made.id)
    atom = DatasetAtom.create(
        user="ada", artifact_path=files(rows__jsonl="{}\n"), made_from={"judge": made.id}, metadata={"n": 1.0}
    )
    found = DatasetAtom.load(atom.id)
    assert found == atom
    assert len({found, atom}) == 1
    assert (found.kind, dict(found.made_from), found.metadata) == ("dataset", {"judge": made.id}, {"n": 1.0})
    assert isinstance(found.metadata["n"], float)
    assert repr(found) == f"DatasetAtom('{atom.id}')"
    assert (found.get_data_path() / "rows.jsonl").read_text() == "{}\n"
    assert (found.record.user, found.record.step) == ("ada", None)


def test_equal_content_has_one_id_and_anything_else_another(new_project: Callable[[str], Path]) -> None:
    def make(user: str = "ada", text: str = "x", **about: Any) -> str:
        return Atom.create(user=user, kind=about.pop("kind", "model"), artifact_path=files(a=text), **about).id

    one = make(metadata={"a": 1, "b": 2})
    assert make(user="bob", metadata={"b": 2, "a": 1}) == one
    others = [
        make(metadata={"a": 1.0, "b": 2}),
        make(metadata={"a": True, "b": 2}),
        make(metadata={}),
        make(text="y", metadata={"a": 1, "b": 2}),
        make(kind="lora", metadata={"a": 1, "b": 2}),
        make(made_from={"base": one}, metadata={"a": 1, "b": 2}),
        make(made_from={"other": one}, metadata={"a": 1, "b": 2}),
    ]
    assert len({i.rpartition("-")[2] for i in [one, *others]}) == 8
    assert Atom.load(one).record.user == "ada"  # the first who made it
    os.chdir(new_project("elsewhere"))
    assert make(metadata={"a": 1, "b": 2}) == one


def test_a_prefix_is_enough_where_it_fits_one() -> None:
    atom = model()
    for text in (atom.id, atom.md5, atom.id[:-20], atom.md5[:2], f"model-{atom.md5[:4]}"):
        assert Atom.load(text) == atom
        assert ModelAtom.load(text) == atom


def test_a_prefix_that_fits_several_is_refused_with_all_of_them() -> None:
    atoms: dict[str, list[str]] = {}
    for number in range(300):  # 256 prefixes of two digits
        md5 = forged({"atom.json": ABOUT.replace(b'"m"', b'"%d"' % number)})
        atoms.setdefault(md5[:2], []).append(f"model-{md5}")
        if len(atoms[md5[:2]]) == 2:
            break
    prefix = md5[:2]
    with pytest.raises(AtomError) as caught:
        Atom.load(prefix)
    assert f"'{prefix}' fits 2 atoms: {', '.join(sorted(atoms[prefix]))}. Write more digits." in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "what?", "model", "model-", "model-xyz", "a", "MODEL-00", "../00", "0" * 33, "00\n"]
)
def test_what_cannot_be_an_id_is_refused(text: str) -> None:
    with pytest.raises(AtomError, match="is not an atom id"):
        Atom.load(text)


def test_an_unknown_atom_and_one_of_another_kind_are_told_apart() -> None:
    atom = model()
    with pytest.raises(AtomError, match=r"There is no atom 'eval-00000000'.*motools atoms list"):
        Atom.load("eval-00000000")
    with pytest.raises(AtomError, match=f"There is {atom.id}"):
        Atom.load(f"eval-{atom.md5}")
    with pytest.raises(AtomError, match=f"{atom.id} is a model, not an eval. Load it with ModelAtom.load"):
        EvalAtom.load(atom.id)
    other = EvalAtom.create(user="ada")
    with pytest.raises(AtomError, match=f"{other.id} is an eval, not a dataset. Load it with EvalAtom.load"):
        DatasetAtom.load(other.id)


def test_any_kind_can_be_made_and_is_loaded_as_its_class() -> None:
    prompt = Atom.create(user="ada", kind="prompt", artifact_path=files(text="hi"))
    assert type(Atom.load(prompt.id)) is Atom
    assert type(Atom.create(user="ada", kind="eval")) is EvalAtom


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Atom.create(user="ada"), "None is no kind for Atom.create"),
        (lambda: Atom.create(user="ada", kind="Two Words"), "'Two Words' is no kind"),
        (lambda: ModelAtom.create(user="ada", kind="eval"), "'eval' is no kind for ModelAtom.create"),
        (lambda: ModelAtom.create(user=""), "Say who makes the atom"),
        (lambda: ModelAtom.create(user="ada", artifact_path="nowhere"), "nowhere does not exist"),
        (lambda: ModelAtom.create(user="ada", made_from={"base": "model-00000000"}), "There is no atom"),
        (lambda: ModelAtom.create(user="ada", metadata={"a": {1, 2}}), "The metadata of a model is not JSON"),
        (lambda: ModelAtom.create(user="ada", metadata={"a": float("nan")}), "The metadata of a model is not JSON"),
        (lambda: ModelAtom.create(user="ada", metadata={"a": Path("x")}), "The metadata of a model is not JSON"),
    ],
)
def test_what_can_be_no_atom_is_refused_and_leaves_nothing(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(AtomError) as caught:
        make()
    assert said in str(caught.value)
    assert list(Project.find().store.folders()) == []
    assert list(Path().glob(".motools/*")) == []


def test_metadata_that_is_no_unicode_is_refused_as_other_metadata_is() -> None:
    with pytest.raises(AtomError, match="The metadata of a model is not JSON"):
        ModelAtom.create(user="ada", metadata={"a": "\ud800"})


@pytest.mark.parametrize("what", ["file", "folder", "dangling", "itself", "pipe"])
def test_links_and_what_is_no_file_are_refused(what: str) -> None:
    source = files(a="x")
    Path("target").mkdir()
    link = source / "link"
    if what == "file":
        link.symlink_to("a")
    elif what == "folder":
        link.symlink_to("../target")
    elif what == "dangling":
        link.symlink_to("nowhere")
    elif what == "pipe":
        os.mkfifo(link)
    else:
        Path("link").symlink_to("source")
        source, link = Path("link"), Path("link")
    with pytest.raises(AtomError, match=re.escape(f"{link} is a link or no plain file")):
        ModelAtom.create(user="ada", artifact_path=source)


def test_a_name_that_is_no_utf8_is_refused() -> None:
    source = files(a="x")
    (source / os.fsdecode(b"b\xff")).write_text("x")
    with pytest.raises(AtomError, match=r"b\\udcff: its name is not UTF-8, and DVC could not read it again"):
        ModelAtom.create(user="ada", artifact_path=source)


@pytest.mark.parametrize("name", [".git", ".hg", ".dvc", ".dvcignore"])
def test_names_that_mean_something_to_dvc_are_refused(name: str) -> None:
    source = files(a="x")
    (source / "sub").mkdir()
    (source / "sub" / name).write_text("x")
    with pytest.raises(AtomError, match=rf"sub/{re.escape(name)}: DVC does not keep what has the name {name}"):
        ModelAtom.create(user="ada", artifact_path=source)


def test_the_source_is_copied_and_may_go() -> None:
    source = files(a="x")
    atom = ModelAtom.create(user="ada", artifact_path=source)
    (source / "a").write_text("changed")
    assert (Atom.load(atom.id).get_data_path() / "a").read_text() == "x"


@pytest.mark.parametrize(
    ("metadata", "contents", "model_id"),
    [
        ({"model_id": "from-metadata"}, {"a__txt": "from-file"}, "from-metadata"),
        ({}, {"model__txt": "ft:gpt\n"}, "ft:gpt"),
        ({}, {"model": "  ft:gpt  \n\n"}, "ft:gpt"),
        ({"model_id": ""}, {"model__txt": "ft:gpt"}, "ft:gpt"),
        ({"model_id": 3}, {"model__txt": "ft:gpt"}, "ft:gpt"),
        ({}, {"model__txt": "two\nlines\n"}, None),
        ({}, {"model__txt": "\n"}, None),
        ({}, {"model__txt": ""}, None),
        ({}, {"model__bin": "ft:gpt"}, None),
        ({}, {"a__txt": "x", "b__txt": "y"}, None),
        ({}, {"model__txt": "x" * 1000}, None),
        ({}, {}, None),
    ],
)
def test_a_model_says_its_id_in_metadata_or_in_the_line_of_its_file(
    metadata: dict[str, Any], contents: dict[str, str], model_id: str | None
) -> None:
    path = files(**contents) if contents else None
    atom = ModelAtom.load(ModelAtom.create(user="ada", artifact_path=path, metadata=metadata).id)
    if model_id is not None:
        assert atom.get_model_id() == model_id
    else:
        with pytest.raises(AtomError, match="does not say which model it is"):
            atom.get_model_id()


def test_a_dataset_gives_its_rows_and_names_the_line_that_is_not_json() -> None:
    text = '{"a": "line\\u2028separator"}\n{"b": 1}\nnot json\n'
    rows = DatasetAtom.create(user="ada", artifact_path=files(rows__jsonl=text)).rows()
    assert [next(rows), next(rows)] == [{"a": "line\u2028separator"}, {"b": 1}]
    with pytest.raises(DamagedError, match=r"rows\.jsonl, line 3: not JSON"):
        next(rows)


@pytest.mark.parametrize("contents", [{"a__jsonl": "", "b__jsonl": ""}, {"a__json": "{}"}])
def test_a_dataset_without_its_one_file_says_so(contents: dict[str, str]) -> None:
    atom = DatasetAtom.create(user="ada", artifact_path=files(**contents))
    with pytest.raises(AtomError, match=r"\d \.jsonl files; a dataset of chat rows has one"):
        list(atom.rows())


def test_an_evaluation_gives_metrics_from_its_file_or_its_metadata_and_its_samples() -> None:
    metrics = {"task": {"score": {"mean": 0.5}}}
    samples = '{"input": "a\\u2028b"}\n{"input": "\x85"}\n'
    atom = EvalAtom.create(user="ada", artifact_path=files(metrics__json=json.dumps(metrics)))
    assert (atom.metrics, atom.samples(), atom.get_log_path()) == (metrics, [], None)
    assert EvalAtom.create(user="ada", metadata={"metrics": metrics}).metrics == metrics
    assert EvalAtom.create(user="ada", metadata={"metrics": 3}).metrics == {}
    assert EvalAtom.create(user="ada").metrics == {}
    atom = EvalAtom.create(user="ada", artifact_path=files(samples__jsonl=samples.replace("\x85", "x")))
    assert atom.samples() == [{"input": "a\u2028b"}, {"input": "x"}]


def test_an_evaluation_whose_files_are_not_json_names_the_file() -> None:
    atom = EvalAtom.create(user="ada", artifact_path=files(metrics__json="{", samples__jsonl="{}\n{"))
    with pytest.raises(DamagedError, match=f"The metrics.json of {atom.id} cannot be read: "):
        _ = atom.metrics
    with pytest.raises(DamagedError, match=f"The samples.jsonl of {atom.id}, line 2, is not JSON: "):
        atom.samples()


def test_samples_end_where_their_line_ends_and_not_at_other_separators() -> None:
    sample = {"input": "one\u2028two\x85three"}
    text = json.dumps(sample, ensure_ascii=False) + "\n"  # as the evaluation step writes them
    atom = EvalAtom.create(user="ada", artifact_path=files(samples__jsonl=text))
    assert atom.samples() == [sample]


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "data/../../evil", "..", ""])
def test_a_folder_object_that_reaches_outside_is_refused(name: str) -> None:
    md5 = forged({"atom.json": ABOUT, name: b"evil"})
    with pytest.raises(DamagedError, match="names a file outside of itself"):
        Atom.load(md5).get_data_path()
    assert not list(Path().parent.rglob("evil"))


@pytest.mark.parametrize(
    "about",
    [
        b"not json",
        b"[]",
        b"{}",
        b'{"kind": "../up", "made_from": {}, "metadata": {}}',
        b'{"kind": 3, "made_from": {}, "metadata": {}}',
        b'{"kind": "model", "made_from": [], "metadata": {}}',
        b'{"kind": "model", "made_from": {"a": 1}, "metadata": {}}',
        b'{"kind": "model", "made_from": {}, "metadata": []}',
    ],
)
def test_an_atom_json_that_says_nonsense_is_damaged(about: bytes) -> None:
    with pytest.raises(DamagedError, match=r"The atom\.json of [0-9a-f]{32} is damaged\.$"):
        Atom.load(forged({"atom.json": about}))


def test_of_atoms_those_are_at_hand_that_the_cache_tells_of() -> None:
    atom = ModelAtom.create(user="ada", artifact_path=files(a="x"))
    ids = {"made": atom.id, "not made yet": None, "elsewhere": f"model-{'0' * 32}"}
    at_hand = atoms_at_hand(ids, Project(Path.cwd()))
    assert {name: each.id for name, each in at_hand.items()} == {"made": atom.id}


def test_a_folder_in_the_cache_that_is_no_atom_is_not_found() -> None:
    with pytest.raises(AtomError, match="There is no atom"):
        Atom.load(forged({"model.bin": b"x"})[:12])


def test_a_damaged_object_is_named_with_what_to_do() -> None:
    atom = ModelAtom.create(user="ada", artifact_path=files(weights="abc"))
    broken = object_of(atom, "data/weights")
    overwrite(broken, b"abd")
    with pytest.raises(DamagedError) as caught:
        Atom.load(atom.id).get_data_path()
    assert str(broken) in str(caught.value)
    assert "Delete it; `dvc pull` or `motools run` brings it back." in str(caught.value)
    assert not Path(f".motools/atoms/{atom.id}").exists()
    overwrite(object_of(atom), b"[]")
    with pytest.raises(DamagedError, match="is damaged"):
        Atom.load(atom.id)


def test_files_that_were_changed_by_hand_are_taken_from_the_cache_again() -> None:
    atom = ModelAtom.create(user="ada", artifact_path=files(weights="abc"))
    path = Atom.load(atom.id).get_data_path() / "weights"
    path.chmod(0o644)
    path.write_text("mine")
    assert (Atom.load(atom.id).get_data_path() / "weights").read_text() == "abc"


# -- the remote --------------------------------------------------------------------------


def only_remote(atom: Atom) -> None:
    """Move the cache into a remote."""
    store = Path.cwd().parent / "store"
    shutil.copytree(".dvc/cache/files", store / "files", dirs_exist_ok=True)
    shutil.rmtree(".dvc/cache")
    Path(".dvc/config").write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n")


def test_an_atom_that_only_the_remote_has_is_fetched_by_its_whole_id() -> None:
    atom = DatasetAtom.create(user="ada", artifact_path=files(rows__jsonl='{"a": 1}\n'))
    only_remote(atom)
    with pytest.raises(AtomError, match=r"There is no atom .* in the workspace, the cache or the remote"):
        Atom.load(atom.id[:-1])
    with pytest.raises(AtomError, match=r"There is no atom .*`motools atoms list` shows"):
        Atom.load("dataset-" + "0" * 32)
    assert list(DatasetAtom.load(atom.id).rows()) == [{"a": 1}]


def test_the_files_of_an_atom_are_fetched_where_the_cache_has_lost_one() -> None:
    atom = DatasetAtom.create(user="ada", artifact_path=files(rows__jsonl='{"a": 1}\n'))
    only_remote(atom)
    atom = DatasetAtom.load(atom.id)
    object_of(atom, "data/rows.jsonl").unlink()
    assert list(DatasetAtom.load(atom.id).rows()) == [{"a": 1}]


def test_files_that_are_nowhere_are_told() -> None:
    atom = DatasetAtom.create(user="ada", artifact_path=files(rows__jsonl="{}\n", other__txt="x"))
    object_of(atom, "data/rows.jsonl").unlink()
    with pytest.raises(AtomError, match=rf"The files of {atom.id} are not at hand: `dvc pull` may bring them"):
        DatasetAtom.load(atom.id).get_data_path()


def test_files_that_cannot_be_put_there_are_told() -> None:
    atom = DatasetAtom.create(user="ada", artifact_path=files(rows__jsonl="{}\n"))
    Path(".motools/atoms").write_text("in the way")
    with pytest.raises(AtomError, match=rf"The files of {atom.id} cannot be put at "):
        DatasetAtom.load(atom.id).get_data_path()


# -- one and another -----------------------------------------------------------------------


def test_an_atom_of_one_file_has_it_under_its_name() -> None:
    atom = ModelAtom.create(user="ada", artifact_path=files(weights__bin="abc", other="x") / "weights.bin")
    assert [path.name for path in atom.get_data_path().iterdir()] == ["weights.bin"]


def test_an_atom_equals_what_has_its_id_and_is_an_atom() -> None:
    class Other:
        id = ""

    atom = model()
    Other.id = atom.id
    assert atom == Atom.load(atom.id)
    assert len({atom, Atom.load(atom.id)}) == 1
    assert atom != model(model_id="other")
    assert atom not in (atom.id, Other(), None)
    assert repr(atom) == f"ModelAtom('{atom.id}')"


def test_a_use_of_what_was_taken_out_is_remembered() -> None:
    atom = DatasetAtom.create(user="ada", artifact_path=files(rows__jsonl="{}\n"))
    folder = DatasetAtom.load(atom.id).get_data_path().parent
    os.utime(folder, (5, 5))
    inode = folder.stat().st_ino
    assert DatasetAtom.load(atom.id).get_data_path().parent == folder
    assert (folder.stat().st_mtime > 5, folder.stat().st_ino) == (True, inode)


def test_a_folder_that_is_not_in_the_cache_tells_its_metrics_and_samples() -> None:
    source = files(metrics__json='{"t": {"s": {"mean": 1}}}', samples__jsonl='{"id": 1}\n{"id": 2}\n')
    write_atom(Path("atoms/results"), "eval", {}, {}, source)
    found = EvalAtom.from_folder(Path("atoms/results"), Project.find())
    assert found.metrics == {"t": {"s": {"mean": 1}}}
    assert found.samples() == [{"id": 1}, {"id": 2}]
    assert found.get_data_path() == Path("atoms/results/data")
    write_atom(Path("atoms/empty"), "eval", {}, {"metrics": {"a": {}}}, None)
    empty = EvalAtom.from_folder(Path("atoms/empty"), Project.find())
    assert (empty.metrics, empty.samples()) == ({"a": {}}, [])
    write_atom(Path("atoms/odd"), "eval", {}, {"metrics": 3}, None)
    assert EvalAtom.from_folder(Path("atoms/odd"), Project.find()).metrics == {}


def test_the_logs_of_an_evaluation_are_where_they_stand_and_else_taken_out() -> None:
    store = Project.find().store
    atom, other = (EvalAtom.create(user="ada", metadata={"n": n}) for n in (1, 2))
    logs, record = store.add(files(log="l")), store.add(files(record="r") / "record")
    entry = CachedResult({"eval": store.describe(atom.md5 + ".dir")}, record, logs)
    step_cache.store(store, step_cache.step_command("0" * 64), entry)
    folder = EvalAtom.load(atom.id).get_log_path()
    assert folder == Project.find().private / "logs" / atom.id
    assert (folder / "log").read_text() == "l"
    (folder / "more").touch()
    assert EvalAtom.load(atom.id).get_log_path() == folder
    assert (folder / "more").exists()
    assert EvalAtom.load(other.id).get_log_path() is None
    out = {"path": "logs/evaluate", "hash": "md5", "md5": logs.md5, "size": 1, "nfiles": 1}
    Path("dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": {"evaluate": {"cmd": "c", "outs": [out]}}}))
    assert EvalAtom.load(atom.id).get_log_path() == folder, "it is not there yet"
    Path("logs/evaluate").mkdir(parents=True)
    assert EvalAtom.load(atom.id).get_log_path() == Project.find().root / "logs/evaluate"


def test_an_atom_of_a_pipeline_is_found_where_it_stands() -> None:
    atom = DatasetAtom.create(user="ada", artifact_path=files(rows__jsonl="{}\n"))
    shutil.copytree(atom.get_data_path().parent, "atoms/dataset")
    out = f"outs:\n- {{path: dataset, md5: {atom.md5}.dir, hash: md5, size: 1, nfiles: 2}}\n"
    Path("atoms/dataset.dvc").write_text(out)
    assert DatasetAtom.load(atom.id).get_data_path() == Project.find().root / "atoms/dataset/data"
    shutil.rmtree(".dvc/cache")
    assert DatasetAtom.load(atom.id).get_data_path() == Project.find().root / "atoms/dataset/data"
    assert DatasetAtom.load(atom.id[:-3]).id == atom.id
    Path("atoms/dataset/data/rows.jsonl").write_text("edited")
    with pytest.raises(AtomError, match="There is no atom"):
        DatasetAtom.load(atom.id)


class Bomb:
    """Makes a file where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("exploded",)


def test_code_in_an_atom_is_just_files() -> None:
    source = files(sitecustomize__py="open('exploded', 'w')", conftest__py="open('exploded', 'w')")
    (source / "model.pkl").write_bytes(pickle.dumps(Bomb()))
    atom = ModelAtom.load(ModelAtom.create(user="ada", artifact_path=source).id)
    with pytest.raises(AtomError):
        atom.get_model_id()
    assert (atom.get_data_path() / "model.pkl").read_bytes() == (source / "model.pkl").read_bytes()
    assert not Path("exploded").exists()


def test_a_folder_without_an_atom_says_how_to_get_it() -> None:
    with pytest.raises(AtomError, match=r"holds no atom\. `motools run` makes it, `dvc checkout` brings it back"):
        Atom.from_folder(Path("atoms/model"), Project.find())


def test_a_folder_is_the_atom_that_it_holds_now() -> None:
    made = model()
    write_atom(Path("folder"), "model", {}, {"model_id": "m"}, None)
    assert Atom.from_folder(Path("folder"), Project.find()) == made
    Path("folder/data").mkdir()
    Path("folder/data/more").write_text("x")
    assert Atom.from_folder(Path("folder"), Project.find()) != made


def test_an_atom_takes_the_files_of_a_workspace_without_a_copy_and_no_others(tmp_path: Path) -> None:
    workspace, outside = tmp_path / "workspace", tmp_path / "outside"
    for folder in (workspace, outside):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "a").write_text(folder.name)
    os.link(outside / "sub" / "a", workspace / "shared")  # somebody else may write to it

    def made(source: Path) -> Path:
        folder = tmp_path / f"atom of {source.name}"
        write_atom(folder, "dataset", {}, {}, source, workspace)
        return folder / "data"

    assert made(workspace).joinpath("sub", "a").samefile(workspace / "sub" / "a")
    assert not (tmp_path / "atom of workspace" / "data" / "shared").samefile(outside / "sub" / "a")
    (outside / "alone").write_text("alone")
    copy = made(outside) / "sub" / "a"
    assert not (copy.parents[1] / "alone").samefile(outside / "alone")
    assert copy.read_text() == "outside"
    assert not copy.samefile(outside / "sub" / "a")


def test_a_file_of_an_atom_is_read_from_its_folder_once_the_cache_has_lost_it() -> None:
    made = Atom.create(user="ada", kind="prompt", artifact_path=files(a__txt="text"))
    assert (made.read_file("data/a.txt"), made.read_file("data/b.txt")) == (b"text", None)
    made.get_data_path()
    cache = Project.find().store.cache
    cache.rename(cache.with_name("lost"))
    assert (made.read_file("data/a.txt"), made.read_file("data/b.txt")) == (b"text", None)
