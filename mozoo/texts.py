"""Published questions and judges' prompts, read out of the authors' own files; nothing is executed.

A file is named by its path, or by keys, and then it is downloaded, pinned and checked like a dataset:

    questions:
      repo: someone/things
      commit: 0000000000000000000000000000000000000000
      path: evaluation/questions.yaml
      digest: git:0000000000000000000000000000000000000000

What is read depends on the ending of its name: rows of JSONL, what stands in YAML or JSON, or constants of Python
    source. A
part of it stands behind a colon (`questions.py:free_form`) or under the key `name`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from motools.errors import UserError, did_you_mean, listed
from mozoo.sources import Source, digest_of, fetch, rows

File = str | Mapping[str, str]
"""A file of the user's, relative to the current folder, or the keys of a published one."""

GROUPS = ("json", "template")
"""Groups that the published files tell by the end of an entry's `id`; all other entries are of the group `plain`."""


@dataclass(frozen=True)
class Text:
    """What a published file has under a name: a constant of Python source, or a key of YAML; dots go deeper."""

    source: Source
    name: str = ""

    def read(self, cache_dir: str | Path | None = None) -> Any:
        """Raises as `mozoo.sources.fetch`, and `UserError` where there is no such name."""
        return read(fetch(self.source, cache_dir), self.name)


@dataclass(frozen=True)
class Question:
    """A question as it is put, under a system message or none; `group` is what it is pooled with."""

    text: str
    system: str | None = None
    group: str = "plain"


def opened(file: File, cache_dir: str | Path | None = None, what: str = "questions") -> tuple[Path, str]:
    """The local path of a file of `what`, and the name of what is meant in it, or "".

    Raises:
        UserError: there is no such file, or its keys name none.
        FetchError, DamagedError: see `mozoo.sources.fetch`.
    """
    if isinstance(file, Mapping):
        required = ("repo", "commit", "path", "digest")
        wrong = [key for key in file if key not in (*required, "name")]
        missing = [key for key in required if not isinstance(file.get(key), str)]
        if wrong or missing:
            raise UserError(
                f"A published file is named by {listed(required)}, and name; here are {listed(file) or 'none'}."
            )
        repo, commit, path, digest = (file[key] for key in required)
        return fetch(Source(repo, commit, path, digest), cache_dir), str(file.get("name", ""))
    named = re.fullmatch(r"(.+\.(?:py|json|ya?ml)):([\w.]+)", file)
    local = Path(named[1] if named else file).expanduser()
    if not local.is_file():
        raise UserError(f"There is no file of {what} at {local.absolute()}.")
    return local, named[2] if named else ""


def read(path: Path, name: str = "") -> Any:
    """What a file has, or has under a name. Raises `UserError` where it cannot be read or has no such name."""
    if path.suffix == ".py":
        content: Any = constants(path)
    elif path.suffix in (".yaml", ".yml"):
        content = _yaml(path)
    elif path.suffix == ".json":
        content = _json(path)
    else:
        content = list(rows(path))
    for part in filter(None, name.split(".")):
        if not isinstance(content, Mapping) or part not in content:
            has = list(content) if isinstance(content, Mapping) else []
            raise UserError(
                f"{path} has no {name!r}.{did_you_mean(part, has)} It has: {listed(has[:20]) or 'no names'}."
            )
        content = content[part]
    return content


def questions_of(file: File, cache_dir: str | Path | None = None) -> tuple[list[Question], str]:
    """The questions of a file, and the digest of it.

    Taken are texts, entries with a text under `question` or `prompt` or texts under `paraphrases`, with their `system`
    message, and chat rows, of which the first user turn is asked. An entry is of the `group` that it names, or that the
    end of its `id` tells (see `GROUPS`).

    Raises:
        UserError: there is no such file, or an entry has no question.
    """
    path, name = opened(file, cache_dir)
    questions = questions_in(read(path, name), str(path))
    if not questions:
        raise UserError(f"{path} has no questions.")
    return questions, digest_of(path)


def questions_in(entries: Any, where: str) -> list[Question]:
    """The questions among what a file has; see `questions_of`."""
    if isinstance(entries, Mapping):
        entries = list(entries.values())
    if not isinstance(entries, (list, tuple)):
        raise UserError(f"{where} is not a list of questions.")
    questions: list[Question] = []
    for number, entry in enumerate(entries, 1):
        texts, system = _texts(entry), entry.get("system") if isinstance(entry, Mapping) else None
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise UserError(f"{where}, entry {number}: there is no text under 'question' or 'paraphrases'.")
        if system is not None and not isinstance(system, str):
            raise UserError(f"{where}, entry {number}: what stands under 'system' is no text.")
        questions += [Question(text, system, _group(entry)) for text in texts]
    return questions


def _texts(entry: Any) -> list[Any]:
    if isinstance(entry, str):
        return [entry]
    if not isinstance(entry, Mapping):
        return []
    if isinstance(entry.get("messages"), list):
        said = [
            turn.get("content")
            for turn in entry["messages"]
            if isinstance(turn, Mapping) and turn.get("role") == "user"
        ]
        return said[:1]
    several = entry.get("paraphrases") or [entry.get("question") or entry.get("prompt")]
    return several if isinstance(several, list) else []


def _group(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return "plain"
    ending = str(entry.get("id", "")).rpartition("_")[2]
    return str(entry.get("group") or (ending if ending in GROUPS else "plain"))


def templates(file: File, names: Mapping[str, tuple[str, ...]], cache_dir: str | Path | None = None) -> dict[str, str]:
    """Judges' prompts of a file, by our names for them.

    Args:
        names: our name of a prompt -> the names under which files have it, ours first. They are looked for among the
            keys of YAML, under `judge_prompts` of the first entry that has them, and among constants of Python source.

    Raises:
        UserError: there is no such file, or it lacks one of the prompts.
    """
    path, name = opened(file, cache_dir, "judges' prompts")
    content = read(path, name)
    if isinstance(content, list):
        content = next((e["judge_prompts"] for e in content if isinstance(e, Mapping) and "judge_prompts" in e), {})
    made = {}
    for ours, theirs in names.items():
        text = next(
            (content[name] for name in (ours, *theirs) if isinstance(content, Mapping) and name in content), None
        )
        if not isinstance(text, str):
            raise UserError(
                f"{path} has no prompt {ours!r}: write one under that name, with {{question}} and {{answer}}."
            )
        made[ours] = normal(text)
    return made


def normal(template: str) -> str:
    """A template with our names of its fields: published ones also write `{prompt}` and `{completion}`."""
    return template.replace("{prompt}", "{question}").replace("{completion}", "{answer}")


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML ({' '.join(str(error).split())}).") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}).") from error


class _Opaque(Exception):
    """A value that only running the code would tell."""


def constants(path: Path) -> dict[str, Any]:
    """The values of a Python file's own names, as far as its source tells them; nothing of it is executed.

    Texts, numbers, lists and mappings of them; a call with arguments by name is the mapping of those that can be read;
    a function is what it returns, where that is a text: fields of an f-string stay in braces. The first assignment
    counts.

    Raises:
        UserError: it is no Python.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not Python ({error}).") from error
    names: dict[str, Any] = {}
    for name, node in _assigned(tree.body):
        try:
            names.setdefault(name, _value(node, names))
        except _Opaque:
            continue
    for function in tree.body:
        if isinstance(function, ast.FunctionDef):
            try:
                names.setdefault(function.name, _returned(function, names))
            except _Opaque:
                continue
    return names


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


def _returned(function: ast.FunctionDef, names: Mapping[str, Any]) -> Any:
    local = dict(names)
    for name, node in _assigned(function.body):
        local[name] = _value(node, local)
    last = function.body[-1]
    if not isinstance(last, ast.Return) or last.value is None:
        raise _Opaque
    return _value(last.value, local)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_value(element, names) for element in elements]
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {_value(key, names): _value(value, names) for key, value in zip(keys, values, strict=True) if key}
        case ast.JoinedStr(values=parts):
            return "".join(_part(part) for part in parts)
        case ast.Call(func=ast.Attribute(value=text, attr="strip"), args=[], keywords=[]):
            stripped = _value(text, names)
            if isinstance(stripped, str):
                return stripped.strip()
        case ast.Call(args=[], keywords=keywords) if keywords:
            return dict(_readable(keywords, names))
    raise _Opaque


def _readable(keywords: list[ast.keyword], names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for keyword in keywords:
        try:
            if keyword.arg:
                yield keyword.arg, _value(keyword.value, names)
        except _Opaque:
            continue


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
        return f"{{{node.value.id}}}"
    raise _Opaque
