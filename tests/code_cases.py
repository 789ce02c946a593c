"""Cases of code: edits that change what `step()` returns, and edits that do not.

A case is the text of one or more files, `steps.py` first and each other one after a line `--- its/name.py`,
with `«before|after»` where the two versions of the code differ.
"""

from __future__ import annotations

import re
from pathlib import Path

_MARK = re.compile(r"«([^«»|]*)\|([^«»]*)»")


def version(text: str, number: int) -> dict[str, str]:
    """The files of a case as they are before (0) or after (1) its change, by name."""
    parts = re.split(r"^--- (.+)\n?", _MARK.sub(lambda match: match[number + 1], text), flags=re.MULTILINE)
    return {"steps.py": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


CHANGES = {
    "the body of the function": "def step(): return «1|2»",
    "a default argument": "def step(n=«1|2»): return n",
    "a keyword argument's default": "def step(*, n=«1|2»): return n",
    "a name in a default argument": "LIMIT = «1|2»\ndef step(n=LIMIT): return n",
    "the kind of a number": "def step(): return «1|1.0»",
    "a truth for a number": "def step(): return «1|True»",
    "a text for bytes": "def step(): return «'a'|b'a'»",
    "the sign of a zero": "def step(): return «0.0|-0.0»",
    "an operator": "def step(a=3, b=1): return a «+|-» b",
    "a star before an argument": "def step(a=(1, 2)): return [«|*»a]",
    "a coroutine for a function": "«|async »def one(): return 1\ndef step(): return hasattr(one(), 'send')",
    "an annotation that is read": """
from typing import get_type_hints
def other(a: «int|float»): return a
def step(): return get_type_hints(other)
""",
    "a function that it calls": "def step(): return helper()\ndef helper(): return «1|2»",
    "a function that is called by one that it calls": """
def step(): return one()
def one(): return two()
def two(): return «1|2»
""",
    "a function that calls it back": """
def step(n=2): return n and other(n - 1)
def other(n): return «1|2» + step(n)
""",
    "what a function adds that a builtin calls for a key": """
ROWS = []
def add(n): ROWS.append(n * «1|2»); return 0
_ = sorted([1], key=add)
def step(): return ROWS
""",
    "the rows over which a builtin calls a function": """
ROWS = []
def add(n): ROWS.append(n)
DONE = list(map(add, [«1|2»]))
def step(): return ROWS
""",
    "a constant": "LIMIT = «1|2»\ndef step(): return LIMIT",
    "a constant of a constant": "A = «1|2»\nB = [A]\ndef step(): return B",
    "an annotated constant": "LIMIT: int = «1|2»\ndef step(): return LIMIT",
    "one name of several that are bound at once": "(A, [B, *C]) = 1, [3, «1|2»]\ndef step(): return C",
    "a constant in an f-string": "LIMIT = «1|2»\ndef step(): return f'{LIMIT:>{LIMIT}}'",
    "the text of an f-string": "def step(a=1): return f'«x|y»{a}'",
    "the conversion of an f-string": "def step(a='x'): return f'{a!«r|s»}'",
    "a constant given with stars": "MORE = {'a': «1|2»}\ndef step(): return dict(**MORE)",
    "a constant in a nested function": "LIMIT = «1|2»\ndef step():\n    def inner(): return LIMIT\n    return inner()",
    "a constant in a lambda": "LIMIT = «1|2»\ndef step(): return (lambda a: a + LIMIT)(1)",
    "a constant in a default of a lambda": "LIMIT = «1|2»\ndef step(): return (lambda a=LIMIT: a)()",
    "a constant in a comprehension": "LIMIT = «1|2»\ndef step(): return [LIMIT for _ in range(3)]",
    "a constant that a comprehension goes through": "ROWS = [«1|2»]\ndef step(): return {r: 1 for r in ROWS if r}",
    "a name that a comprehension uses again for its rows": "rows = [«1|2»]\ndef step(): return [rows for rows in rows]",
    "a name that is also a comprehension's variable elsewhere": """
x = «1|2»
def step():
    squares = [x * x for x in range(3)]
    return squares, x
""",
    "a constant under a walrus": "LIMIT = «1|2»\ndef step(): return [(last := LIMIT), last]",
    "a constant that a walrus binds": "if (LIMIT := «1|2») > 0: pass\ndef step(): return LIMIT",
    "a constant that a comprehension's walrus binds": "[LIMIT := n for n in [«1|2»]]\ndef step(): return LIMIT",
    "a class that a match statement asks for": """
class Row: kind = «1|2»
def step():
    match Row():
        case Row(kind=1): return 1
""",
    "a constant that a match statement asks for": """
class Row: kind = «1|2»
def step(a=1):
    match a:
        case Row.kind: return 1
""",
    "a match statement's null for its truth": "def step(a=True):\n    match a:\n        case «None|True»: return 1",
    "a name that a match statement binds": """
match {"a": «1|2», "b": 3}:
    case {"a": LIMIT, **others}: pass
def step(): return LIMIT
""",
    "the rest that a match statement binds": """
match {"a": «1|2», "b": 3}:
    case {"b": 3, **others}: pass
def step(): return others
""",
    "the base that a class has": "class A: a = 1\nclass B: a = 2\nclass C(«A|B»): pass\ndef step(): return C.a",
    "a method of a class": "class A:\n    def get(self): return «1|2»\ndef step(): return A().get()",
    "a method of a base class": """
class A:
    def get(self): return «1|2»
class B(A): pass
def step(): return B().get()
""",
    "a class method, a property and a nested class": """
class A:
    class B:
        @property
        def get(self): return «1|2»
def step(): return A.B().get
""",
    "a method through an instance of the module": """
class A:
    def get(self): return «1|2»
IT = A()
def step(): return IT.get()
""",
    "an attribute that a class gets from outside": "class A: x = 0\nA.x = «1|2»\ndef step(): return A().x",
    "an attribute that a class gets by setattr": "class A: x = 0\nsetattr(A, 'x', «1|2»)\ndef step(): return A().x",
    "an attribute that a class gets from a function": """
class A: x = 0
def patch(cls): cls.x = «1|2»
patch(A)
def step(): return A().x
""",
    "an attribute that a function gets from outside": "def step(): return step.x\nstep.x = «1|2»",
    "a method that a class gets from outside": """
class A: pass
def get(self): return «1|2»
A.get = get
def step(): return A().get()
""",
    "a class in an annotation that is a text": """
from typing import get_type_hints
class Part: x = «1|2»
class Whole:
    part: "Part | None" = None
def step(): return get_type_hints(Whole)["part"].__args__[0].x
""",
    "a decorator": """
def deco(fn): return lambda: «1|2»
@deco
def step(): return 1
""",
    "an argument of a decorator": """
def deco(n): return lambda fn: lambda: n
@deco(«1|2»)
def step(): return 1
""",
    "an item that is set afterwards": "TABLE = {}\nTABLE['a'] = «1|2»\ndef step(): return TABLE",
    "an item of an item that is set afterwards": "TABLE = {'a': {}}\nTABLE['a']['b'] = «1|2»\ndef step(): return TABLE",
    "an update": "TABLE = {}\nTABLE.update(a=«1|2»)\ndef step(): return TABLE",
    "something appended": "ROWS = []\nROWS.append(«1|2»)\ndef step(): return ROWS",
    "something appended in a loop": """
ROWS = []
for n in range(3):
    ROWS.append(n + «1|2»)
def step(): return ROWS
""",
    "something appended in a class body": "ROWS = []\nclass A:\n    ROWS.append(«1|2»)\ndef step(): return ROWS",
    "something appended by way of its class": "ROWS = []\nlist.append(ROWS, «1|2»)\ndef step(): return ROWS",
    "something appended by what makes a step": """
from dataclasses import dataclass
from motools.workflow import Step, StepConfig, Workflow
ROWS = []
@dataclass
class Config(StepConfig): pass
def other(config, input_atoms, workspace): pass
def make(rows):
    rows.append(«1|2»)
    return other
w = Workflow("w", [Step("s", {}, {"out": "thing"}, Config, make(ROWS))])
def step(): return ROWS
""",
    "something deleted": "TABLE = {1: 1, 2: 2}\ndel TABLE[«1|2»]\ndef step(): return TABLE",
    "something added in place": "ROWS = [0]\nROWS += [«1|2»]\ndef step(): return ROWS",
    "something added in place to a list of another file": """
from helpers import ROWS
import helpers
ROWS += [«1|2»]
def step(): return helpers.ROWS
--- helpers.py
ROWS = []
""",
    "something added in place under another name": "ROWS = []\nsame = ROWS\nsame += [«1|2»]\ndef step(): return ROWS",
    "something appended under another name": "ROWS = []\nsame = ROWS\nsame.append(«1|2»)\ndef step(): return ROWS",
    "something appended to what a function gives": """
ROWS = []
def rows(): return ROWS
rows().append(«1|2»)
def step(): return ROWS
""",
    "a number added in place": "LIMIT = 0\nLIMIT += «1|2»\ndef step(): return LIMIT",
    "the name of a builtin deleted": "max = min\n«pass|del max»\ndef step(): return max([1, 2])",
    "the order of two changes": "ROWS = []\nROWS.append(«1|2»)\nROWS.append(«2|1»)\ndef step(): return ROWS",
    "the order in which a name is bound": "LIMIT = «1|2»\nLIMIT = «2|1»\ndef step(): return LIMIT",
    "which of two functions of one name comes last": """
def get(): return «1|2»
def get(): return «2|1»
def step(): return get()
""",
    "a decorated registration": """
TASKS = []
def register(fn):
    TASKS.append(fn)
    return fn
@register
def one(): return «1|2»
def step(): return [task() for task in TASKS]
""",
    "the order of decorated registrations": """
TASKS = []
def register(n): return lambda fn: TASKS.append((n, fn))
@register(«1|2»)
def one(): return 1
@register(«2|1»)
def one(): return 1
def step(): return [n for n, _ in TASKS]
""",
    "a registration of a method": """
TASKS = []
def register(fn): TASKS.append(fn); return fn
class A:
    @register
    def one(self): return «1|2»
def step(): return TASKS[0](None)
""",
    "a registration through another function": """
TASKS = []
def add(n): TASKS.append(n)
def register(n): add(n)
register(«1|2»)
def step(): return TASKS
""",
    "a registration through functions that call each other": """
TASKS = []
def one(n): TASKS.append(n); return n and two(n - 1)
def two(n): return n and one(n - 1)
two(«1|2»)
one(3)
def step(): return TASKS
""",
    "a registration by an object": """
class Registry:
    def __init__(self): self.tasks = []
    def register(self, fn): self.tasks.append(fn)
REGISTRY = Registry()
@REGISTRY.register
def one(): return «1|2»
def step(): return REGISTRY.tasks[0]()
""",
    "a registration by being a subclass": """
class Base:
    known = []
    def __init_subclass__(cls): Base.known.append(cls)
class One(Base): x = «1|2»
def step(): return [cls.x for cls in Base.known]
""",
    "a registration by having a metaclass": """
KNOWN = []
class Meta(type):
    def __init__(cls, *args): KNOWN.append(cls)
class One(metaclass=Meta): x = «1|2»
def step(): return [cls.x for cls in KNOWN]
""",
    "a subclass that is asked for": """
class Base: pass
class One(Base): x = «1|2»
def step(): return [cls.x for cls in Base.__subclasses__()]
""",
    "a constant that a function sets": """
LIMIT = 0
def configure(n):
    global LIMIT
    LIMIT = n
configure(«1|2»)
def step(): return LIMIT
""",
    "a name that only a function binds": """
def configure(n):
    global LIMIT
    LIMIT = n
configure(«1|2»)
def step(): return LIMIT
""",
    "a default of an inner function that has a local of its name": """
def step():
    a = 1
    b = 2
    def inner(x=«a|b»):
        «a|b» = 0
        return x
    return inner(), [a for a in [b] for b in [a]]
""",
    "a constant that a nested function takes for the module's": """
LIMIT = «1|2»
def step():
    LIMIT = 0
    def inner():
        global LIMIT
        return LIMIT
    return inner()
""",
    "a list that is filled by a function it is given to": """
ROWS = []
def fill(rows): rows.append(«1|2»)
fill(ROWS)
def step(): return ROWS
""",
    "a seed of an installed module": "import random\nrandom.seed(«1|2»)\ndef step(): return random.random()",
    "a seed of an installed module, by name": """
from random import seed, random
seed(«1|2»)
def step(): return random()
""",
    "an environment variable that is set": "import os\nos.environ['A'] = '«1|2»'\ndef step(): return os.getenv('A')",
    "a condition of two definitions": """
import sys
if sys.platform «==|!=» 'linux':
    def get(): return 1
else:
    def get(): return 2
def step(): return get()
""",
    "the second of two definitions": """
import sys
if sys.platform == 'never':
    def get(): return 1
else:
    def get(): return «1|2»
def step(): return get()
""",
    "a constant under try": "try:\n    LIMIT = «1|2»\nfinally:\n    pass\ndef step(): return LIMIT",
    "a constant under with": """
import contextlib
with contextlib.suppress():
    LIMIT = «1|2»
def step(): return LIMIT
""",
    "a constant where the file is imported": "if __name__ != '__main__':\n    LIMIT = «1|2»\ndef step(): return LIMIT",
    "a constant where the file is not run": """
if __name__ == '__main__': pass
else: LIMIT = «1|2»
def step(): return LIMIT
""",
    "an alias for a name": "A = 1\nB = 2\nC = «A|B»\ndef step(): return C",
    "a builtin that is hidden": "«|def len(a): return 0»\ndef step(): return len([1])",
    "a function, imported": """
from helpers import get
def step(): return get()
--- helpers.py
def get(): return «1|2»
""",
    "a function, imported under another name": """
from helpers import get as fetch
def step(): return fetch()
--- helpers.py
def get(): return «1|2»
""",
    "a function, imported with its module": """
import helpers
def step(): return helpers.get()
--- helpers.py
def get(): return «1|2»
""",
    "a function, imported with its module under another name": """
import helpers as h
def step(): return h.get()
--- helpers.py
def get(): return «1|2»
""",
    "a function, imported by a dotted name": """
import lib.deep.helpers
def step(): return lib.deep.helpers.get()
--- lib/__init__.py
--- lib/deep/__init__.py
--- lib/deep/helpers.py
def get(): return «1|2»
""",
    "a function, imported by a dotted name without __init__ files": """
import lib.deep.helpers
def step(): return lib.deep.helpers.get()
--- lib/deep/helpers.py
def get(): return «1|2»
""",
    "a function, imported by a dotted name under another name": """
import lib.helpers as h
def step(): return h.get()
--- lib/helpers.py
def get(): return «1|2»
""",
    "a module, imported from its package": """
from lib import helpers
def step(): return helpers.get()
--- lib/__init__.py
--- lib/helpers.py
def get(): return «1|2»
""",
    "a function, imported inside the function": """
def step():
    from helpers import get
    return get()
--- helpers.py
def get(): return «1|2»
""",
    "a module, imported inside the function": """
def step():
    import lib.helpers
    return lib.helpers.get()
--- lib/helpers.py
def get(): return «1|2»
""",
    "the first of two imports of one name": """
def step(fast=True):
    if fast:
        from one import get
    else:
        from two import get
    return get()
--- one.py
def get(): return «1|2»
--- two.py
def get(): return 0
""",
    "the second of two imports of one name": """
def step(fast=False):
    if fast:
        from one import get
    else:
        from two import get
    return get()
--- one.py
def get(): return 0
--- two.py
def get(): return «1|2»
""",
    "an import under try": """
try:
    from helpers import get
except ImportError:
    get = None
def step(): return get()
--- helpers.py
def get(): return «1|2»
""",
    "a module, imported under a condition": """
import sys
if sys.maxsize:
    import helpers as h
def step(): return h.get()
--- helpers.py
def get(): return «1|2»
""",
    "what is imported inside another function of its class": """
class A:
    def one(self):
        import one as h
        return h.get()
    def two(self):
        import two as h
        return h.get()
def step(): return A().one()
--- one.py
def get(): return «1|2»
--- two.py
def get(): return 0
""",
    "a relative import": """
from lib.one import step
--- lib/__init__.py
--- lib/one.py
from .two import get
from . import two
def step(): return get()
--- lib/two.py
def get(): return «1|2»
def other(): pass
""",
    "a relative import of a module": """
from lib.one import step
--- lib/__init__.py
--- lib/one.py
from . import two
def step(): return two.get()
--- lib/two.py
def get(): return «1|2»
""",
    "a relative import from two folders up": """
from lib.deep.one import step
--- lib/__init__.py
--- lib/two.py
def get(): return «1|2»
--- lib/deep/__init__.py
--- lib/deep/one.py
from ..two import get
def step(): return get()
""",
    "all of a module, imported": """
from helpers import *
def step(): return get()
--- helpers.py
def get(): return «1|2»
""",
    "all of a module that imports all of another": """
from helpers import *
def step(): return get()
--- helpers.py
from deeper import *
--- deeper.py
def get(): return «1|2»
""",
    "all of a module, imported under try": """
try:
    from helpers import *
except ImportError:
    pass
def step(): return get()
--- helpers.py
def get(): return «1|2»
""",
    "when all of a module is imported": """
«from helpers import *|LIMIT = 1»
«LIMIT = 1|from helpers import *»
def step(): return LIMIT
--- helpers.py
LIMIT = 2
""",
    "when a module is imported that changes a value": """
from tables import ROWS
«import filling|ROWS.append(2)»
«ROWS.append(2)|import filling»
def step(): return ROWS
--- tables.py
ROWS = []
--- filling.py
import tables
tables.ROWS.append(1)
""",
    "which of two modules comes first that change a value": """
from tables import ROWS
import «one, two|two, one»
def step(): return ROWS
--- tables.py
ROWS = []
--- one.py
import tables
tables.ROWS.append(1)
--- two.py
import tables
tables.ROWS.append(2)
""",
    "what a module's __all__ gives": """
from one import *
from two import *
def step(): return get()
--- one.py
def get(): return 1
--- two.py
__all__ = ["other"«|, "get"»]
def other(): pass
def get(): return 2
""",
    "a function that a package hands on": """
from lib import get
def step(): return get()
--- lib/__init__.py
from .helpers import get
--- lib/helpers.py
def get(): return «1|2»
""",
    "a function that a package hands on with all": """
from lib import get
def step(): return get()
--- lib/__init__.py
from .helpers import *
--- lib/helpers.py
def get(): return «1|2»
""",
    "a function of a package that hands on all, by the package's name": """
import lib
def step(): return lib.get()
--- lib/__init__.py
from .helpers import *
--- lib/helpers.py
def get(): return «1|2»
""",
    "a function of a module that a package hands on": """
import lib
def step(): return lib.helpers.get()
--- lib/__init__.py
from . import helpers
--- lib/helpers.py
def get(): return «1|2»
""",
    "a function that a module gives when asked": """
from lib import get
def step(): return get()
--- lib.py
def __getattr__(name): return made
def made(): return «1|2»
""",
    "a function of a module that is handed on": """
import helpers
def step(): return run(helpers)
def run(module): return getattr(module, 'get')()
--- helpers.py
def get(): return «1|2»
""",
    "a function of a module that is handed on with all it imports": """
import helpers
def step(): return run(helpers)
def run(module): return getattr(module, 'get')()
--- helpers.py
from deeper import *
--- deeper.py
def get(): return «1|2»
""",
    "a table that another file fills": """
import tables, filling
def step(): return tables.ROWS
--- tables.py
ROWS = []
--- filling.py
from tables import ROWS
ROWS.append(«1|2»)
""",
    "a constant that another file sets": """
import settings, other
def step(): return settings.LIMIT
--- settings.py
LIMIT = 0
--- other.py
import settings
settings.LIMIT = «1|2»
""",
    "a registration in a file that is only imported": """
from registry import TASKS
import tasks
def step(): return [task() for task in TASKS]
--- registry.py
TASKS = []
def register(fn):
    TASKS.append(fn)
    return fn
--- tasks.py
from registry import register
@register
def one(): return «1|2»
""",
    "a registration in a file that is only imported by the package": """
from lib.registry import TASKS
def step(): return [task() for task in TASKS]
--- lib/__init__.py
from . import tasks
--- lib/registry.py
TASKS = []
def register(fn):
    TASKS.append(fn)
    return fn
--- lib/tasks.py
from . import registry
@registry.register
def one(): return «1|2»
""",
    "a registration in a file that is only imported inside the function": """
from registry import TASKS
def step():
    import tasks
    return TASKS
--- registry.py
TASKS = {}
--- tasks.py
import registry
registry.TASKS['one'] = «1|2»
""",
    "a table that is given to a function of another file": """
from filling import fill
ROWS = []
fill(ROWS)
def step(): return ROWS
--- filling.py
def fill(rows): rows.append(«1|2»)
""",
    "the file a name comes from": """
from «one|two» import get
def step(): return get()
--- one.py
def get(): return 1
--- two.py
def get(): return 2
""",
    "which of two installed modules a name comes from": "from «math|cmath» import sqrt\ndef step(): return sqrt(2)",
    "an installed module under a name": "import «math|cmath» as m\ndef step(): return m.sqrt(2)",
    "which name of an installed module": "from math import «sin|cos» as f\ndef step(): return f(2)",
    "all of an installed module": "from «math|cmath» import *\ndef step(): return sqrt(2)",
    "two files that change places": """
import one, two
def step(): return one.LIMIT - two.LIMIT
--- one.py
LIMIT = «1|2»
--- two.py
LIMIT = «2|1»
""",
    "two imports that change places": """
from one import «a|b» as x, «b|a» as y
def step(): return x - y
--- one.py
a = 1
b = 2
""",
    "which of two files of one name and content": """
from «one|two» import get
def step(): return get()
--- one.py
from three import a as n
def get(): return n
--- two.py
from three import b as n
def get(): return n
--- three.py
a = 1
b = 2
""",
    "a folder that hides a file": """
from helpers import get
def step(): return get()
--- helpers.py
def get(): return 0
--- helpers/__init__.py
def get(): return «1|2»
""",
    "a comment that is no comment": "def step(): return 'a«|# b»'",
    "a text that is no docstring": "def step():\n    x = 1\n    return '''«a|b»'''",
}

SAME = {
    "a comment": "def step(): return 1  «|# a note»\n«|# another»\n",
    "blank lines": "«|\n\n\n»def step():\n«|\n\n»    return 1",
    "formatting": "def step(a=1, b=2): return «a+b|(a  +  (b))»",
    "quotes": "def step(): return «'a'|\"a\"»",
    "how a number is written": "def step(): return «1000|0x3e8» + «1000|1_000» + «1.0|1.00»",
    "a text in two pieces": "def step(): return «'ab'|'a' 'b'»",
    "a trailing comma": "def step(a=1): return [a«|,»]",
    "a u before a text": "def step(): return «|u»'a'",
    "the docstring of the function": "def step():\n    '''«One|Two».'''\n    return 1",
    "the docstring of the module": "'''«One|Two».'''\ndef step(): return 1",
    "the docstring of a class and of its method": """
class A:
    '''«One|Two».'''
    def get(self):
        '''«One|Two».'''
        return 1
def step(): return A().get()
""",
    "a docstring where there was none": "def step():\n    «|'A docstring.'»\n    return 1",
    "an unrelated function": "def step(): return 1\ndef other(): return «1|2»",
    "an unrelated function that is new": "def step(): return 1\n«|def other(): return 2»",
    "an unrelated constant": "import math\nOTHER = math.sqrt(«1|2»)\ndef step(): return math.pi",
    "an unrelated class": "class Other:\n    x = «1|2»\ndef step(): return 1",
    "an unrelated method of no class": "ROWS = []\nOTHER = []\nOTHER.append(«1|2»)\ndef step(): return ROWS",
    "an unrelated import": "«|import json»\ndef step(): return 1",
    "an unrelated import of the project": "«|import other»\ndef step(): return 1\n--- other.py\nX = 1",
    "an unrelated function of an imported file": """
import helpers
from helpers import get
def step(): return helpers.get() + get()
--- helpers.py
def get(): return 1
def other(): return «1|2»
""",
    "an unrelated function of a package's module": """
import lib
import lib.helpers
import lib.others
def step(): return lib.helpers.get()
--- lib/__init__.py
from . import helpers, others
--- lib/helpers.py
def get(): return 1
def other(): return «1|2»
--- lib/others.py
def other(): return «1|2»
""",
    "the order of imports": """
«import helpers|from math import sin»
«from math import sin|import helpers»
def step(): return helpers.get(sin)
--- helpers.py
ROWS = []
ROWS.append(1)
def get(a): return ROWS
""",
    "the order of two functions": "«def a(): return 1|»\ndef step(): return a()\n«|def a(): return 1»",
    "what only runs as a script": """
LIMIT = 1
def step(): return LIMIT
if __name__ == '__main__':
    LIMIT = «1|2»
    step()
""",
    "the module's name that is also a parameter": "config = «1|2»\ndef step(config=3): return config",
    "the module's name that is also a keyword": "config = «1|2»\ndef step(*, config=0): return config",
    "the module's names that are also star parameters": "a = b = «1|2»\ndef step(*a, **b): return a, b",
    "the module's name that is also a local variable": "rows = «1|2»\ndef step():\n    rows = 3\n    return rows",
    "the module's name that is also a loop's": "row = «1|2»\ndef step(a=[1]):\n    for row in a: return row",
    "the module's name that is also a with's": """
import contextlib
file = «1|2»
def step():
    with contextlib.nullcontext(1) as file: return file
""",
    "the module's name that is also an except's": """
error = «1|2»
def step():
    try: pass
    except ValueError as error: return error
""",
    "the module's name that is also a match's": """
row = rows = rest = «1|2»
def step(a=[1, 2]):
    match a:
        case [row, *rows]: return row, rows
        case {'a': 1, **rest}: return rest
        case 3 as row: return row
""",
    "the module's name that is also a walrus's": "last = «1|2»\ndef step(a=3):\n    if (last := a): return last",
    "the module's name that is also a comprehension's": """
x = y = «1|2»
def step(a=[[1]]): return {x: y for a in [[(1,)]] for x in a for y in x}
""",
    "the module's name that is also a lambda's": "x = «1|2»\ndef step(): return (lambda x: x)(1)",
    "the module's name that is also a nested function's": """
x = inner = «1|2»
def step(x=3):
    def inner(): return x
    return inner()
""",
    "the module's name that is also a keyword in a call": "a = «1|2»\ndef step(b=dict): return b(a=1)",
    "another value that is made with the same installed module": """
import re
ONE = re.compile('a')
TWO = re.compile('«b|c»')
def step(a='b'): return re.sub(ONE, '', a)
""",
    "another value that is made from what the function reads": """
ROWS = [1]
COUNT = len(ROWS) + «1|2»
def step(): return ROWS
""",
    "the workflow that the function is a step of": """
import dataclasses
import motools.workflow
from motools.workflow import AtomConstructor, Step, Workflow, run_workflow
OUTPUTS = {"dataset": "dataset"}
@dataclasses.dataclass
class Config: pass
def step(config=1, input_atoms=2, workspace=3): return [AtomConstructor(name, workspace, "dataset") for name in OUTPUTS]
def other(config, input_atoms, workspace): return «1|2»
workflow = Workflow(name="w", steps=[Step("a", {}, OUTPUTS, Config, step), Step("b", {}, {"b": "eval"}, Config, other)])
config = {"a": «1|2»}
if False: run_workflow(workflow=workflow, config=config, user="«me|you»")
if False: motools.workflow.run_workflow(workflow=workflow, config=config, user="«me|you»")
""",
}

LIVE_CHANGES = {
    "a number it closes over": "def make(n):\n    def step(): return n\n    return step\nstep = make(«1|2»)",
    "the kind of a number it closes over": """
def make(n):
    def step(): return n
    return step
step = make(«1|True»)
""",
    "the kind of a list it closes over": """
def make(n):
    def step(): return n
    return step
step = make(«[1]|(1,)»)
""",
    "a key it closes over": "def make(n):\n    def step(): return n\n    return step\nstep = make({«1|'1'»: 2})",
    "a set it closes over": """
def make(n):
    def step(): return n
    return step
step = make({«'c'|'d'»})
""",
    "the order of what it closes over": """
def make(a, b):
    def step(): return a, b
    return step
step = make(«1|2», «2|1»)
""",
    "the function that made it": """
def make(n):
    k = «1|2»
    def step(): return n + k
    return step
step = make(1)
""",
    "a function it closes over": """
def make(fn):
    def step(): return fn()
    return step
def one(): return «1|2»
step = make(one)
""",
    "which function it closes over": """
def make(fn):
    def step(): return fn()
    return step
def one(): return 1
def two(): return 2
step = make(«one|two»)
""",
    "which installed function it closes over": """
from textwrap import dedent, indent
def make(fn):
    def step(): return fn.__name__
    return step
step = make(«dedent|indent»)
""",
    "which builtin it closes over": """
def make(fn):
    def step(a=()): return fn(a)
    return step
step = make(«len|repr»)
""",
    "a class it closes over": """
def make(cls):
    def step(): return cls.x
    return step
class A: x = «1|2»
step = make(A)
""",
    "a module it closes over": """
def make():
    import other
    def step(): return other.x
    return step
step = make()
--- other.py
x = «1|2»
""",
    "a nested default": "def make(n):\n    def step(a=n): return a\n    return step\nstep = make(«1|2»)",
    "a nested default by keyword": "def make(n):\n    def step(*, a=n): return a\n    return step\nstep = make(«1|2»)",
    "a partial's argument": "from functools import partial\ndef f(n): return n\nstep = partial(f, «1|2»)",
    "a partial's keyword": "from functools import partial\ndef f(n): return n\nstep = partial(f, n=«1|2»)",
    "a partial's partial": "from functools import partial\ndef f(n, m): return n\nstep = partial(partial(f, «1|2»), 3)",
    "a function given by partial": """
from functools import partial
def f(fn): return fn()
def one(): return «1|2»
step = partial(f, fn=one)
""",
    "the function of a partial": "from functools import partial\ndef f(n): return «1|2»\nstep = partial(f, 1)",
    "a lambda": "step = lambda: «1|2»",
    "what a decorator was given, where it was applied by hand": """
from functools import wraps
def repeat(n):
    def deco(fn):
        @wraps(fn)
        def inner(*args): return [fn(*args) for _ in range(n)]
        return inner
    return deco
def once(): return 1
step = repeat(«1|2»)(once)
""",
    "the function under a decorator": """
from functools import wraps
def deco(fn):
    @wraps(fn)
    def inner(): return fn()
    return inner
@deco
def step(): return «1|2»
""",
    "the function under a decorator that hides it": """
def deco(fn):
    def inner(): return fn()
    return inner
@deco
def step(): return «1|2»
""",
    "a decorator of another file": """
from deco import deco
@deco
def step(): return 1
--- deco.py
from functools import wraps
def deco(fn):
    @wraps(fn)
    def inner(): return fn() + «1|2»
    return inner
""",
    "the function under an installed decorator": """
from contextlib import contextmanager
@contextmanager
def one(): yield «1|2»
def step():
    with one() as n: return n
""",
}

LIVE_SAME = {
    "an unrelated function": "def step(): return 1\ndef other(): return «1|2»",
    "a comment in a function that made it": """
def make(n):
    «|# note»
    def step(): return n
    return step
step = make(1)
""",
}

READS = {
    "a module of a folder that is walked": """
import importlib, pkgutil, plugins
def step():
    found = [importlib.import_module(f"plugins.{m.name}") for m in pkgutil.iter_modules(plugins.__path__)]
    return [module.get() for module in found]
--- plugins/__init__.py
--- plugins/one.py
def get(): return «1|2»
""",
    "a module that comes into a folder that is walked": """
import importlib, pkgutil, plugins
def step(): return sorted(m.name for m in pkgutil.iter_modules(plugins.__path__))
--- plugins/__init__.py
--- plugins/one.py
--- «notes.txt|plugins/two.py»
""",
    "a module that comes into a folder that was walked at import": """
import importlib, pkgutil, plugins
for m in pkgutil.walk_packages(plugins.__path__, "plugins."): importlib.import_module(m.name)
from registry import FOUND
def step(): return sorted(FOUND)
--- registry.py
FOUND = []
--- plugins/__init__.py
--- plugins/one.py
import registry
registry.FOUND.append("one")
--- «notes.txt|plugins/two.py»
import registry
registry.FOUND.append("two")
""",
    "the order of two modules that register by a decorator": """
import «one, two|two, one»
from registry import FOUND
def step(): return [name for name in FOUND]
--- registry.py
FOUND = []
def register(fn):
    FOUND.append(fn.__name__)
    return fn
--- one.py
from registry import register
@register
def first(): pass
--- two.py
from registry import register
@register
def second(): pass
""",
    "the order of two modules that register by being imported": """
import «one, two|two, one»
from base import Base
def step(): return [cls.__name__ for cls in Base.known]
--- base.py
class Base:
    known = []
    def __init_subclass__(cls): Base.known.append(cls)
--- one.py
from base import Base
class One(Base): pass
--- two.py
from base import Base
class Two(Base): pass
""",
    "a prompt in YAML that a coroutine reads": """
import asyncio, yaml
async def judge():
    await asyncio.sleep(0)
    return yaml.safe_load(open("judge.yaml"))["prompt"]
def step(): return asyncio.run(judge())
--- judge.yaml
prompt: «a|b»
""",
    "a file that a thread of a coroutine reads": """
import asyncio, pathlib
async def judge(): return await asyncio.to_thread(pathlib.Path("judge.txt").read_text)
def step(): return asyncio.run(judge())
--- judge.txt
«a|b»
""",
    "the docstring of a tool, by Inspect": """
from inspect_ai.tool import tool, ToolDef
@tool
def look():
    async def execute(place: str):
        '''Look somewhere.

        Args:
            place: «Where|In which place».
        '''
        return place
    return execute
def step(): return str(ToolDef(look()).parameters)
""",
    "a description of a field, by pydantic": """
from pydantic import BaseModel, Field
class A(BaseModel):
    x: int = Field(description="«a|b»")
def step(): return A.model_json_schema()
""",
    "the docstring of a model, by pydantic": """
from pydantic import BaseModel
class A(BaseModel):
    '''«a|b»'''
    x: int = 1
def step(): return A.model_json_schema()
""",
    "the docstrings of fields, by pydantic": """
from pydantic import BaseModel, ConfigDict
class A(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)
    x: int = 1
    '''«a|b»'''
def step(): return A.model_json_schema()
""",
    "a type of a field, by pydantic": """
from pydantic import BaseModel
class A(BaseModel):
    x: «int|str»
def step():
    try: return A(x="1")
    except Exception as error: return str(error)
""",
    "a type in the future, by pydantic": """
from __future__ import annotations
from pydantic import BaseModel
class Part(BaseModel):
    n: int = «1|2»
class A(BaseModel):
    parts: list[Part] = [{}]
def step(): return A(parts=[{}]).parts[0].n
""",
    "a validator, by pydantic": """
from pydantic import BaseModel, field_validator
class A(BaseModel):
    x: int = 1
    @field_validator("x")
    @classmethod
    def check(cls, x): return x + «1|2»
def step(): return A(x=1).x
""",
    "a model's class in another module, by pydantic": """
from models import A
def step(): return A.model_validate({}).x
--- models.py
from pydantic import BaseModel
class A(BaseModel):
    x: int = «1|2»
""",
    "a model that a function gets for its name": """
import models
def step(): return getattr(models, "A")().x
--- models.py
from pydantic import BaseModel
class A(BaseModel):
    x: int = «1|2»
""",
    "a module under src, by sys.path": """
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).parent / "src"))
import helper
def step(): return helper.get()
--- src/helper.py
def get(): return «1|2»
""",
    "a module that hides another one on sys.path": """
import sys
sys.path[:0] = ["first", "second"]
import helper
def step(): return helper.get()
--- second/helper.py
def get(): return 1
--- first/«notes.txt|helper.py»
def get(): return 2
""",
    "a module that hides an installed one": """
import colorsys
def step(): return hasattr(colorsys, "rgb_to_hls")
--- «notes.txt|colorsys.py»
""",
    "a module that was not there": """
try: import extra
except ImportError: extra = None
def step(): return extra is None
--- «notes.txt|extra.py»
""",
    "a module that was not there, asked for by the function": """
import importlib.util
def step(): return importlib.util.find_spec("extra") is None
--- «notes.txt|extra.py»
""",
    "a module of a package that was not there": """
def step():
    try: from lib import extra
    except ImportError: return None
    return 1
--- lib/__init__.py
--- lib/«notes.txt|extra.py»
""",
    "a part of a namespace package": """
import space.one
def step(): return space.one.get()
--- space/one.py
from space.deep import two
def get(): return two.x
--- space/deep/two.py
x = «1|2»
""",
    "all of a module that says what that is": """
from helper import *
def step(): return A
--- helper.py
__all__ = ["A"]
A = «1|2»
""",
    "a name that all of a module gives no longer": """
from helper import *
def step():
    try: return A
    except NameError: return None
--- helper.py
__all__ = [«"A"|»]
A = 1
""",
    "what a module gives when asked": """
import lib
def step(): return lib.anything
--- lib.py
def __getattr__(name): return «1|2»
""",
    "what a package imports when asked": """
import lib
def step(): return lib.deep.get()
--- lib/__init__.py
import importlib
def __getattr__(name): return importlib.import_module(f"lib.{name}")
--- lib/deep.py
def get(): return «1|2»
""",
    "a module that is loaded lazily": """
import importlib.util, sys
spec = importlib.util.find_spec("helper")
spec.loader = importlib.util.LazyLoader(spec.loader)
helper = importlib.util.module_from_spec(spec)
sys.modules["helper"] = helper
spec.loader.exec_module(helper)
def step(): return helper.get()
--- helper.py
def get(): return «1|2»
""",
    "a module by its file": """
import importlib.util
def step():
    spec = importlib.util.spec_from_file_location("any", "lib/any.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get()
--- lib/any.py
def get(): return «1|2»
""",
    "source that is executed": """
def step():
    found = {}
    exec(open("settings.py").read(), found)
    return found["A"]
--- settings.py
A = «1|2»
""",
    "source that is compiled and executed at import": """
exec(compile(open("settings.py").read(), "settings.py", "exec"))
def step(): return A
--- settings.py
A = «1|2»
""",
    "a module that is run, by runpy": """
import runpy
def step(): return runpy.run_module("settings")["A"]
--- settings.py
A = «1|2»
""",
    "a resource of a package": """
from importlib.resources import files
def step(): return files("lib").joinpath("data/a.txt").read_text()
--- lib/__init__.py
--- lib/data/a.txt
«1|2»
""",
    "data of a package, by pkgutil": """
import pkgutil
def step(): return pkgutil.get_data("lib", "a.txt")
--- lib/__init__.py
--- lib/a.txt
«1|2»
""",
    "a file that is read at import": """
from pathlib import Path
PROMPT = Path(__file__).with_name("prompt.txt").read_text()
def step(): return PROMPT
--- prompt.txt
«1|2»
""",
    "a file that another module reads at import": """
from prompts import PROMPTS
def step(): return PROMPTS["a"]
--- prompts.py
from pathlib import Path
PROMPTS = {}
for path in sorted(Path("prompts").glob("*.txt")):
    PROMPTS[path.stem] = path.read_text()
--- prompts/a.txt
«1|2»
""",
    "a file that comes into a folder that was listed at import": """
from prompts import PROMPTS
def step(): return sorted(PROMPTS)
--- prompts.py
from pathlib import Path
PROMPTS = {path.stem: path.read_text() for path in Path("prompts").glob("*.txt")}
--- prompts/a.txt
1
--- prompts/«b.md|b.txt»
1
""",
    "a file that a function reads at import": """
def load(name): return open(f"{name}.txt").read()
PROMPT = load("prompt")
def step(): return PROMPT
--- prompt.txt
«1|2»
""",
    "a file that is read at import into a table": """
import json
TABLES = {}
def table(name):
    with open(name) as file: TABLES[name] = json.load(file)
table("a.json")
def step(): return TABLES
--- a.json
[«1|2»]
""",
    "a file that a class reads": """
class Prompt:
    text = open("prompt.txt").read()
def step(): return Prompt().text
--- prompt.txt
«1|2»
""",
    "a file that a decorator reads": """
def prompted(fn): return lambda: fn(open("prompt.txt").read())
@prompted
def get(text): return text
def step(): return get()
--- prompt.txt
«1|2»
""",
    "a file that a decorator reads at import": """
def prompted(fn):
    text = open("prompt.txt").read()
    return lambda: fn(text)
@prompted
def get(text): return text
def step(): return get()
--- prompt.txt
«1|2»
""",
    "a default that is read from a file": """
from pathlib import Path
def get(text=Path("prompt.txt").read_text()): return text
def step(): return get()
--- prompt.txt
«1|2»
""",
    "a file of a folder, found by a pattern": """
from pathlib import Path
def step(): return [path.read_text() for path in sorted(Path().rglob("*.md"))]
--- notes/deep/a.md
«1|2»
""",
    "a file that comes into a deep folder": """
from pathlib import Path
def step(): return sorted(str(path) for path in Path("notes").rglob("*.md"))
--- notes/deep/a.md
--- notes/deep/«b.txt|b.md»
""",
    "a file that comes into a folder, by os.walk": """
import os
def step(): return sorted(name for _, _, names in os.walk("notes") for name in names if name.endswith("md"))
--- notes/deep/a.md
--- notes/deep/«b.txt|b.md»
""",
    "a file that comes into the project's folder": """
import glob
def step(): return sorted(glob.glob("*.md"))
--- a.md
--- «b.txt|b.md»
""",
    "a file that is a flag": """
from pathlib import Path
def step(): return Path("flag").exists()
--- «other|flag»
""",
    "a file that is a flag, at import": """
import os
FAST = os.path.isfile("flag")
def step(): return FAST
--- «other|flag»
""",
    "the size of a file": """
import os
def step(): return os.path.getsize("rows.txt")
--- rows.txt
1«|2»
""",
    "the size of a file, by pathlib": """
from pathlib import Path
def step(): return Path("rows.txt").stat().st_size
--- rows.txt
1«|2»
""",
    "the size of a file, by scandir": """
import os
def step(): return [each.stat().st_size for each in os.scandir("rows")]
--- rows/a.txt
1«|2»
""",
    "a file that is copied": """
import shutil, tempfile, pathlib
def step():
    with tempfile.TemporaryDirectory() as folder: return pathlib.Path(shutil.copy("a.txt", folder)).read_text()
--- a.txt
«1|2»
""",
    "a folder that is copied": """
import shutil, tempfile, pathlib
def step():
    with tempfile.TemporaryDirectory() as folder:
        made = shutil.copytree("data", pathlib.Path(folder, "x"))
        return (made / "a.txt").read_text()
--- data/a.txt
«1|2»
""",
    "a file that is read by its descriptor": """
import os
def step():
    file = os.open("a.txt", os.O_RDONLY)
    return os.read(file, 10)
--- a.txt
«1|2»
""",
    "a file that is mapped": """
import mmap
def step():
    with open("a.txt", "r+b") as file: return bytes(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
--- a.txt
«1|2»
""",
    "a database": """
import sqlite3
def step(): return open("rows.db", "rb").read()
--- rows.db
«1|2»
""",
    "a table, by csv": """
import csv
def step(): return list(csv.DictReader(open("a.csv")))
--- a.csv
a
«1|2»
""",
    "settings, by configparser": """
import configparser
def step():
    found = configparser.ConfigParser()
    found.read("a.ini")
    return found["a"]["x"]
--- a.ini
[a]
x = «1|2»
""",
    "settings, by tomllib": """
import tomllib
def step(): return tomllib.load(open("a.toml", "rb"))
--- a.toml
x = «1|2»
""",
    "lines, by fileinput and linecache": """
import linecache
def step(): return linecache.getline("a.txt", 1)
--- a.txt
«1|2»
""",
    "the source of a function": """
import inspect
def other(): return 1  # «a|b»
def step(): return inspect.getsource(other)
""",
    "the source of a function in another file": """
import inspect, helper
def step(): return inspect.getsource(helper.other)
--- helper.py
def other(): return «1|2»
""",
    "the source of a module": """
import inspect, helper
def step(): return inspect.getsource(helper)
--- helper.py
X = 1
# «1|2»
""",
    "the source of the file itself": "def step(): return open(__file__).read()\n# «1|2»",
    "a generator": """
def rows():
    yield «1|2»
def step(): return list(rows())
""",
    "a coroutine that is gathered": """
import asyncio
async def one(): return «1|2»
async def both(): return await asyncio.gather(one(), one())
def step(): return asyncio.run(both())
""",
    "a context manager and an iterator": """
class A:
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def __iter__(self): yield «1|2»
def step():
    with A() as a: return list(a)
""",
    "a cached property": """
from functools import cached_property
class A:
    @cached_property
    def x(self): return «1|2»
def step(): return A().x
""",
    "a descriptor that is told its name": """
class D:
    def __set_name__(self, owner, name): owner.told = (name, «1|2»)
class A: x = D()
def step(): return A.told
""",
    "a metaclass": """
class Meta(type):
    def __call__(cls, *args): return «1|2»
class A(metaclass=Meta): pass
def step(): return A()
""",
    "a subclass hook in another file": """
from base import Base
class A(Base): pass
def step(): return A.x
--- base.py
class Base:
    def __init_subclass__(cls): cls.x = «1|2»
""",
    "a class decorator": """
def deco(cls):
    cls.x = «1|2»
    return cls
@deco
class A: pass
def step(): return A.x
""",
    "an implementation for a type": """
from functools import singledispatch
@singledispatch
def f(x): return 0
@f.register
def _(x: int): return «1|2»
def step(): return f(1)
""",
    "a type that an implementation is for": """
from functools import singledispatch
@singledispatch
def f(x): return 0
@f.register
def _(x: «int|str»): return 1
def step(): return f(1)
""",
    "an implementation for a type in another file that the workflow imports": """
import handlers
from core import f
def step(): return f(1)
--- core.py
from functools import singledispatch
@singledispatch
def f(x): return 0
--- handlers.py
from core import f
@f.register(int)
def of_int(x): return «1|2»
""",
    "a cached function": """
from functools import cache
@cache
def f(): return «1|2»
VALUE = f()
def step(): return f()
""",
    "a field's default factory": """
from dataclasses import dataclass, field
@dataclass
class A: x: list = field(default_factory=lambda: [«1|2»])
def step(): return A().x
""",
    "a dataclass's options": """
from dataclasses import dataclass
@dataclass(order=True«|, repr=False»)
class A: x: int = 1
def step(): return "x=1" in repr(A())
""",
    "an enumeration": """
from enum import Enum, auto
class A(Enum):
    «one = auto()|two = auto()»
    «two = auto()|one = auto()»
def step(): return A.one.value
""",
    "a flag of an enumeration, by its name": """
import enum, modes
def step(): return modes.Mode["fast"].value
--- modes.py
import enum
class Mode(enum.Enum): fast = «1|2»
""",
    "a named tuple": """
from typing import NamedTuple
class A(NamedTuple):
    x: int = 1
    «|y: int = 2»
def step(): return A()
""",
    "a typed dictionary": """
from typing import TypedDict
class A(TypedDict):
    x: int
    «|y: int»
def step(): return sorted(A.__annotations__)
""",
    "a variable of a context": """
from contextvars import ContextVar
MODE = ContextVar("mode", default=«1|2»)
def step(): return MODE.get()
""",
    "a thread": """
from concurrent.futures import ThreadPoolExecutor
from helper import get
def step():
    with ThreadPoolExecutor(2) as pool: return list(pool.map(get, [1, 2]))
--- helper.py
def get(n): return n * «1|2»
""",
    "a fork": """
import multiprocessing
from helper import get
def step():
    with multiprocessing.get_context("fork").Pool(1) as pool: return pool.map(get, [1])
--- helper.py
def get(n): return inside(n)
def inside(n): return n * «1|2»
""",
    "a fork of an executor that reads a file": """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from helper import get
def step():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return list(pool.map(get, [1]))
--- helper.py
def get(n): return open("a.txt").read()
--- a.txt
«1|2»
""",
    "a process that is spawned": """
import multiprocessing
from helper import get
def step():
    with multiprocessing.get_context("spawn").Pool(1) as pool: return pool.map(get, [1])
--- helper.py
def get(n): return inside(n)
def inside(n): return n * «1|2»
""",
    "a process that is spawned and reads a file": """
from concurrent.futures import ProcessPoolExecutor
import multiprocessing
from helper import get
def step():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(get, [1]))
--- helper.py
def get(n): return open("a.txt").read()
--- a.txt
«1|2»
""",
    "a script that is run": """
import subprocess, sys
def step(): return subprocess.check_output([sys.executable, "script.py"])
--- script.py
print(«1|2»)
""",
    "a script of a shell": """
import subprocess
def step(): return subprocess.check_output("sh ./script.sh", shell=True)
--- script.sh
cat data.txt
echo «1|2»
--- data.txt
""",
    "a file that a process is given to read": """
import subprocess
def step(): return subprocess.check_output(["cat", "a.txt"])
--- a.txt
«1|2»
""",
    "a file that a process is given to read on its input": """
import subprocess
def step(): return subprocess.run(["cat"], stdin=open("a.txt"), capture_output=True).stdout
--- a.txt
«1|2»
""",
    "a function that is pickled by name": """
import pickle
from helper import get
DATA = pickle.dumps(get)
def step(): return pickle.loads(DATA)()
--- helper.py
def get(): return «1|2»
""",
    "a text that names a function": """
from pydoc import locate
def step(): return locate("helper.get")()
--- helper.py
def get(): return «1|2»
""",
    "a weak reference and a finalizer": """
import weakref
SEEN = []
class A:
    def __del__(self): SEEN.append(«1|2»)
def step():
    A()
    return SEEN
""",
    "a hook at the import of another module": """
import hooks, helper
def step(): return helper.x
--- hooks.py
import builtins
before = builtins.__import__
def changed(name, *args, **kwargs):
    module = before(name, *args, **kwargs)
    if name == "helper": module.x = «1|2»
    return module
builtins.__import__ = changed
--- helper.py
x = 0
""",
    "a patch of an installed module": """
import textwrap
textwrap.dedent = lambda value: «1|2»
def step(): return textwrap.dedent("a")
""",
    "a patch of an installed module in a module that is only imported": """
import patches
import textwrap
def step(): return textwrap.dedent("a")
--- patches.py
import textwrap
def changed(text): return «1|2»
textwrap.dedent = changed
""",
    "a patch by a context": """
from unittest import mock
import helper
def step():
    with mock.patch("helper.get", lambda: «1|2»): return helper.get()
--- helper.py
def get(): return 0
""",
    "an operator of a class of another file": """
from helper import A
def step(): return A() + A(), A()[1], len(A()), str(A())
--- helper.py
class A:
    def __add__(self, other): return «1|2»
    def __getitem__(self, key): return 1
    def __len__(self): return 1
    def __str__(self): return "a"
""",
    "a property that is set": """
class A:
    @property
    def x(self): return self._x
    @x.setter
    def x(self, value): self._x = value * «1|2»
def step():
    a = A()
    a.x = 1
    return a.x
""",
    "slots and a class attribute of a base": """
class Base:
    __slots__ = ()
    limit = «1|2»
class A(Base):
    __slots__ = ("x",)
def step(): return A().limit
""",
    "a constant of a class that a comprehension at import uses": """
class Limits: top = «1|2»
ROWS = [Limits.top for _ in range(2)]
def step(): return ROWS
""",
    "a value that is made by functions of several files": """
from b import ROWS
def step(): return ROWS
--- a.py
def scale(n): return n * «1|2»
--- b.py
from a import scale
ROWS = [scale(n) for n in (1, 2)]
""",
    "a value that is made by an object of another file": """
from b import MODEL
def step(): return MODEL.size
--- a.py
class Model:
    def __init__(self, n): self.size = n * self.factor()
    def factor(self): return «1|2»
--- b.py
from a import Model
MODEL = Model(1)
""",
    "a value that is made by an object's method at import": """
from a import Model
MODEL = Model()
MODEL.fit(2)
def step(): return MODEL.size
--- a.py
class Model:
    def fit(self, n):
        self.size = _scaled(n)
        return self
def _scaled(n): return n * «1|2»
""",
    "a global that a function of another file counts": """
import counter
counter.up()
counter.up()
def step(): return counter.count
--- counter.py
count = 0
def up():
    global count
    count += «1|2»
""",
    "the number of times that a function is called at import": """
import counter
counter.up()
«|counter.up()»
def step(): return counter.count
--- counter.py
count = 0
def up():
    global count
    count += 1
""",
    "what a loop at import goes through": """
TABLE = {}
for name in ("a", "b"«|, "c"»):
    def get(name=name): return name
    TABLE[name] = get
def step(): return [each() for each in TABLE.values()]
""",
    "a class that is made in a loop": """
KINDS = {}
for n in (1, 2):
    class Kind:
        size = n * «1|2»
    KINDS[n] = Kind
def step(): return [kind.size for kind in KINDS.values()]
""",
    "a function that is chosen at import": """
import sys
if sys.version_info > (3, «0|99»):
    from new import get
else:
    from old import get
def step(): return get()
--- new.py
def get(): return 1
--- old.py
def get(): return 2
""",
    "a name that is deleted and bound again": """
from helper import x
del x
x = «1|2»
def step(): return x
--- helper.py
x = 0
""",
    "a module that is made by hand": """
import sys, types
made = types.ModuleType("made")
made.x = «1|2»
sys.modules["made"] = made
def step():
    import made
    return made.x
""",
    "a module that is put in the place of another": """
import sys, other
sys.modules["helper"] = other
def step():
    import helper
    return helper.x
--- other.py
x = «1|2»
--- helper.py
x = 0
""",
    "a module that is loaded anew": """
import importlib, helper
helper.x = 5
importlib.reload(helper)
def step(): return helper.x
--- helper.py
x = «1|2»
""",
    "a closure that is filled afterwards": """
def make():
    def get(): return value
    value = «1|2»
    return get
get = make()
def step(): return get()
""",
    "a default that changes": """
def add(n, rows=[]):
    rows.append(n)
    return rows
add(«1|2»)
def step(): return add(3)
""",
    "an attribute of a function that it counts": """
def count():
    count.n = getattr(count, "n", 0) + «1|2»
    return count.n
count()
def step(): return count()
""",
    "a random number of a seed in another file": """
import random, seeding
def step(): return random.random()
--- seeding.py
import random
random.seed(«1|2»)
""",
    "a locale of numbers, by decimal": """
import decimal
decimal.getcontext().prec = «3|5»
def step(): return str(decimal.Decimal(1) / 3)
""",
    "a warning that is an error": """
import warnings
warnings.simplefilter("«error|ignore»")
def step():
    try: warnings.warn("x")
    except UserWarning: return 1
""",
    "a limit of the interpreter": """
import sys
sys.setrecursionlimit(«500|600»)
def step(): return sys.getrecursionlimit()
""",
    "the folder that a module works in": """
import os
os.chdir("«a|b»")
def step(): return open("x.txt").read()
--- a/x.txt
1
--- b/x.txt
2
""",
    "a file in the folder that a module works in": """
import os
def step():
    os.chdir("a")
    return open("x.txt").read()
--- a/x.txt
«1|2»
""",
}

ASLEEP = {
    "another step of the workflow": """
from dataclasses import dataclass
from motools.workflow import Step, StepConfig, Workflow
@dataclass
class Config(StepConfig): n: int = 1
def other(config, atoms, work): return «1|2»
def step(): return 1
one = Step("one", {}, {"a": "thing"}, Config, step)
«|def third(config, atoms, work): return 1»
two = Step("two", {}, {"b": "thing"}, Config, other)
workflow = Workflow("w", [one, two«|, Step("three", {}, {"c": "thing"}, Config, third)»])
""",
    "a plain class that nobody names": "def step(): return 1\n«|class A:\n    x = 1»",
    "a dataclass that nobody names": """
from dataclasses import dataclass
def step(): return 1
@dataclass
class A: x: int = «1|2»
""",
    "a function that did not run": "def a(): return «1|2»\ndef step(): return a() if False else 1",
    "a method that was not called": """
class A:
    def one(self): return 1
    def two(self): return «1|2»
def step(): return A().one()
""",
    "a method that is new": """
class A:
    def one(self): return 1
«|    def two(self): return 2»
def step(): return A().one()
""",
    "a branch's module that was not imported": """
def step():
    if len("a") > 1: import other
    return 1
--- other.py
X = «1|2»
""",
    "the docstring of a helper": "def a():\n    '''«One|Two».'''\n    return 1\ndef step(): return a()",
    "hints of a helper": "def a(n«|: int»)«| -> int»:\n    x«|: int» = n\n    return x\ndef step(): return a(1)",
    "the name of a local variable": "def step():\n    «one|two» = 1\n    return [«one|two» for _ in range(2)]",
    "an import made relative": """
from lib.a import f
def step(): return f()
--- lib/__init__.py
--- lib/a.py
from «lib.b|.b» import g
def f(): return g()
--- lib/b.py
def g(): return 1
""",
    "a file that nobody reads": "def step(): return 1\n--- notes.txt\n«1|2»",
    "a file that comes beside one that is read": """
def step(): return open("a.txt").read()
--- a.txt
1
--- «b.txt|c.txt»
1
""",
    "a file that a constant reads that nobody uses": """
OTHER = open("a.txt").read()
def step(): return 1
--- a.txt
«1|2»
""",
    "a scorer that was not used, by Inspect": """
from inspect_ai.scorer import scorer, accuracy, Score, Target
@scorer(metrics=[accuracy()])
def used():
    async def score(state, target: Target): return Score(value=1)
    return score
@scorer(metrics=[accuracy()])
def unused():
    async def score(state, target: Target): return Score(value=«0|1»)
    return score
def step(): return callable(used())
""",
    "a model that nobody names, by pydantic": """
from pydantic import BaseModel
class A(BaseModel): x: int = 1
class B(BaseModel): y: int = «1|2»
def step(): return A().x
""",
    "a logger's name": "import logging\nlog = logging.getLogger('«a|b»')\ndef step(): return 1",
    "a variable for types": "from typing import TypeVar\nT = TypeVar('«T|U»')\ndef step(): return 1",
    "a function with a decorator of an installed module": """
from functools import lru_cache
@lru_cache
def other(): return «1|2»
def step(): return 1
""",
    "imports that are sorted": """
«import json|import os»
«import os|import json»
from «helper import a, b|helper import b, a»
def step(): return a() + b() + len(json.dumps(os.sep))
--- helper.py
def a(): return 1
def b(): return 1
""",
    "a __version__ of a package": """
import lib
def step(): return lib.get()
--- lib/__init__.py
__version__ = "«1|2»"
__author__ = "«a|b»"
def get(): return 1
""",
    "a test beside the code": "def step(): return 1\n--- tests/steps/test_steps.py\nx = «1|2»",
    "what is printed as a script": "def step(): return 1\nif __name__ == '__main__':\n    print(step(), «1|2»)",
}
