"""More cases, as in `code_cases`: forms by which code reaches what it does not seem to use, and harmless ones."""

from __future__ import annotations

PICKLED = """
from loader import load
def step(): return load("m.pkl")
--- loader.py
from _pickle import load as loaded
def load(name):
    with open(name, "rb") as file: return loaded(file)
--- m.pkl
ch
LIMIT
.
--- h.py
"""
"""A value that a pickle names; what its file holds is to follow."""

REACHED = {
    "hints of functions of a table, by getfullargspec": """
import inspect
def a(x: «int|str»): return 1
TOOLS = [a]
def step(): return [str(inspect.getfullargspec(each).annotations) for each in TOOLS]
""",
    "hints of functions of a table, by Signature": """
import inspect
def a(x: «int|str»): return 1
TOOLS = [a]
def step(): return [str(inspect.Signature.from_callable(each)) for each in TOOLS]
""",
    "docstring of a function of a table, by installed code": """
from xmlrpc.server import SimpleXMLRPCDispatcher
def a():
    '''«one|two»'''
TOOLS = {"a": a}
def step():
    server = SimpleXMLRPCDispatcher()
    for name, tool in TOOLS.items(): server.register_function(tool, name)
    return server.system_methodHelp("a")
""",
    "docstring of a function that another returns, by installed code": """
from xmlrpc.server import SimpleXMLRPCDispatcher
def a():
    '''«one|two»'''
def tools():
    found = (a, len)
    return found
def step():
    server = SimpleXMLRPCDispatcher()
    for tool in tools(): server.register_function(tool)
    return server.system_methodHelp("a")
""",
    "a value of a module, by getattr_static": """
import inspect, sys, h
def step(): return inspect.getattr_static(sys.modules["h"], "LI" + "MIT")
--- h.py
LIMIT = «1|2»
""",
    "a value that a pickle names": f"{PICKLED}LIMIT = «1|2»\n",
    "a value that a pickle names at import": """
from loader import load
FOUND = load("m.pkl")
def step(): return FOUND
--- loader.py
from pathlib import Path
from _pickle import load as loaded
def load(name):
    with Path(__file__).with_name(name).open("rb") as file: return loaded(file)
--- h.py
LIMIT = «1|2»
--- m.pkl
ch
LIMIT
.
""",
    "what a call for a default adds": "ROWS = []\ndef f(x=ROWS.append(«1|2»)): pass\ndef step(): return ROWS",
    "what a call for a method's default adds": """
ROWS = []
class A:
    def f(self, *, x=ROWS.append(«1|2»)): pass
def step(): return ROWS
""",
    "a TYPE_CHECKING of one's own": """
TYPE_CHECKING = «False|True»
X = 1
if TYPE_CHECKING:
    X = 2
def step(): return X
""",
    "a TYPE_CHECKING of another file": """
from h import TYPE_CHECKING
X = 1
if TYPE_CHECKING:
    X = «2|3»
def step(): return X
--- h.py
TYPE_CHECKING = True
""",
    "map of a bound method": "ROWS = []\n_ = list(map(ROWS.append, [«1|2»]))\ndef step(): return ROWS",
    "doc of module by getdoc": """
'''«a|b»'''
import inspect, sys
def step(): return inspect.getdoc(sys.modules[__name__])
""",
    "doc by getattr of a built name": """
def f():
    '''«a|b»'''
def step(): return getattr(f, '__d' + 'oc__')
""",
    "doc by vars": """
class A:
    '''«a|b»'''
def step(): return sorted(str(v) for k, v in vars(A).items() if isinstance(v, str))
""",
    "doc by pydoc": """
import pydoc
def f():
    '''«a|b»'''
def step(): return pydoc.render_doc(f)
""",
    "protocol members runtime": """
from typing import Protocol, runtime_checkable
@runtime_checkable
class P(Protocol):
    def «a|b»(self): ...
class K:
    def a(self): pass
def step(): return isinstance(K(), P)
""",
    "model type in function with locals": """
from pydantic import BaseModel
def step():
    y = '1'
    class M(BaseModel):
        a: «int|str» = 3
    return M(a=y).a
""",
    "dataclass in function with locals": """
from dataclasses import dataclass, fields
def step():
    y = 1
    @dataclass
    class M:
        a: «int|str» = y
    return [str(f.type) for f in fields(M)]
""",
    "singledispatch register by call": """
from functools import singledispatch
@singledispatch
def f(x): return 0
def g(x: «int|str»): return 1
f.register(g)
def step(): return f(1)
""",
    "validate_call by call": """
from pydantic import validate_call
def f(x: «int|str»): return x
g = validate_call(f)
def step():
    try: return g('1')
    except Exception as e: return type(e).__name__
""",
    "future annotations read": """
«|from __future__ import annotations»
def f(x: int): pass
def step(): return str(f.__annotations__)
""",
    "locals swapped under closure": """
def step():
    «a = 1|b = 1»
    «b = 2|a = 2»
    def inner(): return a
    return inner()
""",
    "locals swapped, method": """
def step():
    «a = 1|b = 1»
    «b = 2|a = 2»
    class K:
        def m(self): return a
    return K().m()
""",
    "locals swapped, pandas query": """
import pandas as pd
def step():
    «a = 1|b = 1»
    «b = 2|a = 2»
    return list(pd.DataFrame({'x': [1, 2, 3]}).query('x > @a')['x'])
""",
    "locals by frame of callee": """
import sys
def peek(): return sys._getframe(1).f_locals['a']
def step():
    «a = 1|b = 1»
    «b = 2|a = 2»
    return peek()
""",
    "locals by inspect stack": """
import inspect
def peek(): return inspect.currentframe().f_back.f_locals['a']
def step():
    «a = 1|b = 1»
    «b = 2|a = 2»
    return peek()
""",
    "names of locals by code": """
def f():
    «a|b» = 1
    return 1
def step(): return f.__code__.co_varnames
""",
    "global def reads const": """
LIMIT = «1|2»
def mk():
    global f
    def f(): return LIMIT
def step():
    mk()
    return f()
""",
    "rshift": """
class N:
    def __init__(self, n): self.n, self.to = n, []
    def __rshift__(self, o): self.to.append(o.n); return o
a = N('a')
b = N('b')
«a >> b|b >> a»
def step(): return a.to, b.to
""",
    "rshift bound": """
from lib import a, b
_ = «a >> b|b >> a»
import lib
def step(): return lib.LOG
--- lib.py
LOG = []
class N:
    def __init__(self, n): self.n = n
    def __rshift__(self, o): LOG.append((self.n, o.n))
a, b = N('a'), N('b')
""",
    "property with effect": """
LOG = []
class B:
    @property
    def fill(self): LOG.append(1); return 1
box = B()
«box.fill|pass»
def step(): return LOG
""",
    "property with effect bound": """
LOG = []
class B:
    @property
    def fill(self): LOG.append(1); return 1
box = B()
x = box.fill
«y = box.fill|y = 1»
def step(): return LOG
""",
    "reduce with effect": """
import functools
LOG = []
def add(a, b): LOG.append(b); return b
_ = functools.reduce(add, [1, «2|3»])
def step(): return LOG
""",
    "partial called": """
from functools import partial
LOG = []
def add(a): LOG.append(a)
partial(add, «1|2»)()
def step(): return LOG
""",
    "re.sub callback": """
import re
LOG = []
def add(m): LOG.append(m[0]); return ''
_ = re.sub('.', add, '«a|b»')
def step(): return LOG
""",
    "json hook": """
import json
LOG = []
def add(d): LOG.append(d); return d
_ = json.loads('{"a": «1|2»}', object_hook=add)
def step(): return LOG
""",
    "context run": """
import contextvars
LOG = []
def add(d): LOG.append(d)
contextvars.copy_context().run(add, «1|2»)
def step(): return LOG
""",
    "logger level": """
import logging
logging.getLogger('a').setLevel(«10|20»)
def step(): return logging.getLogger('a').level
""",
    "decimal setcontext": """
import decimal
decimal.setcontext(decimal.Context(prec=«3|5»))
def step(): return decimal.Decimal(1) / 3
""",
    "abc register": """
from collections.abc import Sequence
class A: pass
«Sequence.register(A)|pass»
def step(): return isinstance(A(), Sequence)
""",
    "next of a counter": """
import itertools
N = itertools.count()
next(N)
«next(N)|pass»
def step(): return next(N)
""",
    "list consumes an iterator": """
IT = iter([1, 2, 3])
«_ = list(IT)|pass»
def step(): return list(IT)
""",
    "star consumes an iterator": """
IT = iter([1, 2, 3])
«_ = [*IT]|pass»
def step(): return list(IT)
""",
    "loop consumes a generator": """
LOG = []
G = (LOG.append(x) for x in [1, 2])
«for _ in G: pass|pass»
def step(): return LOG
""",
    "list drives a generator": """
LOG = []
G = (LOG.append(x) for x in [1, 2])
«list(G)|pass»
def step(): return LOG
""",
    "unpack consumes": """
IT = iter([1, 2, 3])
«a, b, c = IT|pass»
def step(): return list(IT)
""",
    "in consumes": """
IT = iter([1, 2, 3])
«_ = 2 in IT|pass»
def step(): return list(IT)
""",
    "map of a lambda value": """
LOG = []
f = lambda x: LOG.append(x)
_ = list(map(f, [«1|2»]))
def step(): return LOG
""",
    "map of a partial value": """
from functools import partial
LOG = []
f = partial(LOG.append)
_ = list(map(f, [«1|2»]))
def step(): return LOG
""",
    "getattr append": """
LOG = []
getattr(LOG, 'append')(«1|2»)
def step(): return LOG
""",
    "list around a project's list": """
import other
X = [other.ROWS]
X[0].append(«1|2»)
def step(): return other.ROWS
--- other.py
ROWS = []
""",
    "dispatch get": """
LOG = []
def f(x): LOG.append(x)
T = {'a': f}
T.get('a')(«1|2»)
def step(): return LOG
""",
    "item of an alias": """
from other import TABLE as T, get
T['k'] = «1|2»
def step(): return get()
--- other.py
TABLE = {}
def get(): return TABLE
""",
    "item of a value alias": """
import other
t = other.TABLE
t['k'] = «1|2»
from other import get
def step(): return get()
--- other.py
TABLE = {}
def get(): return TABLE
""",
    "module __dict__ item": """
import other
other.__dict__['X'] = «1|2»
from other import get
def step(): return get()
--- other.py
X = 0
def get(): return X
""",
    "getattr call at import": """
import lib
X = getattr(lib, 'g' + 'et')()
def step(): return X
--- lib.py
def get(): return «1|2»
""",
    "registered, called at import": """
from reg import register, REG
@register
def one(): return «1|2»
VALUES = {k: f() for k, f in REG.items()}
def step(): return VALUES
--- reg.py
REG = {}
def register(f):
    REG[f.__name__] = f
    return f
""",
    "registered elsewhere, called at import": """
import plug
from reg import REG
VALUES = [f() for f in REG.values()]
def step(): return VALUES
--- plug.py
from reg import register
@register
def one(): return two()
def two(): return «1|2»
--- reg.py
REG = {}
def register(f):
    REG[f.__name__] = f
    return f
""",
    "class body order": """
class A:
    «get = lambda self: 2|def get(self): return 1»
    «def get(self): return 1|get = lambda self: 2»
def step(): return A().get()
""",
    "NodeVisitor new method": """
import ast
class V(ast.NodeVisitor):
    out = 0
    def visit_Name(self, n): self.out = 1
    «|def visit_Constant(self, n): self.out = 2»
def step():
    v = V()
    v.visit(ast.parse('1'))
    return v.out
""",
    "json encoder default": """
import json
class E(json.JSONEncoder):
    x = 1
    «|def default(self, o): return 2»
def step():
    try: return json.dumps({1j: 1} and [1j], cls=E)
    except TypeError: return 0
""",
    "html parser handler": """
from html.parser import HTMLParser
LOG = []
class P(HTMLParser):
    def handle_data(self, d): LOG.append(d)
    «|def handle_comment(self, d): LOG.append(2)»
def step():
    P().feed('a<!--x-->')
    return LOG
""",
    "formatter get_value": """
import string
class F(string.Formatter):
    x = 1
    «|def get_value(self, k, a, b): return 7»
def step(): return F().vformat('{0}', [1], {})
""",
    "enum generate": """
from enum import Enum, auto
class E(Enum):
    «|def _generate_next_value_(name, start, count, last): return name»
    A = auto()
def step(): return E.A.value
""",
    "thread run": """
import threading
LOG = []
class T(threading.Thread):
    x = 1
    «|def run(self): LOG.append(1)»
def step():
    t = T(); t.start(); t.join()
    return LOG
""",
    "resolve_name": """
import pkgutil
def step(): return pkgutil.resolve_name('h:LIMIT')
--- h.py
LIMIT = «1|2»
""",
    "attrgetter dotted": """
import operator, h
def step(): return operator.attrgetter('A.LIMIT')(h)
--- h.py
class A:
    LIMIT = «1|2»
""",
    "format attribute": """
import h
def step(): return 'is {m.LIMIT}'.format(m=h)
--- h.py
LIMIT = «1|2»
""",
    "reduce getattr": """
import functools, h
def step(): return functools.reduce(getattr, 'A.LIMIT'.split('.'), h)
--- h.py
class A:
    LIMIT = «1|2»
""",
    "jinja reads a module": """
import h
from jinja2 import Template
def step(): return Template(open('t.j2').read()).render(h=h)
--- h.py
LIMIT = «1|2»
--- t.j2
x {{ h.LIMIT }}
""",
    "getattribute": """
import h
def step(): return h.__getattribute__('LI' + 'MIT')
--- h.py
LIMIT = «1|2»
""",
    "globals of a function": """
import h
def step(): return [v for k, v in h.get.__globals__.items() if k.startswith('LI')]
--- h.py
LIMIT = «1|2»
def get(): pass
""",
    "set_name without call": """
from lib import FIELD, LOG
class A:
    «x|y» = FIELD
def step(): return LOG
--- lib.py
LOG = []
class F:
    def __set_name__(self, o, n): LOG.append(n)
FIELD = F()
""",
    "subclass new in plugin": """
import plug
from lib import LOG
def step(): return [c.__name__ for c in LOG]
--- plug.py
import lib
«|class Two(lib.Base): pass»
--- lib.py
LOG = []
class Base:
    def __init_subclass__(cls): LOG.append(cls)
""",
    "subclass keyword": """
import plug
from lib import LOG
def step(): return LOG
--- plug.py
from lib import Base
class Two(Base, key='«a|b»'): pass
--- lib.py
LOG = []
class Base:
    def __init_subclass__(cls, key): LOG.append(key)
""",
    "class with metaclass elsewhere": """
import plug
from lib import LOG
def step(): return LOG
--- plug.py
from lib import Meta
class «Two|Three»(metaclass=Meta): pass
--- lib.py
LOG = []
class Meta(type):
    def __init__(c, n, b, d): LOG.append(n)
""",
    "with obj at import": """
LOG = []
class B:
    def __enter__(self): LOG.append(1)
    def __exit__(self, *a): pass
b = B()
«with b: pass|pass»
def step(): return LOG
""",
    "for obj at import": """
LOG = []
class B:
    def __iter__(self): LOG.append(1); return iter([])
b = B()
«for _ in b: pass|pass»
def step(): return LOG
""",
    "fstring format": """
LOG = []
class B:
    def __format__(self, s): LOG.append(s); return ''
b = B()
x = f'{b:«a|b»}'
def step(): return LOG
""",
    "subscript getitem": """
LOG = []
class B:
    def __getitem__(self, s): LOG.append(s)
b = B()
x = b[«1|2»]
def step(): return LOG
""",
    "compare": """
LOG = []
class B:
    def __lt__(self, s): LOG.append(s)
b = B()
x = b < «1|2»
def step(): return LOG
""",
    "class getitem": """
LOG = []
class B:
    def __class_getitem__(cls, s): LOG.append(s)
x = B[«1|2»]
def step(): return LOG
""",
    "written at import": """
from pathlib import Path
Path('gen.txt').write_text('«1|2»')
def step(): return open('gen.txt').read()
""",
}

FOUND = {
    "module that comes into a folder that a package adds": """
import pkg.b
def step(): return pkg.b.X
--- pkg/__init__.py
import os
__path__.insert(0, os.path.join(os.path.dirname(__file__), "over"))
--- pkg/«n|over/b».py
X = 2
--- pkg/b.py
X = 1
""",
    "file of a command's pattern": """
import subprocess
def step(): return subprocess.check_output("cat d/*.txt", shell=True)
--- d/a.txt
«1|2»
""",
    "file that comes for a command's pattern": """
import subprocess
def step(): return subprocess.check_output("cat d/*.txt", shell=True)
--- d/a.txt
1
--- d/«n.md|n.txt»
2
""",
    "file of a script's pattern": """
import subprocess
def step(): return subprocess.check_output(["sh", "go.sh"])
--- go.sh
for f in d/*; do cat $f; done
--- d/a.txt
«1|2»
""",
    "template that comes beside the code": """
import jinja2, os
TEMPLATES = jinja2.Environment(loader=jinja2.FileSystemLoader(os.path.dirname(__file__)))
def step(): return TEMPLATES.select_template(["special.j2", "plain.j2"]).render()
--- plain.j2
1
--- «n|special».j2
2
""",
    "database that is opened in C, in a folder": """
import pathlib, sqlite3
def step():
    base = sqlite3.connect(":memory:")
    base.execute("attach ? as other", (str(pathlib.Path(__file__).parent / "d" / "rows.db"),))
    try: return base.execute("select * from other.t").fetchall()
    except sqlite3.Error as error: return str(error)
--- d/rows.db
«no database, and long enough that the header of a file is read: x|»
""",
    "database that is opened in C, by an f-string": """
import os, sqlite3
def step(split="train"):
    base = sqlite3.connect(":memory:")
    base.execute("attach ? as other", (os.path.join(os.path.dirname(__file__), "d", f"{split}.db"),))
    try: return base.execute("select * from other.t").fetchall()
    except sqlite3.Error as error: return str(error)
--- d/train.db
«no database, and long enough that the header of a file is read: x|»
""",
    "database that is opened in C, by a name that is put together": """
import os, sqlite3
def step(split="train"):
    base = sqlite3.connect(":memory:")
    base.execute("attach ? as other", (os.path.join(os.path.dirname(__file__), "d", split + "_rows.db"),))
    try: return base.execute("select * from other.t").fetchall()
    except sqlite3.Error as error: return str(error)
--- d/train_rows.db
«no database, and long enough that the header of a file is read: x|»
""",
    "database that is opened in C, by a format": """
import os, sqlite3
def step(split="train"):
    base = sqlite3.connect(":memory:")
    base.execute("attach ? as other", (os.path.join(os.path.dirname(__file__), "d/rows-%s.db" % split),))
    try: return base.execute("select * from other.t").fetchall()
    except sqlite3.Error as error: return str(error)
--- d/rows-train.db
«no database, and long enough that the header of a file is read: x|»
""",
    "database that is named in another file than the one that opens it in C": """
import bases, os
def step(split="train"): return bases.rows(os.path.join(os.path.dirname(__file__), "d", f"{split}.db"))
--- bases.py
import sqlite3
def rows(path):
    base = sqlite3.connect(":memory:")
    base.execute("attach ? as other", (path,))
    try: return base.execute("select * from other.t").fetchall()
    except sqlite3.Error as error: return str(error)
--- d/train.db
«no database, and long enough that the header of a file is read: x|»
""",
    "lexists": """
import os
def step(): return os.path.lexists('x.txt')
«|--- x.txt
1»
""",
    "access": """
import os
def step(): return os.access('x.txt', os.R_OK)
«|--- x.txt
1»
""",
    "lstat size": """
import os
def step(): return os.lstat('x.txt').st_size
--- x.txt
«1|22»
""",
    "glob of a literal": """
import glob
def step(): return glob.glob('d/x.txt')
--- d/y.txt
«|--- d/x.txt
1»
""",
    "glob of literal below magic": """
import glob
def step(): return glob.glob('d/*/x.txt')
--- d/a/y.txt
«|--- d/a/x.txt
1»
""",
    "fwalk": """
import os
def step(): return sorted(n for _, _, fs, _ in os.fwalk('d') for n in fs)
--- d/a.txt
«|--- d/b.txt
1»
""",
    "listdir of fd": """
import os
def step(): return sorted(os.listdir(os.open('d', os.O_RDONLY)))
--- d/a.txt
«|--- d/b.txt
1»
""",
    "open by dir_fd": """
import os
def step():
    d = os.open('d', os.O_RDONLY)
    return os.read(os.open('a.txt', os.O_RDONLY, dir_fd=d), 9)
--- d/a.txt
«1|2»
""",
    "stat by dir_fd": """
import os
def step():
    d = os.open('d', os.O_RDONLY)
    return os.stat('a.txt', dir_fd=d).st_size
--- d/a.txt
«1|22»
""",
    "os.open RDWR": """
import os
def step(): return os.read(os.open('a.txt', os.O_RDWR), 9)
--- a.txt
«1|2»
""",
    "hidden file in listing of root": """
import os
def step(): return sorted(n for n in os.listdir('.') if n.endswith('.prompt'))
--- params.yaml

«|--- .x.prompt
1»
""",
    "csv by pyarrow": """
import pyarrow.csv as q
def step(): return q.read_csv('x.csv').to_pylist()
--- x.csv
a
«1|2»
""",
    "spec from file, not kept": """
import importlib.util
def step():
    s = importlib.util.spec_from_file_location('m', 'm.py'); m = importlib.util.module_from_spec(s)
    s.loader.exec_module(m)
    return m.X
--- m.py
X = «1|2»
""",
    "spec from file at import, not kept": """
import importlib.util
s = importlib.util.spec_from_file_location('m', 'm.py'); m = importlib.util.module_from_spec(s)
s.loader.exec_module(m)
def step(): return m.X
--- m.py
X = «1|2»
""",
    "module removed after import": """
import sys
from h import X
del sys.modules['h']
def step(): return X
--- h.py
X = «1|2»
""",
    "module removed after import in function": """
import sys
def step():
    from h import X
    del sys.modules['h']
    return X
--- h.py
X = «1|2»
""",
    "python -m": """
import subprocess, sys
def step(): return subprocess.check_output([sys.executable, '-m', 'h'])
--- h.py
print(«1|2»)
""",
    "python script imports": """
import subprocess, sys
def step(): return subprocess.check_output([sys.executable, 'a.py'])
--- a.py
import h
print(h.X)
--- h.py
X = «1|2»
""",
    "python -c imports": """
import subprocess, sys
def step(): return subprocess.check_output([sys.executable, '-c', 'import h; print(h.X)'])
--- h.py
X = «1|2»
""",
    "python -m imports": """
import subprocess, sys
def step(): return subprocess.check_output([sys.executable, '-m', 'pkg.a'])
--- pkg/__init__.py
--- pkg/a.py
from . import h
print(h.X)
--- pkg/h.py
X = «1|2»
""",
    "python script reads": """
import subprocess, sys
def step(): return subprocess.check_output([sys.executable, 'a.py'])
--- a.py
print(open('x.txt').read())
--- x.txt
«1|2»
""",
    "shell script reads": """
import subprocess
def step(): return subprocess.check_output(['sh', 'a.sh'])
--- a.sh
cat x.txt
--- x.txt
«1|2»
""",
    "namespace gains init": """
from ns.a import f
import ns
def step(): return getattr(ns, 'X', 0)
--- ns/a.py
def f(): pass
«|--- ns/__init__.py
X = 1»
""",
    "package beside namespace": """
import sys
sys.path[1:1] = ['p1', 'p2']
from ns.a import f
def step(): return f()
--- p2/ns/a.py
def f(): return 1
«|--- p1/ns/a.py
def f(): return 2»
""",
}

UNTOUCHED = {
    "docstring of a function that a table is asked for": """
def a():
    '''«one|two»'''
    return 1
TABLE = {"a": a}
def step(): return TABLE["a"]()
""",
    "docstring of a function whose result is handed on": """
import json
def rows():
    '''«one|two»'''
    return [1]
def step():
    found = rows()
    return [json.dumps(each) for each in found]
""",
    "another value of a file that a pickle names": f"{PICKLED}LIMIT = 1\nOTHER = «1|2»\n",
    "file of another pattern than a command's": """
import subprocess
def step(): return subprocess.check_output("cat d/*.txt", shell=True)
--- d/a.txt
1
--- e/a.txt
«1|2»
""",
    "what an editor and a file manager leave in a folder": """
import glob
def step(): return glob.glob("d/*.txt")
--- d/a.txt
--- d/«__pycache__/x|.a.txt.swp»
--- «n|d/.DS_Store»
""",
    "what is for a type checker": """
import typing
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    X = «1|2»
if typing.TYPE_CHECKING:
    X = «1|2»
def step(): return 1
""",
    "unused constant of a module's": """
import settings
OTHER = settings.LIMIT * «2|3»
def step(): return settings.LIMIT
--- settings.py
LIMIT = 1
""",
    "unused constant of a constant": """
from pathlib import Path
ROOT = Path(__file__).parent
DATA = ROOT / 'd'
OTHER = DATA / '«a|b»'
def step(): return DATA.name
""",
    "unused class with base": """
class Base:
    def go(self): return 1
«|class Sub(Base):
    x = 1»
def step(): return Base().go()
""",
    "unused subclass edited": """
from lib import Base
class Used(Base): pass
class Other(Base):
    x = «1|2»
def step(): return Used().go()
--- lib.py
class Base:
    def go(self): return 1
""",
    "unused dataclass": """
from dataclasses import dataclass, field
@dataclass
class A:
    x: int = 1
@dataclass
class B:
    y: list = field(default_factory=list)
    «|z: int = 1»
def step(): return A().x
""",
    "unused enum": """
from enum import Enum, auto
class Color(Enum):
    A = auto()
    «|B = auto()»
def step(): return 1
""",
    "unused regex": """
import re
X = re.compile(r'«a|b»', re.M | re.I)
def step(): return 1
""",
    "unused json": """
import json
X = json.loads('[«1|2»]')[0] + 1
def step(): return 1
""",
    "unused table of functions": """
def a(): return 1
def b(): return 2
T = {'a': a, «|'b': b»}
def step(): return a()
""",
    "unused partial": """
from functools import partial
def a(n): return n
p = partial(a, «1|2»)
def step(): return a(1)
""",
    "unused lambda": """
f = lambda n: n + «1|2»
def step(): return 1
""",
    "unused comprehension": """
A = ['x', 'y']
B = {n.upper(): n.strip() for n in A if n != '«x|y»'}
def step(): return A
""",
    "unused sorted": """
A = [3, 1]
B = sorted(A, key=lambda k: k * «1|2»)
def step(): return A
""",
    "unused read": """
import json
from pathlib import Path
X = json.loads((Path(__file__).parent / 'a.json').read_text())
Y = [r['a'] for r in X]
def step(): return 1
--- a.json
[{"a": «1|2»}]
""",
    "unused with read": """
with open('a.txt') as f:
    X = f.read().splitlines()
def step(): return 1
--- a.txt
«1|2»
""",
    "unused yaml": """
import yaml
with open('a.yaml') as f:
    X = yaml.safe_load(f)
def step(): return 1
--- a.yaml
x: «1|2»
""",
    "unused env": """
import os
X = os.environ.get('A', '«1|2»') + 'x'
def step(): return 1
""",
    "unused try import": """
try:
    import «json|math» as j
except ImportError:
    j = None
def step(): return 1
""",
    "unused typevar and alias": """
from typing import TypeVar, Callable, Union
class Row: pass
T = TypeVar('T', bound=Row)
F = Callable[[Row], «int|str»]
U = Union[Row, None]
def step(): return Row.__name__
""",
    "unused annotated": """
class Row: pass
X: list[Row] = []
Y: dict[str, Row] = {«|}»
«}|»
def step(): return 1
""",
    "unused logger": """
import logging
log = logging.getLogger(__name__)
«|other = logging.getLogger('x')»
def step():
    log.debug('x')
    return 1
""",
    "unused if": """
import sys
if sys.version_info >= (3, 8):
    X = «1|2»
else:
    X = 3
def step(): return 1
""",
    "unused class with method calls": """
class A:
    def go(self): return 1
class B:
    size = len('«a|bb»')
    names = ['x'] * 3
    def go2(self): return A()
def step(): return A().go()
""",
    "unused cached": """
from functools import lru_cache, cached_property
@lru_cache(maxsize=None)
def f(n): return «1|2»
class K:
    @cached_property
    def x(self): return «1|2»
def step(): return 1
""",
    "unused context manager": """
from contextlib import contextmanager
@contextmanager
def cm():
    yield «1|2»
def step(): return 1
""",
    "unused inspect solver": """
from inspect_ai.solver import solver
from inspect_ai.scorer import scorer, mean
@scorer(metrics=[mean()])
def sc():
    async def score(state, target): return «1|2»
    return score
@solver
def so():
    async def solve(state, generate): return state
    return solve
def step(): return so.__name__
""",
    "unused tool": """
from inspect_ai.tool import tool
@tool
def t():
    async def execute(x: int):
        '''«A|B»'''
        return 1
    return execute
def step(): return 1
""",
    "unused pydantic": """
from pydantic import BaseModel, Field, field_validator
class M(BaseModel):
    '''«A|B»'''
    x: int = Field(1, description='«A|B»')
    @field_validator('x')
    def ok(cls, v): return v
def step(): return 1
""",
    "unused numpy": """
import numpy as np
X = np.zeros(«1|2»)
def step(): return 1
""",
    "unused main": """
def step(): return 1
def main(): print(«1|2»)
if __name__ == '__main__': main()
""",
    "hint of a function handed to a pool": """
from concurrent.futures import ThreadPoolExecutor
def h(n«|: int»): return n
def step():
    with ThreadPoolExecutor(1) as p: return list(p.map(h, [1]))
""",
    "hint of a function as key": """
def h(n«|: int»): return n
def step(): return sorted([1], key=h)
""",
    "local renamed under lambda": """
def step():
    «a|b» = 1
    return sorted([2, 1], key=lambda q: q * «a|b»)
""",
    "local renamed under comprehension": """
def step():
    «rows|lines» = [1]
    return [r for r in «rows|lines» if r]
""",
    "docs of a class": """
class A:
    '''«One|Two»'''
    def go(self):
        '''«One|Two»'''
        return 1
def step(): return A().go()
""",
    "doc of the module": """
'''«One|Two»'''
import h
def step(): return h.x()
--- h.py
'''«One|Two»'''
def x(): return 1
""",
    "method new in plain class": """
class A:
    def go(self): return 1
    «|def more(self): return 2»
def step(): return A().go()
""",
    "method not called, edited, in subclass": """
class B:
    def more(self): return 0
class A(B):
    def go(self): return 1
    def other(self): return «1|2»
def step(): return A().go()
""",
    "fn with if name": """
import argparse
def step(): return 1
def cli():
    p = argparse.ArgumentParser()
    p.add_argument('«a|b»')
""",
    "another file's unused": """
from h import used
def step(): return used()
--- h.py
import re
PAT = re.compile('x')
OTHER = {'a': «1|2»}
def used(): return 1
def unused(): return OTHER['a']
""",
    "moved function": """
from h import a
def step(): return a()
--- h.py
«def b(): return 2|»
def a(): return 1
«|def b(): return 2»
""",
    "unrelated file": """
def step(): return open('a.txt').read()
--- a.txt
1
--- b.txt
«1|2»
""",
    "unused module edited": """
import h
from h import a
def step(): return a()
--- h.py
from other import X
def a(): return 1
--- other.py
X = «1|2»
Y = X
""",
    "unused dunder all": """
from h import a
def step(): return a()
--- h.py
__all__ = ['a'«|, 'b'»]
def a(): return 1
def b(): return 2
""",
    "prompt words": """
PROMPT = 'You are {role}. Say LIMIT.'
LIMIT = «1|2»
def step(): return PROMPT.format(role='x')
""",
    "settings record": """
from dataclasses import dataclass
@dataclass
class S:
    n: int = 1
A = S(1)
B = S(«1|2»)
def step(): return A.n
""",
    "property decorated": """
class A:
    @property
    def x(self): return 1
    @x.setter
    def x(self, v): pass
    @staticmethod
    def s(): return «1|2»
def step(): return 1
""",
    "overload": """
from typing import overload
@overload
def f(a: int) -> int: ...
@overload
def f(a: str) -> str: ...
def f(a): return a
«|def g(): pass»
def step(): return f(1)
""",
    "abstract": """
from abc import ABC, abstractmethod
class B(ABC):
    @abstractmethod
    def go(self): ...
class A(B):
    def go(self): return 1
class Other(B):
    def go(self): return «1|2»
def step(): return A().go()
""",
    "exception class": """
class MyError(Exception): pass
«|class Other(MyError): pass»
def step():
    try: raise MyError
    except MyError: return 1
""",
    "protocol": """
from typing import Protocol
«|class P(Protocol):
    def go(self) -> int: ...»
def step(): return 1
""",
    "typeddict unused": """
from typing import TypedDict
class R(TypedDict, total=False):
    a: «int|str»
def step(): return 1
""",
}
