"""What of a module counts, told from its source and from what was executed; nothing is executed here.

Of `CASES`, the lines that end with `#+` count, and no others.
"""

from __future__ import annotations

from typing import Any

import pytest
from code_cases import version

from motools.code import syntax
from motools.code.blocks import Blocks, count, statement_digest

CASES = {
    "what a function reads, and what that is made of": """
A = 1  #+
B = [A]  #+
C = 2
def step(): return B
""",
    "what changes it": """
A = []  #+
B = []
A.append(1)  #+
B.append(1)
def step(): return A
""",
    "what changes it under another name": """
A = []  #+
same = A  #+
same.append(1)  #+
other = []
other.append(1)
def step(): return A
""",
    "what may do anything": """
import random  #+
A = 1
random.seed(1)  #+
print(A)
def step(): return 0
""",
    "a function that is named": """
def one(): return 1  #+
def two(): return 2
def step(): return one()
""",
    "a class that is named, and none that is not": """
class A:  #+
    x = 1  #+
class B:
    y = 1
def step(): return A.x
""",
    "a class of which an attribute is named": """
class A:  #+
    x = 1  #+
class B:
    y = 1
def step(a): return a.x
""",
    "imports of names that are used": """
import json
import math  #+
from os import path as where  #+
from os import sep
def step(): return math.pi, where
""",
    "an import of what may do something when it is imported": """
import nosuch_plugin  #+
import nosuch_library
def step(): return 0
def other(): return nosuch_library
""",
    "a star": """
from math import *  #+
def step(): return 0
""",
    "everything, where names are made up": """
import lib  #+
from math import sin  #+
A = 1  #+
def one(): return 1  #+
class B: pass  #+
def step(name): return globals()[name]  #+
""",
    "everything, where a module of the project is handed on": """
import lib  #+
A = 1  #+
def step(): return str(lib)  #+
""",
    "not everything, where only a part of it is": """
import lib  #+
A = 1
def step(): return str(lib.LIMIT)
""",
    "the future, where somebody asks for the types of fields": """
from __future__ import annotations  #+
from dataclasses import fields  #+
def step(config): return fields(config)
""",
    "no docstring, no pass, no future": '''
"""What it is for."""
from __future__ import annotations
pass
def step(): return 0
''',
    "the docstring and the future, where hints are read": '''
"""What it is for."""  #+
from __future__ import annotations  #+
pass
def step(): return step.__doc__  #+
''',
    "not a workflow that is made, though names are made up": """
from motools.workflow import Workflow  #+
w = Workflow("w", [])
A = 1  #+
def step(name): return globals()[name]  #+
""",
    "a function that is compiled": """
from nosuch_compiler import njit  #+
@njit  #+
def one(): return A  #+
A = 1  #+
B = 2
def step(): return one()
""",
    "a decorated function, where its decorator may keep it": """
TABLE = []  #+
def register(f):  #+
    TABLE.append(f)  #+
    return f  #+
@register  #+
def one(): return 1  #+
def step(): return TABLE
""",
    "no function that only caches": """
from functools import lru_cache
@lru_cache
def other(): return 1
def step(): return 0
""",
    "what an instance may run while the module is loaded": """
class Plain:
    def method(self): return 1
class Eager:  #+
    def __init__(self): print(self)  #+
A = Plain()
B = Eager()  #+
def step(): return 0
""",
    "what a subclass may run": """
class Base:  #+
    def __init_subclass__(cls): print(cls)  #+
class Derived(Base): pass  #+
class Other: pass
class More(Other): pass
def step(): return 0
""",
    "classes that are each other's base, as no code has them that can be loaded": """
class A(B): pass  #+
class B(A): pass  #+
def step(): return 0
""",
    "what an instance of a subclass may run": """
class A:  #+
    def __init__(self): print(self)  #+
class B(A): pass  #+
X = B()  #+
def step(): return 0
""",
    "a subclass of what an unknown library may do something with": """
from nosuch_library import Base  #+
class A(Base): pass  #+
class B(A): pass  #+
def step(): return 0
""",
    "no subclass of what a harmless library has": """
from abc import ABC
class A(ABC): pass
class B(A): pass
def step(): return 0
""",
    "no instance of a class that only holds fields": """
from dataclasses import dataclass, field
@dataclass
class A:
    x: list = field(default_factory=list)
    def __repr__(self): return "A"
X = A()
def step(): return 0
""",
    "an instance of a class that its decorator may have changed": """
def changed(cls): return cls  #+
@changed  #+
class A: pass  #+
X = A()  #+
def step(): return 0
""",
    "an instance of a class that is made of another function": """
from nosuch_library import made  #+
class A: x = made  #+
X = A()  #+
def step(): return 0
""",
    "an instance of a class whose base a call has made": """
LOG = []  #+
def made():  #+
    class Base:  #+
        def __init__(self): LOG.append(1)  #+
    return Base  #+
class A(made()): pass  #+
X = A()  #+
def step(): return LOG
""",
    "an instance of a class whose base a star has brought": """
from nosuch_library import *  #+
class A(Base): pass  #+
X = A()  #+
def step(): return 0
""",
    "an instance of a class whose base stands in another": """
LOG = []  #+
class Outer:  #+
    class Inner:  #+
        def __init__(self): LOG.append(1)  #+
class A(Outer.Inner): pass  #+
X = A()  #+
def step(): return LOG
""",
    "an instance of which a part is made by a class that may do more": """
from dataclasses import dataclass, field  #+
LOG = []  #+
class Part:  #+
    def __init__(self): LOG.append(1)  #+
@dataclass  #+
class A:  #+
    part: object = field(default_factory=Part)  #+
X = A()  #+
def step(): return LOG
""",
    "an instance of which a part is made by a function under another name": """
from dataclasses import dataclass, field  #+
LOG = []  #+
def part(): LOG.append(1)  #+
MADE = part  #+
@dataclass  #+
class A:  #+
    part: object = field(default_factory=lambda: MADE())  #+
X = A()  #+
def step(): return LOG
""",
    "no instance of which the parts are data, and whose methods alone use what is imported": """
import json
from dataclasses import dataclass, field
SIZES = [1]
class Part: x = 1
@dataclass
class A:
    part: Part = field(default_factory=Part)
    sizes: list = field(default_factory=lambda: SIZES)
    def text(self): return json.dumps(self.sizes)
X = A()
def step(): return 0
""",
}
SAME = {
    "the body of a decorated function that was not executed": """
def keep(f): return f
@keep
def one(): return «1|2»
def step(): return one
""",
    "the text of a function that was not executed": """
def one(): return «1|2»
def step(): return one
""",
    "the text of a method that was not executed": """
class A:
    def one(self): return «1|2»
def step(): return A.one
""",
    "the name of a local after an inner scope": """
def step():
    a = [n for n in range(3)]
    «b|c» = 1
    return a, «b|c»
""",
    "the order of definitions": """
«def one(): return 1|def two(): return 2»
«def two(): return 2|def one(): return 1»
def step(): return one, two
""",
    "the order of imports": """
«import math|import json»
«import json|import math»
def step(): return math, json
""",
    "a method that nothing names, of a class of its own": """
class A:
    def one(self): return 1
    «|def two(self): return 2»
def step(): return A.one
""",
    "the order of methods": """
class A:
    «def one(self): return 1|def two(self): return 2»
    «def two(self): return 2|def one(self): return 1»
def step(): return A.one, A.two
""",
    "a docstring and hints that nothing reads": """
class A:
    '''«One|Two».'''
    x = 1
def step(a«|: int»)«| -> int»:
    '''«One|Two».'''
    return A.x
""",
    "the order of imports from modules": """
«from math import pi|from json import loads»
«from json import loads|from math import pi»
def step(): return pi, loads
""",
    "what is imported beside a plugin, for others": """
import nosuch_plugin, «nosuch_one|nosuch_two» as named, «math|json» as unnamed
def other(): return named
def step(): return 0
""",
    "a library after what may change one": """
import random
random.seed(1)
«import json|»
def step(): return 1
""",
    "a module of the project that is imported and not used": """
«import lib|»
def step(): return 1
""",
}
OTHER = {
    "the text of a function that was executed": "def step(): return «1|2»",
    "its name for another": "def «one|two»(): return 1\ndef step(): return one",
    "the default of a function that is defined again": """
def one(a=«1|2»): return a
def one(a=3): return a
def step(): return one
""",
    "the hint of a decorated function": """
def keep(f): return f
@keep
def one(a: «int|str»): return a
def step(): return one
""",
    "which module an import gives": "import «math|cmath» as m\ndef step(): return m.sqrt(1)",
    "what is imported for what it does": "import «nosuch_plugin|nosuch_other» as plugin\ndef step(): return 0",
    "what is imported from where": "from math import «sin|cos» as f\ndef step(): return f(1)",
    "the order of stars": """
from «json|math» import *
from «math|json» import *
def step(): return loads
""",
    "the order of imports of one name": """
from «json|math» import a
from «math|json» import a
def step(): return a
""",
    "the order of values": "A = «1|2»\nA = «2|1»\ndef step(): return A",
    "a method that is named": """
class A:
    def one(self): return 1
    «|def two(self): return 2»
def step(): return A.one, A.two
""",
    "a method that a base may call": """
from nosuch import Base
class A(Base):
    def one(self): return 1
    «|def two(self): return 2»
def step(): return A
""",
    "a special method": """
class A:
    x = 1
    «|def __len__(self): return 2»
def step(): return A
""",
    "any method, where names are made up": """
class A:
    def one(self): return 1
    «|def two(self): return 2»
def step(name): return vars(A)[name]
""",
    "which of two values of one name comes last": """
class A:
    x = «1|2»
    x = «2|1»
def step(): return A.x
""",
    "a base of a class": "class A: x = 1\nclass B: x = 2\nclass C(«A|B»): pass\ndef step(): return C.x",
    "a docstring of a class that may become a schema": """
from pydantic import BaseModel
class A(BaseModel):
    '''«One|Two».'''
    x: int = 1
def step(): return A
""",
    "a docstring of what is handed to a call": """
def one():
    '''«One|Two».'''
def step(): return tool(one)
""",
    "docstrings and hints, where code reads them": """
def step(a: «int|str»):
    '''«One|Two».'''
    return step.__doc__
""",
    "the future, where hints are read": """
from __future__ import «annotations|generator_stop»
def step(a: int): return step.__annotations__
""",
    "a module of the project after what may change it": """
import random
random.seed(1)
«import lib|import lib.part»
def step(): return 1
""",
    "the docstring of a function of a table": """
from nosuch import register
def one():
    '''«One|Two».'''
TABLE = [one]
def step():
    for tool in TABLE: register(tool)
""",
    "the hint of a method that a base may read": """
from nosuch import Base
class A(Base):
    def one(self, a: «int|str»): return a
def step(): return A
""",
    "the docstring of a method, where code reads them": """
class A:
    def one(self): '''«One|Two».'''
def step(): return A.one.__doc__
""",
    "the docstring of a class, where code reads them": """
class A:
    '''«One|Two».'''
    x = 1
def step(): return A.__doc__
""",
    "what a decorator of a method is given": """
from nosuch import keep
class A:
    @keep(«1|2»)
    def one(self): return 1
def step(): return A.one
""",
    "what a method's default is made of": """
def make(x): return x
class A:
    x = 1
    def one(self, a=make(«1|2»)): return a
def step(): return A.x
""",
    "what a function's default is made of": """
def make(x): return x
def one(a=make(«1|2»)): return a
def step(): return one
""",
    "a value that a function's default binds": """
def one(a=(b := «1|2»)): return a
def step(): return b
""",
    "which of a method and a value comes last": """
class A:
    «def one(self): return 1|one = 2»
    «one = 2|def one(self): return 1»
def step(): return A.one
""",
    "a hinted part of something in a class": """
class B: pass
class A:
    x = B
    x.y: int = «1|2»
def step(): return A
""",
    "what is imported, where names are made up": """
from math import «sin|cos» as f
def step(name): return globals()[name](1)
""",
    "a star before or after what it may replace": """
«from math import *|from nosuch import sin»
«from nosuch import sin|from math import *»
def step(): return sin(1)
""",
    "an import before or after what may change it": """
import random
«random.seed(1)|import math»
«import math|random.seed(1)»
def step(): return math.pi
""",
    "a function that is gone": "«def step(): return 1|def other(): return 1»",
}


def counted(text: str, ran: tuple[str, ...] = ("step",), **more: Any) -> Blocks:
    module = syntax.read(text.encode(), "steps", False)
    assert module is not None
    of = {"loaded": {}, "pinned": {}, "configs": {}, **more}
    projects = ("steps", "lib", "lib.part")
    return count({"steps.py": module}, {"steps.py": set(ran)}, is_project=projects.__contains__, **of)["steps.py"]


@pytest.mark.parametrize("case", CASES)
def test_what_may_have_mattered_counts_and_nothing_else(case: str) -> None:
    lines = CASES[case].splitlines()
    expected = {number for number, line in enumerate(lines, 1) if line.endswith("#+")}
    found = {n for first, last in counted(CASES[case]).lines for n in range(first, last + 1)}
    assert [lines[n - 1] for n in sorted(found)] == [lines[n - 1] for n in sorted(expected)]


LIB = """
from __future__ import annotations
from abc import ABC
from typing import List
from pydantic import BaseModel
class Record: x = 1
class Derived(Record): pass
class Eager:
    def __init__(self): print(self)
class Registered:
    def __init_subclass__(cls): print(cls)
class Twice: x = 1
class Twice: y = 1
if DATA:
    class Maybe: x = 1
class Keyed(metaclass=type): x = 1
class Named(ABC): x = 1
class Model(BaseModel): x = 1
class Generic(List[int]): x = 1
class Both(Model, Record): x = 1
class Warning:
    def __init__(self): print(self)
class Shadowing(Warning): pass
class Error(Exception): x = 1
def make(): pass
DATA = []
LIVE = iter([])
import lib.part
from lib.part import PART, Other, circle
"""
PART = "PART = []\nclass Other: y = 1\nfrom lib import circle\n"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("lib.Record()", False),
        ("lib.Derived()", False),
        ("lib.Other()", False),
        ("lib.part.Other()", False),
        ("len(lib.DATA)", False),
        ("len(lib.PART)", False),
        ("class A(lib.Record): pass", False),
        ("class A(lib.Eager): pass", False),
        ("class A(lib.Model): pass", False),
        ("class A(lib.Named, lib.Record): pass", False),
        ("lib.Named()", False),
        ("lib.Error()", False),
        ("class A(lib.Both): pass", False),
        ("lib.Model()", True),
        ("lib.Shadowing()", True),
        ("lib.Generic()", True),
        ("lib.Twice()", True),
        ("lib.Maybe()", True),
        ("lib.Keyed()", True),
        ("lib.make == 1", False),
        ("nosuch.absent == 1", False),
        ("lib.annotations == 1", False),
        ("lib.absent == 1", True),
        ("lib.far.absent == 1", True),
        ("json.dumps(lib.DATA)", False),
        ("json.dumps(lib.make)", True),
        ("lib.Eager()", True),
        ("lib.make()", True),
        ("lib.make.x()", True),
        ("lib.circle()", True),
        ("lib.absent()", True),
        ("lib.part.absent()", True),
        ("len(lib.LIVE)", True),
        ("class A(lib.Registered): pass", True),
        ("class A(lib.LIVE): pass", True),
        ("class A(lib): pass", True),
        ("lib.far.Other()", True),
        ("lib.late.Other()", True),
    ],
)
def test_what_another_file_of_the_project_has_is_known_by_what_it_is_there(text: str, counts: bool) -> None:
    files = {"steps": f"import json, lib, nosuch\n{text}\ndef step(): return 0\n", "lib": LIB, "lib.part": PART}
    modules = {f"{name}.py": syntax.read(each.encode(), name, name == "lib") for name, each in files.items()}
    known = {*files, "lib.late"}  # the last one is not loaded
    of: Any = {"loaded": {}, "pinned": {}, "configs": {}, "is_project": known.__contains__}
    found = count(modules, {"steps.py": {"step"}}, **of)["steps.py"]  # type: ignore[arg-type]
    assert found.hold(2) is counts


def both(text: str, **more: Any) -> list[tuple[Any, Any]]:
    """What is compared of a case before and after its change."""
    blocks = [counted(version(text, n)["steps.py"], **more) for n in (0, 1)]
    return [(each.top, each.functions) for each in blocks]


@pytest.mark.parametrize("case", SAME)
def test_what_changes_nothing_is_no_part_of_what_counts(case: str) -> None:
    before, after = both(SAME[case])
    assert before == after


@pytest.mark.parametrize("case", OTHER)
def test_what_may_change_a_result_is_part_of_what_counts(case: str) -> None:
    before, after = both(OTHER[case])
    assert before != after


def test_what_was_executed_while_loading_counts_where_what_counts_names_it() -> None:
    text = "def make(): return 1\ndef other(): return 2\nA = make()\nB = 2\ndef step(): return A\n"
    found = counted(text, loaded={"steps.py": {"make", "other"}})
    assert set(found.functions) == {"step", "make"}
    text = "class A:\n    class B:\n        def one(self): return 1\ndef step(a): return a.one()\n"
    assert set(counted(text, loaded={"steps.py": {"A.B.one"}}).functions) == {"step", "A.B.one"}


def test_a_compiled_function_counts_where_what_counts_names_it() -> None:
    text = "from nosuch import njit\n@njit\ndef one(): return 1\n@njit\ndef two(): return 2\ndef step(): return one()\n"
    assert set(counted(text).functions) == {"step", "one"}


def test_what_stands_in_the_place_of_a_function_that_was_executed_counts() -> None:
    found = counted("A = 1\nstep = A\n", ran=("step", "<lambda>"))
    assert (found.lines, found.functions) == (((1, 1), (2, 2)), {"step": ""})


def test_all_lines_of_a_statement_count_and_no_others() -> None:
    found = counted("\nA = [\n    1,\n]\ndef step(): return A\n")
    assert [line for line in range(1, 7) if found.hold(line)] == [2, 3, 4]


def test_docstrings_count_of_what_a_function_returns_that_is_handed_to_a_call() -> None:
    text = """
from nosuch import register
def one():
    '''«One|Two».'''
def tools(): return [one]
def step():
    for tool in tools(): register(tool)
"""
    before, after = both(text, ran=("step", "tools"))
    assert before != after


def test_hints_of_an_executed_function_count_where_it_stands_in_a_decorated_one_and_not_elsewhere() -> None:
    text = "@keep\ndef one():\n    def two(a: «int|str»): return a\n    return two\n"
    before, after = both(text, ran=("one", "one.<locals>.two"))
    assert before != after
    before, after = both("def one(a: «int|str» = list()): return a\ndef step(): return one()\n", ran=("step", "one"))
    assert before == after


def test_methods_that_were_executed_while_loading_count_where_their_class_does() -> None:
    text = """
def keep(cls):
    cls()
    return cls
@keep
class A:
    def __init__(self): print(LIMIT)
class B:
    def __init__(self): print(self)
LIMIT = 1
def step(): return 0
"""
    found = counted(text, loaded={"steps.py": {"keep", "A.__init__", "B.__init__"}})
    assert set(found.functions) == {"step", "keep", "A.__init__"}
    assert found.hold(10)


def test_a_class_counts_of_which_a_method_was_executed() -> None:
    text = "class A:\n    def one(self): return 1\nclass B:\n    def one(self): return 1\ndef step(a): return a()\n"
    assert counted(text, ran=("step", "A.one")).lines == ((1, 2),)


@pytest.mark.parametrize(
    ("head", "keeps"), [("class A:", False), ("@keep\nclass A:", True), ("class A(BaseModel):", True)]
)
def test_a_statement_that_holds_a_lambda_is_known_with_a_docstring_that_may_be_read(head: str, keeps: bool) -> None:
    digests = set()
    for text in ("One.", "Two."):
        module = syntax.read(f"{head}\n    '{text}'\n    x = lambda: 1\n".encode(), "steps", False)
        assert module is not None
        digests.add(statement_digest(module, 2))
    assert len(digests) == (2 if keeps else 1)


def test_a_statement_whose_lambda_was_executed_counts() -> None:
    text = "A = 1\nf = lambda: 2\ndef step(): return 0\n"
    module = syntax.read(text.encode(), "steps", False)
    assert module is not None
    pin = statement_digest(module, 2)
    assert pin is not None
    assert pin != statement_digest(module, 1)
    assert statement_digest(module, 9) is None
    assert counted(text, pinned={"steps.py": {pin}}).lines == ((2, 2),)


def test_a_statement_is_that_of_each_of_its_lines_and_of_no_other() -> None:
    text = "@keep\nclass A:\n    f = lambda: 1\n\nB = [\n    lambda: 2,\n]\n"
    module = syntax.read(text.encode(), "steps", False)
    assert module is not None
    a, b = {statement_digest(module, line) for line in (1, 2, 3)}, {statement_digest(module, n) for n in (5, 6, 7)}
    assert len(a) == len(b) == 1
    assert a != b
    assert {*a, *b}.isdisjoint({None})
    assert statement_digest(module, 4) is None


def test_fields_of_a_config_class_are_in_the_key_unless_somebody_may_ask_for_them() -> None:
    text = "class C:\n    a: int = «1|2»\n    b = 1\ndef step(config): return config.a, config.b\n"
    before, after = both(text, configs={"steps.py": {"C.a"}})
    assert before == after
    assert before[0]
    before, after = both(text.replace("config.a", "C.a"), configs={"steps.py": {"C.a"}})
    assert before != after
    text = "from nosuch import Base\nclass C(Base):\n    '«One|Two».'\n    a: int = 1\n    b = 1\n"
    before, after = both(f"{text}def step(config): return config.a, config.b\n", configs={"steps.py": {"C.a"}})
    assert before == after


@pytest.mark.parametrize(("more", "classes"), [("", ["B", "D"]), (", step.__doc__", ["B", "C", "D"])])
def test_a_config_class_counts_only_where_more_than_the_values_of_its_fields_is_used(
    more: str, classes: list[str]
) -> None:
    text = "class B:\n    a = 1\nclass C:\n    a: int = 1\nclass D:\n    a = 1\n"
    found = counted(f"{text}def step(config): return config.a{more}\n", configs={"steps.py": {"C.a"}})
    assert [label for label, _ in found.top if label != "step()"] == [f"class {name}" for name in classes]


@pytest.mark.parametrize(("length", "told"), [(25, f"random.seed('{'x' * 25}')"), (26, f"random.seed('{'x' * 24}...")])
def test_a_long_statement_is_told_by_how_it_begins(length: int, told: str) -> None:
    found = counted(f"import random\nrandom.seed('{'x' * length}')\ndef step(): return 0\n")
    assert told in [label for label, _ in found.top]
