"""Results that go through a remote one by one."""

from __future__ import annotations

from pathlib import Path

from chain import dvc

from motools.repo.exchange import Exchange
from motools.repo.project import Project


def test_nothing_that_the_remote_has_of_a_folder_of_many_files_is_sent_again(project: Path, tmp_path: Path) -> None:
    dvc(project, "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    (tmp_path / "many").mkdir()
    for number in range(40):
        (tmp_path / "many" / f"{number}.txt").write_text(f"file {number}")
    (tmp_path / "few").mkdir()
    for number in range(2):
        (tmp_path / "few" / f"{number}.txt").write_text(f"file {number}")
    store = Project(project).store
    many, few = store.add(tmp_path / "many").md5, store.add(tmp_path / "few").md5

    def sent(*oids: str) -> dict[str, int]:
        exchange = Exchange(Project(project))
        exchange.send(oids)
        exchange.close()
        paths = (tmp_path / "store" / "files" / "md5").glob("??/*")
        return {path.parent.name + path.name: path.stat().st_ctime_ns for path in paths}

    first = sent(many)
    assert first.keys() == {many, *store.tree(many).values()}
    assert sent(many) == first
    second = sent(many, few)
    assert second == {**first, few: second[few]}
