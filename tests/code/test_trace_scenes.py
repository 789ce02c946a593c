"""Projects as people write them: what wakes their steps, and what does not, told by real runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from chain import Chain
from code_cases import write


class Scene:
    """A project whose runs are processes of their own."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self.folder = folder
        write(folder, {name: textwrap.dedent(text).lstrip() for name, text in files.items()})
        first = self.motools()
        assert set(first.values()) == {"finished"}, first

    def motools(self) -> dict[str, str]:
        """Stage -> what became of it; what was said of it in `said`."""
        command = [sys.executable, "-m", "motools", "run"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=300)
        logs = [log.read_text() for log in self.folder.glob(".motools/logs/*.log")]
        assert done.returncode == 0, done.stderr + "".join(logs)
        self.said = done.stderr
        return dict(line.split("\t")[:2] for line in done.stdout.splitlines()[1:])

    def edit(self, file: str, before: str, after: str) -> None:
        path = self.folder / file
        text = path.read_text() if path.exists() else ""
        assert before in text, f"{file}: {text}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(before, after) if before else text + after)

    def sleeps_through(self, *edits: tuple[str, str, str]) -> None:
        """None of the edits has a step executed."""
        for edit in edits:
            self.edit(*edit)
        assert "finished" not in self.motools().values(), self.said

    def leaves_a_proof_without(self, folder: Path) -> None:
        """A run that leaves a proof which knows a folder by its stat alone."""
        while time.time() - folder.stat().st_ctime < 2.2:
            time.sleep(0.1)
        assert set(self.motools().values()) == {"current"}

    def would_wake(self, stage: str, reason: str, file: str, before: str, after: str) -> None:
        """An edit, which is undone again, would have one stage executed, for a reason, and only that one."""
        path = self.folder / file
        was = path.read_bytes() if path.exists() else None
        self.edit(file, before, after)
        told = Chain(self.folder).command("status", str(self.folder), "--json")
        plans = {plan["stage"]: plan["reasons"] for plan in json.loads(told.out) if plan["reasons"]}
        assert list(plans) == [stage], (file, after, plans)
        assert any(reason in each for each in plans[stage]), (reason, plans)
        path.unlink() if was is None else path.write_bytes(was)

    def wakes(self, stage: str, reason: str, file: str, before: str, after: str, alone: bool = True) -> None:
        """An edit has one stage executed, for a reason, and, where it stands alone, only that one."""
        self.edit(file, before, after)
        woken = [name for name, status in self.motools().items() if status == "finished"]
        assert woken == [stage] if alone else stage in woken, (file, after, self.said)
        (why,) = [line for line in self.said.splitlines() if line.startswith(f"{stage}: running (")]
        assert reason in why


EVALS = {
    "params.yaml": """
        workflow: evaluate_only
        existing_model:
          model: mockllm/model
        evaluate_model:
          eval_task: evals/tasks.py@riddles
          eval_kwargs:
            model_roles: {grader: mockllm/model}
    """,
    "evals/tasks.py": '''
        """Tasks with their data and prompts beside them."""
        import json
        from pathlib import Path

        import yaml
        from inspect_ai import Task, task
        from inspect_ai.dataset import Sample, json_dataset
        from inspect_ai.model import get_model
        from inspect_ai.scorer import Score, includes, mean, scorer
        from inspect_ai.solver import generate, solver, system_message, use_tools
        from inspect_ai.tool import tool
        from jinja2 import Environment, FileSystemLoader

        HERE = Path(__file__).parent
        PROMPT = (HERE / "prompt.md").read_text()
        OTHER = (HERE / "other.md").read_text()


        @tool
        def dice():
            async def execute(sides: int):
                """Throw a die.

                Args:
                    sides: How many it has.
                """
                return sides // 2 + 1
            return execute


        @tool
        def coin():
            async def execute():
                """Throw a coin."""
                return 1
            return execute


        @solver
        def framed():
            pages = Environment(loader=FileSystemLoader([HERE / "mine", HERE / "templates"]))

            async def solve(state, generate):
                state.user_prompt.text = pages.get_template("page.j2").render(text=state.user_prompt.text)
                return state
            return solve


        @scorer(metrics=[mean()])
        def judged():
            async def score(state, target):
                asked = yaml.safe_load((HERE / "judge.yaml").read_text())
                answer = await get_model(role="grader").generate(
                    asked["prompt"].format(answer=state.output.completion)
                )
                return Score(value=len(asked["prompt"]) + len(answer.completion), explanation=asked["prompt"])
            return score


        @task
        def riddles():
            return Task(
                dataset=json_dataset(str(HERE / "riddles.jsonl")),
                solver=[system_message(PROMPT), framed(), use_tools(dice()), generate()],
                scorer=judged(),
            )


        @task
        def puzzles():
            rows = [json.loads(line) for line in (HERE / "puzzles.jsonl").read_text().splitlines()]
            return Task(dataset=[Sample(**row) for row in rows], solver=[use_tools(coin())], scorer=includes())
    ''',
    "evals/riddles.jsonl": """
        {"input": "What has keys?", "target": "piano"}
        {"input": "What runs?", "target": "river"}
    """,
    "evals/puzzles.jsonl": '{"input": "1 + 1", "target": "2"}\n',
    "evals/prompt.md": "# You are a sage\n\nAnswer in a word.\n",
    "evals/other.md": "Nobody says this.\n",
    "evals/judge.yaml": "prompt: 'Is {answer} right?'\nscale: 5\n",
    "evals/templates/page.j2": "{% extends 'frame.j2' %}{% block inner %}{{ text }}{% endblock %}\n",
    "evals/templates/frame.j2": "A riddle: {% block inner %}{% endblock %}\n",
    "evals/templates/unused.j2": "Nobody says this.\n",
    "README.md": "Riddles.\n",
}


def test_an_evaluation_with_its_data_prompts_and_templates_beside_it(project: Path) -> None:
    scene = Scene(project, EVALS)
    scene.sleeps_through(
        ("README.md", "", "More of it.\n"),
        ("NOTES.md", "", "New.\n"),
        ("evals/README.md", "", "New.\n"),
        ("evals/tasks.py", "def riddles():\n", "def riddles():\n    # a comment\n"),
        ("evals/tasks.py", "scorer=includes())\n", "scorer=includes(), epochs=2)\n"),
        ("evals/tasks.py", "", "\n\n@task\ndef more():\n    return puzzles()\n"),
        ("evals/tasks.py", '"""Throw a coin."""', '"""Toss a coin."""'),
        ("evals/puzzles.jsonl", "1 + 1", "2 + 0"),
        ("evals/other.md", "", "More of it.\n"),
        ("evals/templates/unused.j2", "", "More of it.\n"),
        ("evals/templates/new.j2", "", "New.\n"),
        ("evals/new.jsonl", "", "{}\n"),
    )
    wakes = [
        ("evals/riddles.jsonl", "evals/riddles.jsonl", "What runs?", "What runs without legs?"),
        ("evals/prompt.md", "evals/prompt.md", "a word", "two words"),
        ("evals/judge.yaml", "evals/judge.yaml", "right", "really right"),
        ("evals/templates/page.j2", "evals/templates/page.j2", "{{ text }}", "<{{ text }}>"),
        ("evals/templates/frame.j2", "evals/templates/frame.j2", "A riddle", "My riddle"),
        ("evals/mine/page.j2", "evals/mine/page.j2", "", "Mine: {{ text }}\n"),
        ("evals/tasks.py: ", "evals/tasks.py", "Throw a die.", "Throw one die."),
        ("evals/tasks.py: ", "evals/tasks.py", "How many it has.", "How many sides it has."),
        ("evals/tasks.py: judged", "evals/tasks.py", 'len(asked["prompt"]) +', '1 + len(asked["prompt"]) +'),
    ]
    for reason, *edit in wakes:
        scene.would_wake("evaluate_model", reason, *edit)
    scene.sleeps_through()
    for _, *edit in wakes[1:]:
        scene.edit(*edit)
    scene.wakes("evaluate_model", *wakes[0])
    (sample,) = (project / "atoms/eval_results/data/samples.jsonl").read_text().splitlines()[1:]
    assert "What runs without legs?" in sample
    assert "Is {answer} really right?" in sample


CODE = {
    "params.yaml": "workflow: flow.py:workflow\n",
    "flow.py": '''
        """Three steps, each with code from somewhere else."""
        import sys
        from dataclasses import dataclass
        from pathlib import Path

        sys.path.append(str(Path(__file__).parent / "src"))

        from motools.workflow import AtomConstructor, Step, StepConfig, Workflow

        import helper


        @dataclass
        class Config(StepConfig):
            seed: int = 0


        def kept(name, workspace, text):
            (workspace / "out.txt").write_text(text)
            return [AtomConstructor(name, workspace / "out.txt", "thing")]


        def plugged(config, inputs, workspace):
            import plugins

            return kept("a", workspace, str([(name, found()) for name, found in sorted(plugins.KNOWN.items())]))


        def helped(config, inputs, workspace):
            return kept("b", workspace, helper.text())


        def installed(config, inputs, workspace):
            import beside

            return kept("c", workspace, beside.text())


        def templated(config, inputs, workspace):
            from string import Template

            found = {path.stem: Template(path.read_text()) for path in sorted(Path("templates").glob("*.txt"))}
            return kept("d", workspace, str({name: each.substitute(seed=config.seed) for name, each in found.items()}))


        workflow = Workflow("flow", [
            Step("plugged", {}, {"a": "thing"}, Config, plugged),
            Step("helped", {}, {"b": "thing"}, Config, helped),
            Step("installed", {}, {"c": "thing"}, Config, installed),
            Step("templated", {}, {"d": "thing"}, Config, templated),
        ])
    ''',
    "plugins/__init__.py": """
        import importlib
        import pkgutil

        KNOWN = {}


        def plugin(function):
            KNOWN[function.__name__] = function
            return function


        for info in pkgutil.iter_modules(__path__):
            importlib.import_module(f"{__name__}.{info.name}")
    """,
    "plugins/first.py": """
        from plugins import plugin


        @plugin
        def first():
            return 1
    """,
    "src/helper.py": """
        LIMIT = 1
        OTHER = 1


        def text():
            return f"{LIMIT}"


        def other():
            return f"{OTHER}"
    """,
    "templates/one.txt": "one $seed\n",
    "README.md": "Code.\n",
}


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package beside the project that is installed for editing: a `.pth` file names its folder."""
    write(tmp_path / "beside", {"src/beside/__init__.py": "from beside.texts import text\n"})
    write(
        tmp_path / "beside", {"src/beside/texts.py": "def text():\n    return 'one'\n\n\ndef other():\n    return 1\n"}
    )
    site = tmp_path / "lib" / "site-packages"
    write(site, {"beside.pth": f"{tmp_path / 'beside' / 'src'}\n"})
    # As a virtual environment's own folder would be: `.pth` files in it are read when Python starts.
    write(site.parent, {"start/sitecustomize.py": f"import site\nsite.addsitedir({str(site)!r})\n"})
    monkeypatch.setenv("PYTHONPATH", str(site.parent / "start"))
    return tmp_path / "beside" / "src" / "beside"


def test_steps_with_plug_ins_a_path_of_their_own_and_an_editable_install(project: Path, beside: Path) -> None:
    scene = Scene(project, CODE)
    texts = os.path.relpath(beside / "texts.py", project)
    scene.sleeps_through(
        ("README.md", "", "More of it.\n"),
        ("NOTES.md", "", "New.\n"),
        ("flow.py", "import helper\n", "import helper  # of src\n"),
        ("flow.py", "", "\n\ndef nobody():\n    return 1\n"),
        ("src/helper.py", "OTHER = 1", "OTHER = 2"),
        ("src/new.py", "", "x = 1\n"),
        ("new.py", "", "x = 1\n"),
        ("plugins/first.py", "\n@plugin", "\n# a comment\n@plugin"),
        (texts, "return 1", "return 2"),
        (os.path.relpath(beside / "new.py", project), "", "x = 1\n"),
    )
    scene.wakes("plugged", "plugins/first.py", "plugins/first.py", "return 1", "return 2")
    more = "from plugins import plugin\n\n\n@plugin\ndef second():\n    return 2\n"
    scene.wakes("plugged", "plugins", "plugins/second.py", "", more)
    assert "('second', 2)" in (project / "atoms/a/data/out.txt").read_text()
    scene.wakes("helped", "src/helper.py: LIMIT", "src/helper.py", "LIMIT = 1", "LIMIT = 2")
    scene.wakes("helped", "a new module helper", "helper.py", "", "def text():\n    return 'another'\n", alone=False)
    assert (project / "atoms/b/data/out.txt").read_text() == "another"
    scene.wakes("installed", "texts.py: text()", texts, "'one'", "'two'")
    assert (project / "atoms/c/data/out.txt").read_text() == "two"
    scene.wakes("templated", "templates/one.txt", "templates/one.txt", "one", "this")
    scene.wakes("templated", "what is in templates/", "templates/two.txt", "", "two $seed\n")
    assert (project / "atoms/d/data/out.txt").read_text() == str({"one": "this 0\n", "two": "two 0\n"})
    site, package = project.parent / "lib" / "site-packages", os.path.relpath(beside.parent, project)
    shutil.copytree(beside.parent, beside.parent.with_name("branch"))
    scene.edit(f"{os.path.dirname(package)}/branch/beside/texts.py", "'two'", "'three'")
    scene.leaves_a_proof_without(site)
    scene.wakes("installed", "beside", os.path.relpath(site / "beside.pth", project), "/src\n", "/branch\n")
    assert (project / "atoms/c/data/out.txt").read_text() == "three"


MODULES = {
    "params.yaml": "workflow: flow.py:workflow\n",
    "flow.py": """
        from dataclasses import dataclass

        from motools.workflow import AtomConstructor, Step, StepConfig, Workflow


        @dataclass
        class Config(StepConfig):
            pass


        def far(config, inputs, workspace):
            import faraway

            (workspace / "out.txt").write_text(faraway.text())
            return [AtomConstructor("a", workspace / "out.txt", "thing")]


        workflow = Workflow("flow", [Step("far", {}, {"a": "thing"}, Config, far, packages=["faraway"])])
    """,
}


@pytest.mark.parametrize("kind", ["site-packages", "dist-packages"])
def test_packages_of_another_environment_that_the_path_leads_to_count_by_their_versions(
    kind: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a cluster, whose modules set PYTHONPATH: they are no more watched than those of this environment."""
    there = tmp_path / "modules" / kind
    write(there, {"faraway.py": "def text():\n    return 'one'\n"})
    about = "Metadata-Version: 2.1\nName: faraway\nVersion: 1.0\n"
    write(there / "faraway-1.0.dist-info", {"METADATA": about, "RECORD": "faraway.py,,\n"})
    monkeypatch.setenv("PYTHONPATH", str(there))
    scene = Scene(project, MODULES)
    scene.sleeps_through((os.path.relpath(there / "faraway.py", project), "'one'", "'two'"))
    scene.leaves_a_proof_without(there)
    about = os.path.relpath(there / "faraway-1.0.dist-info" / "METADATA", project)
    scene.wakes("far", "faraway", about, "Version: 1.0", "Version: 1.1")


@pytest.fixture
def elsewhere(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A step that imports a module, of which two copies lie beside the project, and Python is led to the first."""
    for name in ("first", "another"):
        write(tmp_path / "kept", {f"{name}.py": f"def text():\n    return {name!r}\n"})
        (tmp_path / name).mkdir()
    shutil.copy(tmp_path / "kept" / "first.py", tmp_path / "first" / "faraway.py")
    (tmp_path / "another" / "faraway.py").symlink_to(tmp_path / "kept" / "another.py")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "first"))
    return Scene(project, {**MODULES, "flow.py": MODULES["flow.py"].replace(', packages=["faraway"]', "")})


@pytest.mark.parametrize("path", ["another", "another:first", "first:another", "first:first"])
def test_another_copy_of_a_module_that_pythonpath_leads_to_wakes_its_steps(
    path: str, elsewhere: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(str(tmp_path / name) for name in path.split(":")))
    leads_to = path.partition(":")[0]
    assert elsewhere.motools() == {"far": "current" if leads_to == "first" else "finished"}
    assert (elsewhere.folder / "atoms/a/data/out.txt").read_text() == leads_to
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "first"))
    assert elsewhere.motools() == {"far": "current" if leads_to == "first" else "restored"}


def test_another_copy_of_a_module_that_an_editable_install_leads_to_wakes_its_steps(
    elsewhere: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a finder of its own, as setuptools makes one for a package that does not lie alone in its folder."""
    finder = tmp_path / "start" / "sitecustomize.py"
    write(finder.parent, {finder.name: f"""
import importlib.util, sys
class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "faraway":
            return importlib.util.spec_from_file_location(name, {str(tmp_path / "another" / "faraway.py")!r})
sys.meta_path.append(Finder)
"""})  # fmt: skip
    monkeypatch.setenv("PYTHONPATH", str(finder.parent))
    assert elsewhere.motools() == {"far": "finished"}
    assert (elsewhere.folder / "atoms/a/data/out.txt").read_text() == "another"
    elsewhere.edit(os.path.relpath(finder, elsewhere.folder), "/another/faraway", "/first/faraway")
    assert elsewhere.motools() == {"far": "restored"}
    assert elsewhere.motools() == {"far": "current"}
