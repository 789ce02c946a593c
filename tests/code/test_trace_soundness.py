"""Programs made and edited at random: where a trace holds, the result is the old one.

As a script: `PYTHONPATH=tests python tests/code/test_trace_soundness.py 1000 [seed]` tries as many programs, and prints
what was missed.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

import pytest
from code_cases import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from observing import Steps, changes

WORDS = {
    "N": list("0123456789"),
    "V": list("ABC"),
    "F": list("fg"),
    "K": ["K", "L"],
    "D": ["one", "two"],
    "E": ["MODE", "SIZE"],
    "M": ["other", "pkg", "pkg.a", "pkg.b", "helper"],
}
START = """import asyncio, contextlib, dataclasses, enum, functools, importlib, json, os, pathlib, pkgutil, sys
A, B, C, D = [1], [2], [3], [4]
REG = {}
def f(): return [0]
def g(): return [0]
def h(): return [0]
def deco(fn): return fn
def register(fn):
    REG[fn.__name__] = fn
    return fn
class K:
    x = 0
    def m(self): return [self.x]
class L(K): pass
class Meta(type):
    known = []
    def __new__(m, n, b, d):
        m.known.append(n)
        return super().__new__(m, n, b, d)
@functools.singledispatch
def disp(k=None): return [k]
def show(it):
    if hasattr(it, "send") and not hasattr(it, "__next__"): return asyncio.run(it)
    return list(it) if hasattr(it, "__next__") else it.m() if isinstance(it, K) else it
"""
STATEMENTS = """
V = [N]
V.append(N)
V += [N]
V = V
V = [V, N]
V: list = [N]
V, V = V, [N]
V[0] = N
V = list(map(str, V))
V = sorted([N, N, N], key=lambda k: -k)
for n in range(2): V.append(n + N)
for V in [V]: V.append(N)
for V in [[N], V]: pass
if N: V = [N]
else: V = [N]
try: V = V[N]
except Exception: V = [N]
with contextlib.suppress(Exception): V = [N]; F()
def F(): return [V, N]
def F(): V.append(N); return V
def F():
    global V
    V = [N]
    return V
def F(): return F()
def F(V=[N]): V = V; return [V, V]
def F():
    def inner(k=N): return [k, V]
    return inner()
def F(): return (lambda q: [q, V])(N)
def F(): return [x + [N] for x in [V, [N]]]
def F(): return {str(k): v for k, v in enumerate(V) if v != N}
def F(): return getattr(sys.modules[__name__], 'ABCD'[N % 4])
def F(): return globals()['V']
def F(): return globals().get('V', N)
def F(): return eval('V')
def F(a: N = N): return [a]
def F():
    'doc N'
    return [N]
def F():
    yield N
    yield V
async def F(): return [N, V]
def F(k=None): return F() if k is None else [N]
def F(): return K().m() + [N]
def F(): return [getattr(K, 'x', N), K.__doc__]
def F(): return F.__doc__, F.__annotations__, F.__defaults__
def F(): return [each.__name__ for each in K.__subclasses__()]
def F():
    try: return V[N]
    except IndexError: return V
    finally: V.append(N)
def F():
    match V:
        case [N, *rest]: return rest
        case _: return [N]
F = lambda: [V, N]
F = (lambda k: lambda: [k, V])(N)
F = functools.partial(lambda k: [k, V], N)
F = functools.lru_cache(F)
F = functools.wraps(F)(lambda: [N])
F = deco(F)
V = F()
V = show(F())
F()
F().append(N)
F.x = N
V = [getattr(F, 'x', N)]
V = [F.__doc__, F.__annotations__]
V = [V for V in V + [N]]
[V := [n] for n in [N]]
match V:
    case [V, *rest]: V = [N, rest]
fill = lambda rows, n=N: rows.append(n); fill(V)
del V
del F
class K:
    x = N
    def m(self): return [self.x, V]
class K:
    'doc N'
    x = V
    @property
    def p(self): return [N]
    def m(self): return [self.x, self.p]
class K:
    x = N
    def __new__(cls): return [cls.x, V]
class K(K): x = N
class K(K):
    def m(self): return [*super().m(), N]
class K:
    known = []
    x = N
    def __init_subclass__(cls): cls.known.append(cls.__name__); V.append(N)
    def m(self): return list(self.known)
class K:
    def __init__(self): V.append(N)
    def m(self): return V
class K(metaclass=Meta): x = N
class K:
    class Field:
        def __set_name__(self, owner, name): V.append((name, N))
        def __get__(self, it, cls): return [N]
    x = Field()
    def m(self): return self.x
@dataclasses.dataclass
class K:
    x: int = N
    y: list = dataclasses.field(default_factory=F)
    def m(self): return [self.x, self.y]
class K(enum.Enum):
    one = N
    two = N
    def m(self): return [self.value]
K.x = N
K.m = lambda self: [N, V]
setattr(K, 'x', [N])
V = K().m()
V = [K.x]
K = K
def deco(fn): V.append(N); return fn
def deco(fn):
    def inner(): return [fn(), N]
    return inner
def deco(fn):
    @functools.wraps(fn)
    def inner(*args): return [fn(*args), V]
    return inner
@deco
def F(): return [N]
@register
def F(): return [N]
@functools.cache
def F(): return [N, V]
@disp.register
def _(k: int): return [N]
def F(): return disp(N)
REG['V'] = N
V = sorted(REG)
def F(): return [fn() for name, fn in sorted(REG.items()) if callable(fn) and name != 'F']
globals()['V'] = [N]
globals().update(V=[N])
exec('V = [N]')
exec(open('data/D.txt').read())
def F(): return open('data/D.txt').read().split()
V = open('data/D.txt').read().split()
V = pathlib.Path('data/D.txt').read_text().split()
V = json.loads(pathlib.Path('data').joinpath('D.txt').read_bytes())
V = sorted(os.listdir('data'))
def F(): return sorted(p.name for p in pathlib.Path('data').glob('*.txt'))
def F(): return sorted(e.name for e in os.scandir('data') if e.is_file())
V = [os.path.exists('data/D.txt')]
def F(): return [pathlib.Path('data/D.txt').is_file(), N]
V = [os.environ.get('E')]
V = [os.environ.get('E', N)]
def F(): return [os.getenv('E'), N]
def F(): return ['E' in os.environ, N]
os.environ['E'] = 'N'
os.environ.setdefault('E', 'N')
from M import V
from M import F
from M import K
from M import *
from M import V as V, F as F
import M
import M; M.V = [N]
import M; M.V.append(N)
import M; V = M.F()
import M; M.F = F
def F():
    import M as m
    return m.V
def F():
    import M
    return M.V
def F():
    from M import V
    return V
def F():
    try:
        from M import V as found
    except ImportError:
        found = [N]
    return found
V = importlib.import_module('M').V
def F(): return importlib.import_module('M').F()
def F(): return vars(importlib.import_module('M'))['V']
__all__ = ['V', 'F', 'K']
def __getattr__(name): return [N, len(name)]
def __getattr__(name):
    if name == 'V': return F()
    raise AttributeError(name)
for info in pkgutil.iter_modules(['plugins']): importlib.import_module('plugins.' + info.name)
sys.path.insert(0, 'src')
sys.path.append('src')
import src.helper as helper
from pkg import a, b
if V == [N]: import other
if N > 4: from other import V
"""
FILES = ["other.py", "pkg/__init__.py", "pkg/a.py", "pkg/b.py", "src/helper.py", "plugins/p.py", "plugins/q.py"]
RESULTS = ["V", "show(F())", "K().m()", "other.V", "pkg.a.V", "pkg.V", "getattr(other, 'F')()", "K.x", "sorted(REG)"]


@dataclass
class Program:
    """Statements by file, and what lies around them."""

    code: list[tuple[str, str]] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    results: list[str] = field(default_factory=list)

    def files(self, guarded: bool) -> dict[str, str]:
        texts = {name: START for name in FILES if name.split("/")[0] != "plugins"}
        for file, text in self.code:
            inside = text.replace("\n", "\n    ")
            plain = f"{text}\n" if not guarded else f"try:\n    {inside}\nexcept Exception: pass\n"
            texts[file] = texts.get(file, START) + plain
        last = f"\ndef step(): return [{', '.join(_tried(each) for each in self.results)}]\n"
        return {**self.data, **texts, "steps.py": texts.get("steps.py", START) + "import other, pkg.a\n" + GUARD + last}


GUARD = """def tried(call):
    try: return call()
    except Exception as error: return type(error).__name__
"""


def _tried(text: str) -> str:
    return f"tried(lambda: {text})"


def filled(text: str, random: Random) -> str:
    return re.sub(r"\b[NVFKDEM]\b", lambda found: random.choice(WORDS[found[0]]), text)


def statement(random: Random) -> str:
    return filled(random.choice(_split(STATEMENTS)), random)


@cache
def _split(text: str) -> list[str]:
    """Each statement of a text."""
    found: list[str] = []
    for line in text.strip("\n").split("\n"):
        goes_on = line.startswith((" ", "else", "except", "finally"))
        if found and (goes_on or found[-1].rpartition("\n")[2].startswith("@")):
            found[-1] += f"\n{line}"
        else:
            found.append(line)
    return found


def program(random: Random) -> Program:
    made = Program()
    for file in ["steps.py", *random.sample(FILES, random.randint(1, 4))]:
        made.code += [(file, statement(random)) for _ in range(random.randint(1, 5))]
    made.data = {f"data/{name}.txt": random.choice(WORDS["N"]) for name in ("one", "two") if random.random() < 0.7}
    made.data["data/other.md"] = "1"
    made.env = {"MODE": random.choice(WORDS["N"])}
    made.results = [filled(random.choice(RESULTS), random) for _ in range(4)]
    return made


def edited(before: Program, random: Random) -> Program:
    after = Program(list(before.code), dict(before.data), dict(before.env), list(before.results))
    kind = random.choice(["number", "number", "number", "move", "drop", "add", "word", "data", "env"])
    n = random.randrange(len(after.code))
    file, text = after.code[n]
    places = [(m, found.span()) for m, (_, t) in enumerate(after.code) for found in re.finditer(r"\b\d\b", t)]
    if kind == "number" and places:
        n, (start, end) = random.choice(places)
        file, text = after.code[n]
        after.code[n] = file, text[:start] + random.choice(WORDS["N"]) + text[end:]
    elif kind == "move":
        after.code.insert(random.randrange(len(after.code)), after.code.pop(n))
    elif kind == "drop":
        del after.code[n]
    elif kind == "add":
        after.code.insert(n, (random.choice(["steps.py", *FILES]), statement(random)))
    elif kind == "word":
        names = [found.span() for found in re.finditer(r"\b[ABCDfghKL]\b", text)]
        if names:
            start, end = random.choice(names)
            group = next(words for words in WORDS.values() if text[start:end] in words)
            after.code[n] = file, text[:start] + random.choice(group) + text[end:]
    elif kind == "data":
        name = random.choice(["data/one.txt", "data/two.txt", "data/three.txt"])
        if after.data.pop(name, None) is None or random.random() < 0.5:
            after.data[name] = random.choice(WORDS["N"])
    elif kind == "env":
        after.env = random.choice([{}, {"MODE": "7"}, {"SIZE": "7"}])
    return after


def lay(folder: Path, files: dict[str, str]) -> None:
    for path in folder.iterdir():
        if path.name not in (".dvc", ".motools"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write(folder, files)


def tried(folder: Path, before: Program, after: Program, observed: Steps, plain: Steps) -> tuple[str, list[str]]:
    """`missed`, `needless`, `right` or `nothing`, and what the trace said."""
    (folder / ".dvc").mkdir(parents=True, exist_ok=True)
    for guarded in (False, True):
        lay(folder, before.files(guarded))
        first = observed.run(folder, before.env)
        if not first.failed:
            break
    if first.failed:
        return "nothing", [first.failed]
    was, truth = _plain(first.result), _plain(plain.run(folder, before.env).result)
    if truth != was:
        return "nothing", [f"observed it is another program: {was} for {truth}"]
    lay(folder, after.files(guarded))
    second = _plain(plain.run(folder, after.env).result)
    said = changes(first, first, folder, after.env)
    if was != second:
        return ("right" if said else "missed"), [*said, was, second]
    return ("needless" if said else "right"), said


def _plain(result: str) -> str:
    return re.sub(r" at 0x\w+", "", result)


@pytest.fixture(scope="module")
def steps() -> tuple[Steps, Steps]:
    return Steps(observed=True), Steps(observed=False)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_where_a_trace_holds_the_result_is_the_old_one(
    tmp_path_factory: pytest.TempPathFactory, steps: tuple[Steps, Steps], random: Random
) -> None:
    before = program(random)
    after = edited(before, random)
    verdict, said = tried(tmp_path_factory.mktemp("program"), before, after, *steps)
    assert verdict != "missed", said


def smaller(before: Program, after: Program) -> list[tuple[Program, Program]]:
    """Both without one statement that they share."""
    found = []
    for each in dict.fromkeys(before.code):
        if each in after.code:
            pair = [Program(list(p.code), p.data, p.env, p.results) for p in (before, after)]
            for p in pair:
                p.code.remove(each)
            found.append((pair[0], pair[1]))
    for n in range(len(before.results)):
        if len(before.results) > 1:
            pair = [Program(p.code, p.data, p.env, p.results[:n] + p.results[n + 1 :]) for p in (before, after)]
            found.append((pair[0], pair[1]))
    return found


def main(count: int, seed: int) -> None:
    both = Steps(observed=True), Steps(observed=False)
    counts = dict.fromkeys(("right", "missed", "needless", "nothing"), 0)
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "program")
        for number in range(seed, seed + count):
            random = Random(number)
            before = program(random)
            after = edited(before, random)
            verdict, said = tried(folder, before, after, *both)
            counts[verdict] += 1
            if verdict == "nothing" and "another program" in said[0]:
                print(number, said)
            if verdict != "missed":
                continue
            while verdict == "missed":  # to the smallest that is missed, too
                for pair in smaller(before, after):
                    if tried(folder, *pair, *both)[0] == "missed":
                        before, after = pair
                        break
                else:
                    break
            print(f"--- {number}: missed", tried(folder, before, after, *both)[1][-2:])
            for name, text in before.code:
                print(f"[{name}]", text, sep="\n")
            print("  ->", [each for each in after.code if each not in before.code] or "moved or dropped", flush=True)
            print("  ", before.results, before.data, after.data, before.env, after.env, flush=True)
    print(counts)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
