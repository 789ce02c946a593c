"""What a statement at the top level of a module may change, told from its syntax."""

from __future__ import annotations

import pytest

from motools.code import effects, syntax
from motools.code.effects import all_effects, chains, is_tame, links, makes_workflow

BEFORE = """
import abc, dataclasses, json, lib, os, random
import motools.workflow as mw
from collections.abc import Sequence
from functools import lru_cache, partial
from lib import DATA, Class, Live, Record, make
from motools.workflow import Step, Workflow
ROWS = []
TABLE = {}
LIVE = iter([])
import json as again
again = iter([])
def fn(): pass
class Own: pass
class Mine: pass
def plain(a, b=1): c = {}; c['x'] = a.strip(); return [str(c), json.dumps(c), dict.fromkeys([b])]
def nested(): return plain(1)
def deeper(): return nested()
def loops(n): c = []; [c.append(Step(f's{i}', {}, {}, Own, run)) for i in range(n)]; return c
def counts(n):
    def run(config): ROWS.append(config)
    i = 0; i += 1; c = {}; c['n'] = n; return Step('s', c, sorted(n, key=lambda k: k.lower()), Own, run)
def reads(): return json.dumps(ROWS)
def parses(): c = json.loads('[]'); c.append(1); return c
def of_lib(): c = lib.ROWS; c.append(1); return c
def of_again(): c = [again.a]; c.append(1); return c
def appends(): ROWS.append(1)
def appends_to(rows): rows.append(1)
def keeps_in(rows): rows['a'] = 1
def adds_to(rows): rows += [1]
def takes(): rows = ROWS; rows.append(1)
def takes_again(): rows = [again]; rows.append(1)
def takes_part(rows): c = [rows]; c[0].append(1)
def takes_later(rows): c = []; c.append(rows); x = c[0]; x.append(1)
def goes_through(rows):
    for row in rows: row.append(1)
def matches(rows):
    match rows:
        case x: x.append(1)
def imports(): import lib; lib.ROWS.append(1)
def by_class(rows): list.append(rows, 1)
def by_lambda(rows): return list(map(lambda row: row.append(1), [rows]))
def by_function(rows):
    def run(row): row.append(1)
    return list(map(run, [rows]))
def by_other(rows): return list(map(fn, rows))
def by_iterator(): return list(LIVE)
def stores(): TABLE['a'] = 1
def declares(): global NEW; NEW = 1
def evaluates(): return eval('1')
def calls(): return Own()
def steps(): return Step('s', {}, {}, Own, print)
async def waits(): return 1
def inner():
    x = 1
    def set(): nonlocal x; x = 2
    return x
@lru_cache
def decorated(): return 1
"""
PROJECTS = {
    "lib": "module", "lib.make": "def", "lib.Record": "record", "DATA": "data", "Class": "class", "Live": "live",
    "Record": "record", "make": "def", "Own": "class", "Mine": "record",
}  # fmt: skip
HARMLESS = """
X = 1
X = LIVE
X = [LIVE, fn, (Own, {'a': LIVE})]
X: int = LIVE
X = ROWS[0] + TABLE['a']
X = Own.a
X = lambda: fn()
X = lambda a=1: fn()
(Y := LIVE)
X, Y = ROWS
for x in ROWS: pass
json.loads('1')
json.loads
os.path.join('a', 'b')
Mine()
Mine(fn, ROWS)
Record(1)
lib.Record(1)
partial(fn)
partial(Own, 1)
mw.Step(LIVE)
mw.StepConfig(LIVE)
dataclasses.field(default=fn)
len('a')
len(Record)
len(ROWS.a)
print(1)
open('f')
open('f', 'rb')
open('f', mode='r')
sorted([1], key=lambda k: k.strip() + ROWS)
sorted([1], key=lambda k: k)
'a'.join([])
dict.fromkeys([1])
def f(): fn()
def f(): global A; raise E
async def f(): await fn()
class A: pass
class A(Own): pass
class A(Sequence): pass
class A(Sequence[int], x=1): pass
class A(metaclass=abc.ABCMeta): pass
class A: x: int
class A: x = ROWS
class A: x = fn
import lib
from json import *
Workflow('w', [Step('s', plain(1))])
Workflow('w', [Step('s', nested())])
Workflow('w', [Step('s', reads())])
Workflow('w', loops(3))
Workflow('w', [Step('s', parses())])
Workflow('w', [counts(ROWS)])
Workflow('w', [Step('s', fn().x)])
Workflow('w', [Step('s', steps())])
Workflow('w', [Step('s', json.loads('1'))])
Workflow('w', [Step('s', str(1))])
Workflow('w', [Step('s', inner())])
""".strip().split("\n")
UNKNOWN = r"""
fn()
X = fn()
Own()
Mine(LIVE)
Record(LIVE)
lib.Record(LIVE)
lib.make()
lib.other()
make()
Class()
LIVE()
random.seed(1)
json.loads('1', object_hook=fn)
json.loads('1', object_hook=make)
json.loads('1', object_hook=lib)
json.loads('1', LIVE)
json.loads('1', object_hook=lambda d: fn(d))
partial(LIVE)
eval('1')
type('A')
super()
len(LIVE)
len(LIVE.a)
len(Own.a)
len(*LIVE)
len(again.a)
again.a
sorted([1], key=fn)
sorted([1], key=lambda k: fn(k))
sorted([1], key=lambda k: k.pop())
sorted([1], key=lambda k: Record)
sorted([1], key=lambda k: len(k))
open('f', 'w')
open('f', mode='a')
open('f', **X)
open('f', X)
next(ROWS)
getattr(ROWS, 'a')
unknown(1)
'a'.frob()
'a'.join(fn)
'a'.join(LIVE)
'a'.open('w')
ROWS.append(fn)
ROWS.open('w')
LIVE.get()
Own.get()
fn()()
(lambda: 1)()
LIVE
LIVE + 1
X = LIVE.a
X = LIVE[0]
X = Own[0]
X = Mine[0]
X = -LIVE
X, Y = LIVE
[X, Y] = LIVE
X = [*ROWS, *LIVE]
X = f'{LIVE}'
X = LIVE if A else B
X = [n for n in LIVE]
X = lambda a=fn(): 1
X = lambda *, a=fn(): 1
for x in LIVE: pass
with LIVE: pass
assert LIVE
ROWS += LIVE
if A: raise E
if A: global NEW
if A: from json import *
LIVE.x = 1
lib.x = 1
f().x = 1
@fn\ndef f(): pass
@fn()\ndef f(): pass
@lib.make\ndef f(): pass
@random.seed\ndef f(): pass
@unknown\ndef f(): pass
@fn\nclass A: pass
class A(Live): pass
class A(LIVE): pass
class A(fn): pass
class A(make): pass
class A(DATA): pass
class A(lib): pass
class A(LIVE[0]): pass
class A(metaclass=Own): pass
class A(metaclass=fn): pass
class A: x = LIVE
class A: LIVE
class A: fn()
def f(a=fn()): pass
def f(*, a=fn()): pass
Workflow('w', [Step('s', appends())])
Workflow('w', [Step('s', appends_to(ROWS))])
Workflow('w', [Step('s', keeps_in(ROWS))])
Workflow('w', [Step('s', adds_to(ROWS))])
Workflow('w', [Step('s', takes())])
Workflow('w', [Step('s', of_lib())])
Workflow('w', [Step('s', of_again())])
Workflow('w', [Step('s', takes_part(ROWS))])
Workflow('w', [Step('s', takes_again())])
Workflow('w', [Step('s', takes_later(ROWS))])
Workflow('w', [Step('s', goes_through([ROWS]))])
Workflow('w', [Step('s', matches(ROWS))])
Workflow('w', [Step('s', imports())])
Workflow('w', [Step('s', by_class(ROWS))])
Workflow('w', [Step('s', by_lambda(ROWS))])
Workflow('w', [Step('s', by_function(ROWS))])
Workflow('w', [Step('s', by_other(ROWS))])
Workflow('w', [Step('s', by_iterator())])
Workflow('w', [Step('s', stores())])
Workflow('w', [Step('s', declares())])
Workflow('w', [Step('s', evaluates())])
Workflow('w', [Step('s', calls())])
Workflow('w', [Step('s', decorated())])
Workflow('w', [Step('s', deeper())])
Workflow('w', [Step('s', plain.x())])
Workflow('w', [Step('s', Own())])
Workflow('w', [Step('s', (lambda: 1)())])
Workflow('w', [Step('s', random.random())])
Workflow('w', [Step('s', unknown())])
""".strip().split("\n")
KNOWN_DECORATORS = [
    *("@property", "@staticmethod", "@classmethod", "@lru_cache", "@x.setter", "@x.getter", "@x.deleter"),
    *("@abc.abstractmethod", "@lru_cache(9)"),
]
TOUCHED = {
    "ROWS.append(1)": "ROWS",
    "ROWS.sort(key=TABLE.get)": "ROWS TABLE",
    "json.dumps(ROWS)": "ROWS",
    "json.dumps([ROWS, {'a': TABLE}])": "ROWS TABLE",
    "json.dumps(default=ROWS.append)": "ROWS",
    "partial(ROWS.append)": "ROWS",
    "partial(ROWS)": "",
    "len(ROWS)": "",
    "map(ROWS.append, [1])": "ROWS",
    "filter(key=ROWS.append)": "ROWS",
    "'a'.join(ROWS.pop)": "ROWS",
    "list.append(ROWS, 1)": "ROWS",
    "dict.update(TABLE, a=1)": "TABLE",
    "ROWS[0] = 1": "ROWS",
    "TABLE['a']['b'] = 1": "TABLE",
    "TABLE['a'].b = 1": "TABLE b",
    "del TABLE[1]": "TABLE",
    "ROWS += [1]": "ROWS",
    "ROWS[0] += 1": "ROWS",
    "Own.x = 1": "Own x",
    "fn.x = 1": "fn x",
    "class A: ROWS.append(1)": "ROWS",
    "if A: ROWS.append(1)": "ROWS",
    "ROWS = [ROWS]": "",
}
AND_MORE = {
    "os.environ['A'] = '1'": "os environ",
    "Own.x.y = 1": "Own x y",
    "Own.x[0] = 1": "Own x",
    "Own[0] = 1": "Own",
    "lib.x = 1": "lib x",
    "f().x = 1": "x",
}


def module_of(text: str) -> syntax.Module:
    module = syntax.read(text.encode(), "m", False)
    assert module is not None
    return module


def last(text: str) -> effects._Effects:
    return all_effects(module_of(f"{BEFORE}{text}\n"), frozenset(PROJECTS.items()))[-1]


@pytest.mark.parametrize("text", [*HARMLESS, *(f"{each}\ndef f(): pass" for each in KNOWN_DECORATORS)])
def test_what_only_keeps_reads_or_makes_data_is_harmless(text: str) -> None:
    assert not last(text).unknown


@pytest.mark.parametrize("text", [each.replace("\\n", "\n") for each in UNKNOWN])
def test_what_runs_other_code_may_do_anything(text: str) -> None:
    assert last(text).unknown


@pytest.mark.parametrize("text", [*TOUCHED, *AND_MORE])
def test_what_changes_something_touches_its_name(text: str) -> None:
    found = last(text)
    assert found.touches == {*{**TOUCHED, **AND_MORE}[text].split()}
    assert found.unknown == (text in AND_MORE)


def test_what_a_statement_binds_is_known() -> None:
    assert last("X = Y = [Z := 1]").binds == {"X", "Y", "Z"}
    assert last("ROWS.append(1)").binds == set()


def test_a_decorator_that_the_module_has_made_its_own_may_do_anything() -> None:
    found = all_effects(module_of("def property(f): print(f)\n@property\ndef f(): pass"), frozenset())
    assert [each.unknown for each in found] == [False, True]


def test_what_a_file_uses_of_imports_while_it_is_loaded_is_known_by_its_whole_name() -> None:
    text = "import a.b, c as d\nfrom e import f\nX = a.b.g + d.h\ndef g(x=f): return d.i\nclass A(f.J): pass\n"
    assert chains(module_of(text)) == {
        "a.b.g": "a.b.g", "a.b": "a.b", "a": "a", "d.h": "c.h", "d": "c", "f": "e.f", "f.J": "e.f.J"
    }  # fmt: skip


def test_values_that_stand_in_one_statement_may_hold_one_another() -> None:
    text = "A = []\nB = [A]\nC = 1\nD = []\nE = [D]\ndef f(): return A, C\nclass G: x = C\nimport h\n"
    one, other = {"A", "B"}, {"D", "E"}
    assert links(module_of(text)) == {**dict.fromkeys(one, one), **dict.fromkeys(other, other)}
    every = one | other
    assert links(module_of(text + "X = A, D\n")) == dict.fromkeys(every | {"X"}, every | {"X"})


def test_a_workflow_or_step_that_is_made_is_one_by_whatever_name() -> None:
    text = f"{BEFORE}W = Workflow()\nW: object = mw.Step()\nW: object\nWorkflow()\nW = plain(1)\n"
    module = module_of(text)
    assert [makes_workflow(each, module) for each in module.body[-5:]] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("dotted", "tame"), [("enum.Enum", True), ("pydantic.BaseModel", True), ("attrs", False), ("numpy.ndarray", False)]
)
def test_classes_of_the_standard_library_and_some_more_do_nothing_with_their_subclasses(
    dotted: str, tame: bool
) -> None:
    assert is_tame(dotted) is tame
