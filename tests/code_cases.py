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
    "the module's name that is also a with's": "import contextlib\nfile = «1|2»\ndef step(a=contextlib.nullcontext(1)):\n    with a as file: return file",
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
