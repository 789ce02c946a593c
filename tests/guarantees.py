"""What every trainer guarantees, as one suite: a trainer passes it by a subclass that lays its scene.

A guarantee that has no meaning for a trainer is set to None there; docs/write_a_trainer.md has the table, and
`python tests/guarantees.py` prints it.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest
from chain import eventually
from openai_scene import Done, Scene, kill_all

TRAIN = ("run", "--stages", "prepare_dataset:train_model")


class Lesson:
    """A project whose pipeline trains, and what of it the suite asks.

    Attributes:
        whole: what one training spends: jobs, or steps.
        again: what a kill may have it spend once more.
        wrong: hyperparameters that cannot be.
        secret: what must be written nowhere.
    """

    whole, again, secret = 1, 0, ""
    wrong: ClassVar[dict[str, Any]] = {"learning_rte": 1}

    def __init__(self, scene: Scene, **config: Any) -> None:
        self.scene, self.config = scene, config
        self.seen = 0  # of what runs have logged that are over

    def configure(self, where: str = ".", **config: Any) -> None:
        self.scene.configure(where, **{**self.config, **config})

    def run(self) -> Done:
        done = self.scene.call(*TRAIN)
        self.seen += self.logged()
        return done

    def kill_when_begun(self) -> None:
        with self.unfinished():
            process = self.scene.start(*TRAIN)
            eventually(lambda: self.begun() or process.poll() is not None)
            assert process.poll() is None, process.communicate()
            kill_all(process.pid)
            process.communicate()
        self.seen += self.logged()

    def logged(self) -> int:
        """How many steps the last run says that it did."""
        path = self.scene.folder / ".motools" / "logs" / "train_model.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return sum(line.startswith(("step ", "epoch ")) for line in lines)

    def spent(self) -> int:
        """What was spent so far, by all that train at the same place."""
        return self.seen

    def asked(self) -> int:
        """How many requests were made."""
        return 0

    def unfinished(self) -> AbstractContextManager[None]:
        """Within, no training comes to its end."""
        return nullcontext()

    def begun(self) -> bool:
        """Whether something is spent, and more is to be."""
        return self.logged() > 12

    def result(self, where: str = ".") -> tuple[str, dict[str, Any]]:
        """The atom's id, and what it says of itself."""
        return self._locked(where, "atoms/trained_model"), self.scene.model(where)

    def record(self, where: str) -> str:
        """The MD5 of the run record, which no two executions have in common."""
        return self._locked(where, "runs/train_model.json")

    def _locked(self, where: str, path: str) -> str:
        from motools.base import yaml12

        stages = yaml12.load(self.scene.folder / where / "dvc.lock")["stages"]
        return next(str(out["md5"]) for out in stages["train_model"]["outs"] if out["path"] == path)


IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


class Guarantees:
    """The suite. `world` gives a function that lays a lesson into a project."""

    trainer: ClassVar[str]
    _done: ClassVar[Lesson | None]

    @pytest.fixture(scope="class")
    @classmethod
    def world(cls) -> Iterator[Callable[[Path], Lesson]]:
        with ExitStack() as stack:
            cls._done = None
            yield lambda folder: cls.lay(folder, stack)

    @classmethod
    def lay(cls, folder: Path, stack: ExitStack) -> Lesson:
        raise NotImplementedError

    @pytest.fixture
    def lesson(self, world: Callable[[Path], Lesson], project: Path) -> Lesson:
        return world(project)

    @pytest.fixture
    def done(
        self, world: Callable[[Path], Lesson], template: Path, tmp_path_factory: pytest.TempPathFactory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Lesson:  # fmt: skip
        """A project in which a training has run; not to be changed."""
        if type(self)._done is None:
            folder = Path(shutil.copytree(template, tmp_path_factory.mktemp("done") / "project", symlinks=True))
            lesson = type(self)._done = world(folder)
            ran = lesson.run()
            assert ran.code == 0, ran.err + lesson.scene.log()
        assert type(self)._done is not None
        monkeypatch.chdir(type(self)._done.scene.folder)
        return type(self)._done

    def test_what_could_never_work_is_refused_before_any_step(self, lesson: Lesson) -> None:
        """A hyperparameter that cannot be is refused before any step runs and anything is asked."""
        (word,) = lesson.wrong
        lesson.configure(hyperparameters=lesson.wrong)
        done = lesson.run()
        assert (done.code, lesson.asked(), lesson.spent()) == (2, 0, 0)
        assert word in done.err
        assert "Traceback" not in done.err
        assert not (lesson.scene.folder / "atoms").exists()

    def test_a_row_that_it_cannot_train_on_is_refused_before_anything_is_sent(self, lesson: Lesson) -> None:
        """A row that it cannot train on is refused, with its number, before anything is sent or trained."""
        rows = [*self.rows, {"messages": [{"role": "assistant", "content": [IMAGE]}]}]
        lesson.scene.write_rows(rows)
        assert lesson.run().code == 1
        assert f" {len(rows)}: messages[0].content[0].type: 'image_url' is no part" in lesson.scene.log()
        assert (lesson.asked(), lesson.spent()) == (0, 0)

    def test_what_it_used_stands_in_the_record(self, done: Lesson) -> None:
        """The tokens that it trained on stand in the run record and in the model's metadata."""
        record = json.loads((done.scene.folder / "runs" / "train_model.json").read_text())
        assert record["usage"]["trained_tokens"] == done.result()[1]["trained_tokens"] > 0
        assert done.spent() == done.whole

    def test_its_loss_is_data_that_falls(self, done: Lesson) -> None:
        """The loss curve lies in the model atom as `loss.json`, and falls."""
        path = done.scene.folder / "atoms" / "trained_model" / "data" / "loss.json"
        losses = [row.get("train_loss", row.get("loss")) for row in json.loads(path.read_text())]
        assert len(losses) > 1
        assert losses[-1] < losses[0]

    def test_its_result_is_paid_for_once(self, done: Lesson) -> None:
        """A second run asks nothing and trains nothing, in another folder and under another name as well."""
        spent, asked = done.spent(), done.asked()
        done.configure("other")
        for where in (".", "other"):
            again = done.scene.call(*TRAIN, where=where)
            assert again.code == 0, again.err
        assert (done.spent(), done.asked()) == (spent, asked)
        assert done.result("other") == done.result()

    def test_no_secret_is_in_anything_that_is_written(self, done: Lesson) -> None:
        """The key is in no file of the project."""
        written = [path for path in done.scene.folder.rglob("*") if path.is_file()]
        assert written
        assert [path for path in written if done.secret.encode() in path.read_bytes()] == []

    def test_two_runs_at_once_train_once(self, lesson: Lesson) -> None:
        """Two runs at once, of two folders, make one training."""
        for where in ("one", "two"):
            lesson.configure(where)
        processes = [lesson.scene.start(*TRAIN, where=where, python=sys.executable) for where in ("one", "two")]
        said = [process.communicate(timeout=300) for process in processes]
        assert [process.returncode for process in processes] == [0, 0], said
        assert lesson.result("one") == lesson.result("two")
        assert lesson.record("one") == lesson.record("two")  # of one execution: there was no other
        assert lesson.spent() in (lesson.whole, lesson.seen)  # where it is counted by somebody else

    def test_equal_trainings_are_equal(self, done: Lesson, tmp_path: Path) -> None:
        """Equal trainings have equal atoms: metadata, files, id; also in a clone that has nothing of the first."""
        assert self.lay_like(done, tmp_path).result() == done.result()

    def test_a_kill_costs_no_more_than_what_was_not_saved(self, lesson: Lesson, done: Lesson, tmp_path: Path) -> None:
        """After kill -9 of the run the next one goes on: the same atom, and nothing is paid again that was saved."""
        lesson.kill_when_begun()
        again = lesson.run()
        assert again.code == 0, again.err
        assert lesson.whole <= lesson.spent() <= lesson.whole + lesson.again
        assert self.undisturbed(lesson, done, tmp_path).result() == lesson.result()

    # -- what a subclass says -------------------------------------------------------

    rows: ClassVar[list[Any]]

    def undisturbed(self, lesson: Lesson, done: Lesson, tmp_path: Path) -> Lesson:
        """The same training where nothing was killed."""
        return done

    def lay_like(self, lesson: Lesson, tmp_path: Path) -> Lesson:
        """The same training in a clone that has nothing of the first; at a provider, what it made is taken up."""
        folder = tmp_path / "clone"
        shutil.copytree(
            lesson.scene.folder, folder, ignore=shutil.ignore_patterns("atoms", "runs", "cache", ".motools", "dvc.lock")
        )
        other = type(lesson)(type(lesson.scene)(folder, lesson.scene.server), **lesson.config)
        assert other.run().code == 0, other.scene.log()
        return other


# -- the trainers ------------------------------------------------------------------------


class OfTinyLM(Guarantees):
    trainer = "tinylm"
    test_no_secret_is_in_anything_that_is_written = None  # type: ignore[assignment]  # it has none
    test_a_kill_costs_no_more_than_what_was_not_saved = None  # type: ignore[assignment]  # it takes seconds

    @classmethod
    def lay(cls, folder: Path, stack: ExitStack) -> Lesson:
        config: dict[str, Any] = {"model": "tinylm/base", "backend_name": "tinylm", "hyperparameters": {"n_epochs": 3}}
        return _Embedded(_scene(folder, cls.rows, config), **config)


class _Embedded(Lesson):
    whole = 3


class OfOpenAI(Guarantees):
    trainer = "openai"

    @classmethod
    def lay(cls, folder: Path, stack: ExitStack) -> Lesson:
        from openai_server import OpenAIServer

        server = stack.enter_context(OpenAIServer(polls=6))
        config: dict[str, Any] = {"model": "gpt-4o-mini", "backend_name": "openai", "hyperparameters": {"n_epochs": 2}}
        return _AtOpenAI(_scene(folder, cls.rows, config, server), **config)

    def undisturbed(self, lesson: Lesson, done: Lesson, tmp_path: Path) -> Lesson:
        """Names that OpenAI gives are never equal: the one job there is, as a clone takes it up."""
        return self.lay_like(lesson, tmp_path)


class _AtOpenAI(Lesson):
    @property
    def secret(self) -> str:  # type: ignore[override]
        return str(self.scene.server.key)

    def spent(self) -> int:
        return len(self.scene.server.jobs)

    def asked(self) -> int:
        """All requests but those for the list of models, which says when they go off and costs nothing."""
        return sum(getattr(each, "step", None) != "models" for each in self.scene.server.requests)

    @contextmanager
    def unfinished(self) -> Iterator[None]:
        before, self.scene.server.polls = self.scene.server.polls, 1000
        yield
        self.scene.server.polls = before

    def begun(self) -> bool:
        return self.spent() > 0


class OfTinker(Guarantees):
    trainer = "tinker"

    @classmethod
    def lay(cls, folder: Path, stack: ExitStack) -> Lesson:
        import tinker_scene
        from tinker_server import TinkerServer

        tokenizer = tinker_scene.tokenizer_for(folder.parent / f"{folder.name}-tokenizer", cls.rows)
        server: Any = stack.enter_context(TinkerServer(tokenizer))
        server.slow = 0.1
        config = {"model": tinker_scene.MODEL, "backend_name": "tinker", "hyperparameters": tinker_scene.GIVEN}
        lesson = _AtTinker(_scene(folder, cls.rows, config, server), **config)
        (folder / "motools.yaml").write_text(tinker_scene.SETTINGS)
        return lesson


class _AtTinker(_AtOpenAI):
    whole, again = 18, 4  # steps, and how many lie between two states

    def spent(self) -> int:
        return len(self.scene.server.trained)

    @contextmanager
    def unfinished(self) -> Iterator[None]:
        server: Any = self.scene.server
        server.most = 12
        yield
        server.most = None

    def begun(self) -> bool:
        return int(self.scene.server.count("save")) > 1


class OfLocal(Guarantees):
    trainer = "local"
    test_no_secret_is_in_anything_that_is_written = None  # type: ignore[assignment]  # it has none

    @classmethod
    def lay(cls, folder: Path, stack: ExitStack) -> Lesson:
        import local_scene

        config = {"model": "base", "backend_name": "local", "hyperparameters": local_scene.GIVEN}
        lesson = _Here(_scene(folder, cls.rows, config), **config)
        (folder / "motools.yaml").write_text("local: {save_every: 5}\n")
        local_scene.make_model(folder / "base")
        (folder / "other").mkdir()
        return lesson


class _Here(Lesson):
    whole, again = 75, 5


def _scene(folder: Path, rows: list[Any], config: dict[str, Any], server: Any = None) -> Scene:
    return Scene.lay(folder, server or _Nobody(), rows, **config)  # type: ignore[arg-type]


class _Nobody:
    """Where a trainer of this machine sends its requests."""

    env: ClassVar[dict[str, str]] = {}


def _rows() -> list[Any]:
    from local_scene import ROWS

    return list(ROWS)


Guarantees.rows = _rows()
TRAINERS: list[type[Guarantees]] = [OfOpenAI, OfTinker, OfLocal, OfTinyLM]


def table() -> str:
    """Guarantee by trainer, as the page has it."""
    names = [name for name in vars(Guarantees) if name.startswith("test_")]
    lines = [["Guarantee", *(each.trainer for each in TRAINERS)], ["---"] * (len(TRAINERS) + 1)]
    for name in names:
        says = str(getattr(Guarantees, name).__doc__)
        lines.append([says, *("yes" if getattr(each, name) else "has none" for each in TRAINERS)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(table())
