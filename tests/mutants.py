"""Mutants: small changes of the deciding modules, one at a time, each of which their tests should notice.

    make mutants                                    a sample of each module
    make mutants ARGS='plan cache --sample 40 --seed 7'

The changes are those of cosmic-ray, and five more: a statement, a condition, an argument or a part of a condition is
left out. What differs in speed or in type hints only is not changed. The checkout is copied, and each mutant is tried
in a fork of a process that has imported what the tests need, but nothing of the copy. What survives, and why it may,
stands in docs/mutants.md.
"""

from __future__ import annotations

import ast
import atexit
import difflib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import parso
import warm
from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator

ROOT = Path(__file__).parents[1]
_SLOW_LOCKS = "same_lock or any_params or waited_for_and or many_processes or cannot_be_read or hardlink"
_SERVED = (
    "graded_scores or grader_costs or unscored_epoch or default_grader or yes_and_no_counts or "
    "without_logprobs or nothing_is_paid or not_in_the_environment"
)
_DRAWN = "95_times or bootstrap or reversed or quantile_is_that_of_draws or so_does_that"
_AT_HAND = ["tests/engine/test_at_hand.py", "-k", "not default_of_a_config"]
_KNOWN_LARGE = "tests/repo/test_large_files.py::test_what_is_known_of_a_large_object_is_not_read_again"
_PROVEN = "tests/engine/test_proof.py::test_all_that_decides_is_in_the_proof"
_FAR = "tests/executors/test_without_shared_files.py"
_FAILED_THERE = f"{_FAR}::test_what_fails_there_is_told_here_with_its_log"
_MADE_THERE = f"{_FAR}::test_the_same_atoms_are_made_and_entered_as_if_they_had_been_made_here"
_IN_THE_REMOTE = f"{_FAR}::test_a_result_that_the_remote_has_is_not_made_again_by_a_driver_that_does_not_know_of_it"
_SHARED = ["tests/executors/test_shared_files.py", "-k", "not in_a_file"]
_SYNTAX = {"blocks": "counting", "digests": "digests", "effects": "effects", "syntax": "syntax", "uses": "uses"}
TESTS = {
    "motools/engine/plan.py": ["tests/engine/test_plan.py"],
    "motools/engine/stage.py": _AT_HAND,
    "motools/engine/stages.py": _AT_HAND,
    "motools/engine/generated_stage.py": _AT_HAND,
    "motools/engine/custom_stage.py": ["tests/engine/test_at_hand.py", "-k", "ones_own or made_anew"],
    "motools/engine/run.py": [
        "tests/engine/test_run.py",
        "tests/engine/test_snapshot.py",
        "-k",
        "test_run or were_added_to_the_cache",
    ],
    "motools/engine/scheduler.py": ["tests/engine/test_scheduler.py"],
    "motools/engine/proof.py": ["tests/engine/test_proof.py"],
    "motools/engine/snapshot.py": ["tests/engine/test_snapshot_of_files.py"],
    "motools/engine/outdated.py": ["tests/engine/test_outdated_by_hand.py", "tests/engine/test_outdated.py"],
    "motools/engine/results_table.py": ["tests/engine/test_results_table.py"],
    "motools/engine/removing.py": ["tests/engine/test_removing.py"],
    "motools/engine/stage_outputs.py": ["tests/engine/test_run.py", _PROVEN, *_AT_HAND],
    "motools/engine/cleanup.py": ["tests/engine/test_cleanup.py"],
    "motools/engine/elsewhere.py": ["tests/engine/test_steps_elsewhere.py"],
    "motools/engine/pipeline_state.py": _AT_HAND,
    "motools/engine/remote_results.py": _AT_HAND,
    "motools/execution/cached_results.py": _AT_HAND,
    "motools/execution/finished_work.py": ["tests/execution/test_put_aside.py"],
    "motools/execution/in_clone.py": ["tests/execution/test_in_clone.py"],
    "motools/execution/observation.py": ["tests/execution/test_observation.py", "tests/execution/test_inputs.py"],
    "motools/execution/one_step.py": ["tests/executors/test_one_step.py", _FAILED_THERE, _IN_THE_REMOTE, *_SHARED],
    "motools/execution/side_files.py": ["tests/execution/test_side_files.py"],
    "motools/executors/environment.py": ["tests/executors/test_environment.py"],
    "motools/executors/job.py": ["tests/executors/test_job.py"],
    "motools/executors/registry.py": ["tests/executors/test_registry.py", "tests/executors/test_settings.py"],
    "motools/repo/claims.py": ["tests/executors/test_claims.py"],
    "motools/repo/exchange.py": ["tests/repo/test_exchange.py", _MADE_THERE, _IN_THE_REMOTE],
    "motools/repo/file_hashes.py": ["tests/repo/test_file_hashes.py", _KNOWN_LARGE, "-k", "not output"],
    "motools/repo/step_cache.py": ["tests/repo/test_step_cache.py"],
    "motools/repo/hashing.py": [
        "tests/repo/test_hashing.py",
        "tests/repo/test_cache.py",
        "-k",
        "not dvc and not the_cache_",
    ],
    "motools/repo/cache.py": ["tests/repo/test_cache.py", "-k", "not dvc and not the_cache_"],
    "motools/repo/taken_out.py": ["tests/repo/test_cache.py", "-k", "not dvc and not the_cache_"],
    "motools/repo/lock_file.py": ["tests/repo/test_lock_file.py", "-k", f"not ({_SLOW_LOCKS})"],
    "motools/repo/dvc_locks.py": ["tests/repo/test_lock_file.py", "-k", f"not ({_SLOW_LOCKS})"],
    "motools/atom/atom.py": ["tests/atom/test_atom.py"],
    "motools/atom/folder.py": ["tests/atom/test_atom.py"],
    "motools/compiler/step_code.py": ["tests/compiler/test_step_code.py"],
    "motools/compiler/named_paths.py": ["tests/compiler/test_step_code.py"],
    "motools/compiler/step_call.py": ["tests/compiler/test_step_call.py", "tests/compiler/test_step_code.py"],
    "motools/code/trace.py": ["tests/code/test_trace.py"],
    "motools/code/world.py": ["tests/code/test_trace.py"],
    "motools/code/module_search.py": ["tests/code/test_trace.py"],
    "motools/code/making_traces.py": ["tests/code/test_trace.py"],
    **{
        f"motools/code/{name}.py": [
            f"tests/code/test_{each}.py" for each in dict.fromkeys([own, *_SYNTAX.values(), "trace"])
        ]
        for name, own in _SYNTAX.items()
    },
    "motools/atom/garbage.py": ["tests/atom/test_garbage.py"],
    "motools/atom/costs.py": ["tests/atom/test_costs.py"],
    "motools/atom/eval_differences.py": [
        "tests/statistics/test_statistics.py",
        "tests/atom/test_comparison.py",
        "-k",
        f"not ({_DRAWN} or where_they_stand)",
    ],
    "motools/atom/columns.py": [
        "tests/statistics/test_statistics.py",
        "tests/atom/test_comparison.py",
        "-k",
        f"not ({_DRAWN} or where_they_stand)",
    ],
    "motools/atom/comparison.py": ["tests/atom/test_comparison.py", "-k", f"not ({_DRAWN})"],
    **{
        f"motools/statistics/{name}.py": ["tests/statistics/test_statistics.py", "-k", f"not ({_DRAWN})"]
        for name in ("choice", "estimates", "families", "shares", "student")
    },
    "motools/definition/axes.py": ["tests/definition/test_sweep.py"],
    "motools/definition/sweep.py": ["tests/definition/test_sweep.py"],
    "motools/training/journal.py": ["tests/training/test_journal.py"],
    "mozoo/graders.py": ["tests/zoo/test_judges.py", "-k", f"not ({_SERVED})"],
    "mozoo/judges.py": ["tests/zoo/test_judges.py", "-k", f"not ({_SERVED})"],
}
"""The tests that belong to each module: quick ones, which run within the process."""
_REMEMBERING = re.compile(r"@?(cache|lru_cache)\b")
_NO_RESULT = ("check_exists", "frozen", "ours", "repr", "usedforsecurity")
"""Arguments that forbid, or say how something is done that comes out the same."""
_FOR_SPEED = "  # for speed"
"""How the comment of a line begins that could only be slower."""
_IDENTITY = re.compile(r"_(Eq|NotEq|[LG]tE?)_Is(Not)?$|_Is(Not)?_(Eq|NotEq|[LG]tE?)$")
"""Changes of equality into identity and back, which mostly change nothing."""


# -- changes that cosmic-ray does not make ---------------------------------------------


class _Change(Operator):
    """One that puts a text in the place of a node."""

    text = ""

    def fits(self, node: Any) -> bool:
        raise NotImplementedError

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if self.fits(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return parso.parse(node.get_first_leaf().prefix + self.text)

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class LeaveOutStatement(_Change):
    """A call, an assignment to a part, an addition in place, an exception: left out."""

    text = "pass"

    def fits(self, node: Any) -> bool:
        if node.parent is None or node.parent.type != "simple_stmt" or node.get_first_leaf().type == "string":
            return False
        name = node.children[0].type == "name" if node.type == "expr_stmt" else False
        first = node.children[1].type if node.type == "expr_stmt" else ""
        return node.type == "raise_stmt" or (
            node.type in ("atom_expr", "power", "await", "expr_stmt")
            and not (first == "annassign" or (name and node.children[1] == "="))
        )


class LeaveOutArgument(_Change):
    """A keyword argument that is left out."""

    def fits(self, node: Any) -> bool:
        return node.type == "argument" and node.children[1] == "=" and _next_to_comma(node) is not None

    def mutate(self, node: Any, index: int) -> Any:
        comma = _next_to_comma(node)
        comma.value = ""
        return parso.parse("")


def _next_to_comma(node: Any) -> Any:
    return next((each for each in (node.get_previous_sibling(), node.get_next_sibling()) if each == ","), None)


class Never(_Change):
    """A condition that never holds."""

    text = "False"

    def fits(self, node: Any) -> bool:
        parent = node.parent
        if parent is None:
            return False
        if parent.type == "if_stmt":
            return bool(node.get_previous_sibling() in ("if", "elif"))
        return (parent.type in ("ternary", "test") and node is parent.children[2]) or (
            parent.type in ("comp_if", "sync_comp_if") and node is parent.children[1]
        )


class Always(Never):
    """A condition that always holds."""

    text = "True"


class LeaveOutPart(_Change):
    """A part of an `and` or `or` that is left out."""

    def fits(self, node: Any) -> bool:
        return node.parent is not None and node.parent.type in ("and_test", "or_test") and node.type != "keyword"

    def mutate(self, node: Any, index: int) -> Any:
        word = "True" if node.parent.type == "and_test" else "False"
        return parso.parse(f"{node.get_first_leaf().prefix}{word}")


_OURS = {each.__name__: each for each in (LeaveOutStatement, LeaveOutArgument, Never, Always, LeaveOutPart)}


# -- mutants ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """One change of a module."""

    operator: str
    occurrence: int
    start: tuple[int, int]
    end: tuple[int, int]

    def of(self, source: str) -> str:
        return str(mutate_code(source, _operator(self.operator)(), self.occurrence))


def _operator(name: str) -> type[Operator]:
    return _OURS.get(name) or plugins.get_operator(name)


def mutants(source: str) -> list[Mutant]:
    """All changes of a source that a test could notice."""
    tree = get_ast(source)
    hints = _hints(source)
    quick = {number for number, line in enumerate(source.split("\n"), 1) if _FOR_SPEED in line}
    found = []
    for name in (*_OURS, *plugins.operator_names()):
        kind = _operator(name)
        if kind.arguments() or _IDENTITY.search(name):
            continue
        positions = ((n, *p) for n in ast_nodes(tree) for p in kind().mutation_positions(n))
        for occurrence, (node, start, end) in enumerate(positions):
            if node.type == "decorator" and _REMEMBERING.match(node.get_code().strip()):
                continue
            if node.type == "operator" and node.parent.type in ("param", "parameters"):  # it only forbids
                continue
            if start[0] not in quick and not any(first <= start and end <= last for first, last in hints):
                found.append(Mutant(name, occurrence, start, end))
    return found


def _hints(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where type hints stand, and what is for speed, type checkers or `repr`, only forbids, or is for a power cut."""
    found: list[Any] = []
    for node in ast.walk(ast.parse(source)):
        found += [getattr(node, "annotation", None), getattr(node, "returns", None)]
        found += [d for d in getattr(node, "decorator_list", ()) if _REMEMBERING.match(ast.unparse(d))]
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            found.append(node)
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases):
            found.append(node)
        if isinstance(node, ast.Assert) or (isinstance(node, ast.keyword) and node.arg in _NO_RESULT):
            found.append(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.fsync":
            found.append(node)
        if isinstance(node, ast.If) and "syncfs" in ast.unparse(node.test):
            found.append(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "zip":
            found += [keyword for keyword in node.keywords if keyword.arg == "strict"]
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in found if n is not None]


def sample(source: str, count: int, seed: int) -> list[Mutant]:
    """So many of them: each place in the source is as likely as any other, and is changed in one way."""
    places: dict[Any, list[Mutant]] = {}
    for mutant in mutants(source):
        places.setdefault((mutant.start, mutant.end), []).append(mutant)
    draw = random.Random(seed)
    chosen: list[Mutant] = []
    for place in draw.sample(sorted(places), len(places)):
        ways = draw.sample(places[place], len(places[place]))
        chosen += next(([way] for way in ways if _is_python(way.of(source))), [])
        if len(chosen) == count:
            break
    return sorted(chosen, key=lambda mutant: mutant.start)


def _is_python(source: str) -> bool:
    try:
        compile(source, "", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


# -- trying them -----------------------------------------------------------------------


class Copy:
    """A copy of the checkout, in which modules are changed and tests run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder.parent / "log"
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True)
        for name in listed.stdout.decode().splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        # by its content and not by its age: a mutant may be as long as the source, and is written in the same second
        compiled = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "motools", "mozoo", "tests"]
        subprocess.run([sys.executable, *compiled], cwd=folder, check=True)

    def run(self, tests: list[str], limit: float) -> tuple[str, float]:
        """Run tests in a fork: `passed`, `failed` or `timeout`, and how many seconds they took."""
        started = time.monotonic()
        pid = os.fork()
        if not pid:
            self._test(tests)
        while time.monotonic() - started < limit:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                end = "passed" if status == 0 else "failed"
                break
            time.sleep(0.02)
        else:
            end = "timeout"
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # also what the tests have left
        if end == "timeout":
            os.waitpid(pid, 0)
        shutil.rmtree(self.folder.parent / "temporary", ignore_errors=True)
        return end, time.monotonic() - started

    def _test(self, tests: list[str]) -> None:
        code = 1
        try:
            os.setsid()
            os.chdir(self.folder)
            os.environ["PYTHONPATH"] = str(self.folder)
            sys.path[:] = [path for path in sys.path if path not in ("", str(ROOT / "tests"))]
            sys.path.append(f"{self.folder}/")  # ahead of what is installed to be edited; the tests take their root off
            warm._running.clear()  # it is not this process that ends the warm Python
            with self.log.open("wb") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            import pytest

            base = f"--basetemp={self.folder.parent / 'temporary'}"
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", base, *tests]))
            names = [name for name in sys.modules if name.partition(".")[0] not in _OF_THE_COPY]
            (self.folder.parent / "imported").write_text("\n".join(names))
        finally:
            os._exit(code)

    def import_all(self) -> None:
        """Import what the last tests have imported, but nothing of the copy: no fork has to."""
        for name in (self.folder.parent / "imported").read_text().split():
            with suppress(Exception):
                import_module(name)


_OF_THE_COPY = {"motools", "mozoo", "__main__", "conftest", *(p.stem for p in (ROOT / "tests").rglob("*.py"))}


def tried(module: str, copy: Copy, arguments: Any) -> tuple[int, int]:
    """How many of a module's mutants were noticed, and how many were tried."""
    source = (ROOT / module).read_text(encoding="utf-8")
    tests = TESTS[module]
    end, seconds = copy.run(tests, 600)
    if end != "passed":
        raise SystemExit(f"{module}: its tests fail without any change:\n{copy.log.read_text(errors='replace')}")
    copy.import_all()
    (copy.folder / module).write_text("raise RuntimeError\n", encoding="utf-8")
    if copy.run(tests, 600)[0] == "passed":
        raise SystemExit(f"{module}: its tests do not import it from the copy, so that they would notice nothing.")
    (copy.folder / module).write_text(source, encoding="utf-8")
    _, seconds = copy.run(tests, 600)
    limit = arguments.limit or 3 * seconds + 10
    chosen = sample(source, arguments.sample, arguments.seed)
    print(f"{module}: {len(chosen)} mutants; the tests take {seconds:.1f} s", flush=True)
    noticed = 0
    for mutant in chosen:
        changed = mutant.of(source)
        (copy.folder / module).write_text(changed, encoding="utf-8")
        end, _ = copy.run(tests, limit)
        noticed += end != "passed"
        if end == "passed" or arguments.verbose:
            print(f"  {'SURVIVED' if end == 'passed' else end} {mutant.operator} {module}:{mutant.start[0]}")
            for line in difflib.unified_diff(source.split("\n"), changed.split("\n"), n=0, lineterm=""):
                if not line.startswith(("---", "+++", "@@")):
                    print(f"    {line}", flush=True)
    (copy.folder / module).write_text(source, encoding="utf-8")
    print(f"{module}: {noticed} of {len(chosen)} noticed (seed {arguments.seed})", flush=True)
    return noticed, len(chosen)


def main() -> None:
    parser = ArgumentParser(description="Change the deciding modules a little, and see whether their tests notice.")
    parser.add_argument("modules", nargs="*", help="parts of paths, such as plan or judges; all, if none")
    parser.add_argument("--sample", type=int, default=30, metavar="N", help="mutants of each module")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which ones")
    parser.add_argument(
        "--limit", type=float, metavar="SECONDS", help="of one mutant; otherwise by what the tests take"
    )
    parser.add_argument("--least", type=float, default=0.9, metavar="SHARE", help="fail below; of each module")
    parser.add_argument("--verbose", action="store_true", help="show the noticed ones too")
    arguments = parser.parse_args()
    known = {name: module for module in TESTS for name in (module, Path(module).stem)}
    if unknown := [word for word in arguments.modules if word not in known]:
        parser.error(f"{unknown[0]!r} is none of {', '.join(Path(each).stem for each in TESTS)}")
    modules = [known[word] for word in arguments.modules] or [*TESTS]
    low = []
    warm.start()  # one for all forks, since it imports nothing of the copy
    atexit.register(warm.stop)
    with tempfile.TemporaryDirectory(prefix="motools-mutants-") as folder:
        copy = Copy(Path(folder, "copy"))
        for module in modules:
            noticed, count = tried(module, copy, arguments)
            low += [module] if noticed < arguments.least * count else []
    if low:
        raise SystemExit(f"Less than {arguments.least:.0%} were noticed of {', '.join(low)}.")


if __name__ == "__main__":
    main()
