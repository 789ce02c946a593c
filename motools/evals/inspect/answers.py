"""What models have answered, kept call by call apart from all that is made of it, so that no answer is paid for twice.

An answer is known by the digest of what was asked: the model, the sample's id and epoch, the messages, the tools, the
options that change what a model says, and which time it is that the sample asks just this. The log has the digest with
the answer, so that whoever has a log has its answers: those of any earlier evaluation of a model are found by the logs
that the cache and dvc.lock name, and those of one that was killed in a journal of its own.

An evaluation always goes its whole way, with the code of now: dataset, solver, tools, scorer. Only what would be sent
to a model word for word as before is not sent again, whatever has changed around it; nothing else is taken up.
"""

from __future__ import annotations

import hashlib
import heapq
import inspect
import io
import json
import os
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motools.base import secrets
from motools.base.locks import file_lock
from motools.definition.context import StepContext, current_step, kept_folder
from motools.errors import DamagedError, StepError
from motools.evals.options import IDLE
from motools.observe import is_project, observer, path_digest
from motools.repo import pipeline, step_cache
from motools.repo.hashing import Out
from motools.repo.remote import Remote
from motools.repo.step_cache import CachedResult

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model, ModelOutput

    from motools.atom.atom import ModelAtom

__all__ = [
    "ASKED",
    "KEPT",
    "Answers",
    "answering",
    "answers_of",
    "asking_for",
    "at_hand",
    "attend",
    "index",
    "is_kept",
    "read_journal",
]

ASKED, KEPT = "motools_asked", "motools_kept"
"""In the metadata of a model's output: the digest of what was asked; whether the answer was there before."""
FREE = ("tinylm/", "mockllm/", "none/", "none")
"""Models whose answers cost neither money nor time, so that asking is cheaper than looking for what they said."""
_ATTENDED = "_motools_attended"

_sample: ContextVar[tuple[Any, int] | None] = ContextVar("sample", default=None)
_now: Answers | None = None


class Answers:
    """The answers at hand during one evaluation, and where new ones are written down as they come.

    Args:
        earlier: label -> output.
        own: likewise, of an earlier attempt of the same step, which has paid for them.

    Attributes:
        paid: model -> tokens of the answers that were not there before.
    """

    def __init__(self, earlier: Mapping[str, Any], own: Mapping[str, Any] | None = None, journal: Path | None = None):
        self._earlier, self._own, self._journal = earlier, dict(own or {}), journal
        self._next: Counter[str] = Counter()
        self._given_back: defaultdict[str, list[int]] = defaultdict(list)
        self._identities: dict[int, Any] = {}
        self.paid: dict[str, dict[str, Any]] = {}

    def identify(self, model: Model, identity: Any) -> None:
        """Know a model by more than its name and arguments."""
        self._identities[id(model.api)] = identity

    async def ask(self, model: Model, generate: Callable[..., Awaitable[Any]], request: Mapping[str, Any]) -> Any:
        """The answer to a request at the door of a provider: one that is known, or the model's own."""
        from inspect_ai.model import ModelOutput

        scope = asking_of()
        if scope is None or not _is_kept_of(model):
            return await generate(**request)
        digest = self._digest(model, scope, request)
        number = self._take(digest)
        label = f"{digest}:{number}"
        for outputs, marks in ((self._own, {}), (self._earlier, {KEPT: True})):
            if label in outputs:
                output = ModelOutput.model_validate(outputs[label])
                output.metadata = {**_without_marks(output.metadata), ASKED: label, **marks}
                return output
        result: Any = None
        try:
            result = await generate(**request)
        finally:
            output = result[0] if isinstance(result, tuple) else result
            if not isinstance(output, ModelOutput) or output.empty:  # it is asked once more, or not at all
                heapq.heappush(self._given_back[digest], number)
        if isinstance(output, ModelOutput) and not output.empty:
            output.metadata = {**_without_marks(output.metadata), ASKED: label}
            self._write(label, output)
            if output.usage is not None:
                paid = self.paid.setdefault(str(model), {})
                for kind, count in output.usage.model_dump(exclude_none=True).items():
                    paid[kind] = paid.get(kind, 0) + count
        return result

    def _take(self, digest: str) -> int:
        """Which time it is that this is asked; a number whose request failed is used again."""
        if self._given_back[digest]:
            return heapq.heappop(self._given_back[digest])
        self._next[digest] += 1
        return self._next[digest] - 1

    def _digest(self, model: Model, scope: tuple[Any, int], request: Mapping[str, Any]) -> str:
        parts = [
            self._identities.get(id(model.api)) or [str(model), _described(model.model_args)],
            [str(scope[0]), scope[1]],
            [message.model_dump(mode="json", exclude={"id"}, exclude_none=True) for message in request["input"]],
            [tool.model_dump(mode="json", exclude_none=True) for tool in request["tools"]],
            request["tool_choice"],
            request["config"].model_dump(mode="json", exclude_none=True, exclude={*IDLE, "cache"}),
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()[:40]

    def _write(self, label: str, output: ModelOutput) -> None:
        if self._journal is None:
            return
        line = json.dumps({"asked": label, "output": output.model_dump(mode="json", exclude_none=True)})
        with observer().aside():
            file = os.open(self._journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(file, line.encode() + b"\n")
            finally:
                os.close(file)


def _described(value: Any) -> Any:
    """A provider's arguments; a path stands for what lies there, and a key is nobody's business."""
    if isinstance(value, Mapping):
        return {str(name): _described(each) for name, each in value.items() if name not in ("api_key", *IDLE)}
    if isinstance(value, (list, tuple)):
        return [_described(each) for each in value]
    if isinstance(value, str) and os.path.exists(value):
        return [value, path_digest(os.path.abspath(value))]
    return value


def _without_marks(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (metadata or {}).items() if name not in (ASKED, KEPT)}


def _is_kept_of(model: Model) -> bool:
    """Whether a model's answers are kept. Not those of a provider that is the project's code: what it does when it is
    asked is a part of the step's trace, which an answer that is there already would leave out."""
    return not str(model).startswith(FREE) and not any(_is_of_project(cls) for cls in type(model.api).__mro__)


def _is_of_project(cls: type) -> bool:
    try:
        return is_project(inspect.getfile(cls))
    except TypeError:  # it is built in
        return False


# -- which sample asks ---------------------------------------------------------------------------


def asking_of() -> tuple[Any, int] | None:
    """The id and epoch of the sample on whose behalf a model is asked; None outside of any."""
    from motools.evals.private import sample_state

    state = sample_state()
    return (state.sample_id, state.epoch) if state is not None else _sample.get()


@contextmanager
def asking_for(sample_id: Any, epoch: int) -> Iterator[None]:
    """For what Inspect scores after the run, when it no longer tells whose sample it is."""
    token = _sample.set((sample_id, epoch))
    try:
        yield
    finally:
        _sample.reset(token)


@contextmanager
def answering(answers: Answers) -> Iterator[None]:
    """Meanwhile every model that is asked, by whatever name or role, is asked through these answers."""
    global _now
    before, _now = _now, answers
    try:
        yield
    finally:
        _now = before


def attend(model: Model) -> None:
    """Have a model ask through the answers at hand, if there are any."""
    api: Any = model.api
    if getattr(api, _ATTENDED, False):  # several models may share it
        return
    setattr(api, _ATTENDED, True)
    generate = api.generate

    async def asked(input: Any, tools: Any, tool_choice: Any, config: Any) -> Any:
        request = {"input": input, "tools": tools, "tool_choice": tool_choice, "config": config}
        return await (generate(**request) if _now is None else _now.ask(model, generate, request))

    api.generate = asked


@contextmanager
def at_hand(atom: ModelAtom, models: Sequence[Model], data: str, samples: frozenset[str]) -> Iterator[None]:
    """During the evaluation of a model: what it has said before is at hand, and what it says now is kept.

    Who asks the same model the same data waits until the other is done, and then has what that was told.

    Args:
        models: what asks the atom's model, in one role or several.
        data: a digest of what will be asked.
        samples: the ids of the samples.
    """
    try:
        step = current_step()
    except StepError:  # called by hand, outside a step
        yield
        return
    name = hashlib.sha256(f"{atom.id} {data}".encode()).hexdigest()
    with file_lock(step.project.private / "locks" / f"answers-{name[:32]}"):
        journal = journal_of(step)
        if step.force:
            journal.unlink(missing_ok=True)
        answered = {} if step.force else known_to(step, atom.id, samples)
        answers = Answers(answered, read_journal(journal), journal)
        for model in models:
            answers.identify(model, [atom.id, str(model), _described(model.model_args)])
        if answered:
            print(
                f"{len(answered)} answers to samples of these names are at hand; what is asked again is not paid again."
            )
        with answering(answers):
            yield


# -- where they lie -------------------------------------------------------------------------------


def journal_of(step: StepContext) -> Path:
    """The answers of a step's own execution, as they come; it outlives a crash, and goes when the logs have them."""
    kept = kept_folder(step.project, step.key)
    kept.parent.mkdir(parents=True, exist_ok=True)
    return kept.with_name(f"{kept.name}.answers")


def read_journal(path: Path) -> dict[str, Any]:
    """Label -> output; the last line of a killed process may be cut."""
    outputs = {}
    with suppress(FileNotFoundError):
        for line in path.read_bytes().split(b"\n"):
            with suppress(ValueError, KeyError, TypeError):
                told = json.loads(line)
                outputs[told["asked"]] = told["output"]
    return outputs


def known_to(step: StepContext, model: str, samples: frozenset[str]) -> dict[str, Any]:
    """Label -> output of what a model, and who judged it, has said before to samples of these ids.

    Args:
        model: the id of the model's atom.

    Raises:
        RemoteError: what dvc.lock names is in a remote only, which cannot be asked, so that it would be paid for again.
    """
    outputs: dict[str, Any] = {}
    with observer().aside():
        for folder in _folders(step, model):
            for log in _logs(step, folder, samples):
                for label, output in answers_of(log):
                    outputs.setdefault(label, output)
        for path in kept_folder(step.project, step.key).parent.glob("*.answers"):
            if path != journal_of(step):
                outputs.update(read_journal(path))
    return outputs


def _folders(step: StepContext, model: str) -> Iterator[str]:
    """The objects of folders of logs: that which dvc.lock names for this stage, then those of the cache's index."""
    store = step.project.store
    locked = pipeline.read_lock(step.folder).get(step.step, {}).get("outs", [])
    logs = [str(out["md5"]) for out in locked if out["path"] == pipeline.logs_path(step.step) and "md5" in out]
    indexed = [entry.outputs[step_cache.ANSWERS].md5 for entry in step_cache.candidates(store, *_slots(model))]
    lacking = [oid for oid in logs if not store.has(oid)]
    if lacking and step.remote:
        remote = Remote(step.project)
        remote.fetch(lacking)
        if remote.problem is not None:
            raise remote.refusal([step.step])
    yield from (oid for oid in dict.fromkeys([*logs, *indexed]) if store.has(oid))


def _slots(model: str) -> tuple[str, list[str]]:
    return f"motools-answers {model}", [step_cache.ANSWERS]


def _logs(step: StepContext, folder: str, samples: frozenset[str]) -> Iterator[EvalLog]:
    from inspect_ai.log import read_eval_log

    for name, md5 in step.project.store.tree(folder).items():
        if not name.endswith(".eval"):
            continue
        with suppress(ValueError, KeyError, EOFError, OSError, DamagedError):  # one that cannot be read has none
            data = step.project.store.read(md5)
            header = read_eval_log(io.BytesIO(data), header_only=True, format="eval")
            has = any(not model.startswith(FREE) for model in header.stats.model_usage)
            if has and not samples.isdisjoint(map(str, header.eval.dataset.sample_ids or [])):
                yield read_eval_log(io.BytesIO(data), resolve_attachments="full", format="eval")


def answers_of(log: EvalLog) -> Iterator[tuple[str, Any]]:
    """Label -> output of all that was asked while a log was made."""
    for sample in log.samples or []:
        for event in sample.events:
            if event.event == "model" and (label := (event.output.metadata or {}).get(ASKED)):
                yield label, event.output.model_dump(mode="json", exclude_none=True)


def is_kept(output: ModelOutput) -> bool:
    """Whether an answer was there before, and cost nothing this time."""
    return bool((output.metadata or {}).get(KEPT))


def index(step: StepContext, model: str, logs: Path) -> None:
    """Have the cache know of the answers in a folder of logs, by the model that gave them; then the journal can go."""
    store = step.project.store
    if not journal_of(step).exists():  # nothing is new
        return
    files = {str(path): path.name for path in logs.iterdir()}
    if secrets.found_in(files) is not None:  # then nothing of this step is kept
        return
    with suppress(OSError), observer().aside():  # another user's cache: then the journal stays
        told = json.dumps({"model": model, "step": step.key}, sort_keys=True).encode()
        store.add_bytes(told)
        record = Out(hashlib.md5(told, usedforsecurity=False).hexdigest(), len(told))
        entry = CachedResult({step_cache.ANSWERS: store.add(logs)}, record)
        command, _ = _slots(model)
        step_cache.store(store, command, entry)
        if step.project.setting("core", "remote"):
            step_cache.pack(store, command, entry)
        journal_of(step).unlink(missing_ok=True)
