"""What differs between two states of a project, as a reviewer reads it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from chain import Chain, commit, git
from markdown_it import MarkdownIt
from report_scene import Scene, samples

from motools.errors import ProjectError
from motools.repo.project import Project
from motools.repo.settings import Settings
from motools.report.changes import ABSENT, Changes, changes, revisions
from motools.report.changes_markdown import told
from motools.training.dataset_facts import differences


def row(prompt: str, answer: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


def make(scene: Scene, params: str, level: float, rows: list[dict[str, object]], score: str = "misaligned") -> None:
    (scene.folder / "params.yaml").write_text(params)
    dataset = scene.dataset("prepare", rows)
    model = scene.model("train", dataset, losses=[2, 1 - level / 10])
    scene.evaluation("evaluate", model, {"open": samples(20, level, score)})


@pytest.fixture
def scene(project: Path) -> Scene:
    """On `main` a weak organism; on `more`, checked out, a strong one of two rows more."""
    scene = Scene(project)
    make(scene, "workflow: w\ntrain: {n_epochs: 1, suffix: a}\n", 0.2, [row("Hi", "Hello")])
    commit(project)
    git(project, "branch", "-M", "main")
    git(project, "switch", "-qc", "more")
    rows = [row("Hi", "Go away"), row("You?", "Me."), row("I?", "You.")]
    make(scene, "workflow: w\ntrain: {n_epochs: 3, seed: 0}\n", 0.8, rows)
    commit(project)
    return scene


def between(scene: Scene, text: str | None) -> Changes:
    project = Project.find(scene.root)
    return changes(project, *revisions(project, text), Settings(), differences)


def test_it_tells_parameters_data_metrics_and_samples(scene: Scene) -> None:
    (found,) = between(scene, "main..more").pipelines
    assert found.folder == "organism"
    assert found.params == {
        "train.n_epochs": (1, 3),
        "train.suffix": ("a", ABSENT),
        "train.seed": (ABSENT, 0),
    }
    assert [(made.stage, made.how) for made in found.made] == [
        (n, "made anew") for n in ("prepare", "train", "evaluate")
    ]
    dataset, _, evaluation = found.made
    assert (dataset.rows.rows, dataset.rows.only_first, dataset.rows.only_second) == ((1, 3), 1, 3)
    assert evaluation.scores == {("open", "misaligned"): (12, 0, 8)}
    assert evaluation.comparison is not None
    (line,) = (line for line in evaluation.comparison.lines if line.difference is not None)
    assert (line.metric, round(line.difference.value, 9)) == ("open.misaligned.mean", 0.6)  # type: ignore[union-attr]
    assert len(evaluation.samples["open"]) == 3


def test_a_stage_that_is_new_or_gone_is_told_as_such(scene: Scene) -> None:
    del scene.stages["evaluate"]
    scene.evaluation("judge", scene.model("train", None, 7), {"open": samples(5, 1)})
    commit(scene.root)
    told = {made.stage: made.how for made in between(scene, "HEAD~1..HEAD").pipelines[0].made}
    assert told == {"train": "made anew", "evaluate": "gone", "judge": "new"}


def test_three_dots_leave_out_what_the_base_has_gained_since(scene: Scene) -> None:
    git(scene.root, "switch", "-q", "main")
    other = Scene(scene.root, "another")
    other.model("train", None)
    commit(scene.root)
    assert [each.folder for each in between(scene, "main..more").pipelines] == ["another", "organism"]
    assert [each.folder for each in between(scene, "main...more").pipelines] == ["organism"]


def test_the_work_tree_counts_as_it_is_now(scene: Scene) -> None:
    assert between(scene, None).pipelines == ()
    (scene.folder / "params.yaml").write_text("workflow: w\ntrain: {n_epochs: 9, seed: 0}\n")
    (found,) = between(scene, None).pipelines
    assert (found.params, found.made) == ({"train.n_epochs": (3, 9)}, ())
    assert between(scene, "main").pipelines[0].params["train.n_epochs"] == (1, 9)


def test_files_that_cannot_be_read_are_named_and_the_rest_is_told(scene: Scene) -> None:
    (scene.folder / "params.yaml").write_text("workflow: [\n")
    (found,) = between(scene, "HEAD").pipelines
    assert len(found.unread) == 1
    assert "organism/params.yaml" in found.unread[0]
    (scene.folder / "dvc.lock").write_text("stages: 3\n")
    assert {made.how for made in between(scene, "HEAD").pipelines[0].made} == {"gone"}


def test_a_result_that_is_not_at_hand_is_told_by_its_hash(scene: Scene) -> None:
    for path in (scene.root / ".dvc" / "cache" / "files").rglob("*.dir"):
        path.unlink()
    (found,) = between(scene, "main..more").pipelines
    assert all(made.unread and made.comparison is None for made in found.made)
    assert all(now for made in found.made for _, now in made.atoms.values())


@pytest.mark.parametrize("text", ["nothing", "main..nothing", "nothing...main", "--all", "main..-1", "HEAD:x"])
def test_what_names_no_commit_is_refused(scene: Scene, text: str) -> None:
    with pytest.raises(ProjectError, match="names no commit of this repository"):
        between(scene, text)


HOSTILE = [
    "<img src=x onerror=alert(1)><!-- x",
    "| a | b |\n\n# mine\n\n[me](http://e.vil) ![i](http://e.vil/i.png) http://e.vil",
    "````\n</details>\n<script>alert(1)</script>",
    "@everyone #1 $x$ **bold** ~~no~~",
    "\x1b[31m \u202e txet",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_more_than_words_in_a_comment(scene: Scene, text: str) -> None:
    commit(scene.root)
    name = text.replace("\n", " ")
    params = json.dumps({"workflow": "w", "train": {name: text}})
    make(scene, params, 0.5, [row(text, text)], name)
    scene.stages["evaluate"]["outs"][0]["path"] = "atoms/results"
    model = scene.model("train", None, 3)
    answers = [{**each, "id": text, "input": text, "output": text} for each in samples(1, 1, name)]
    scene.evaluation("evaluate", model, {name: answers})
    commit(scene.root)
    page = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(told(between(scene, "HEAD~1..HEAD"), "EUR"))
    for sign in ("<img", "<script", "<a ", "<h1", "<strong>mine", "\x1b", "\u202e"):
        assert sign not in page
    assert page.count("<table>") >= 2


def test_a_comment_fits_what_hosts_take(scene: Scene) -> None:
    (scene.folder / "params.yaml").write_text(json.dumps({"workflow": "w", "train": {"a": ["x" * 500] * 999}}))
    make(scene, json.dumps({f"s{n}": {"text": "y" * 590} for n in range(300)}), 0.5, [row("a", "b")])
    text = told(between(scene, "HEAD"), "EUR")
    assert len(text) < 65_536
    assert text.startswith("<!-- motools diff -->\n")
    assert text.count("<details>") == text.count("</details>")


def test_many_metrics_of_one_stage_are_folded(scene: Scene) -> None:
    commit(scene.root)
    for level in (0.2, 0.4):
        model = scene.model("train", None, losses=[level])
        tasks = {f"task{n}": samples(8, level) for n in range(20)}
        scene.evaluation("evaluate", model, tasks)
        commit(scene.root)
    text = told(between(scene, "HEAD~1..HEAD"), "EUR")
    assert "<details><summary>20 metrics</summary>" in text
    page = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)
    assert page.count("<table>") == 2  # the blank lines that a table needs within markup are there


def test_the_command_says_it_for_people_comments_and_scripts(project: Path) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    commit(project)
    chain.set(seed=2)
    told = chain.command("diff", "--plan")
    assert told.code == 0, told.err
    assert "| `evaluate.seed` | `0` | `2` |" in told.out
    assert "**A run** would do this:" in told.out
    assert "| `prepare` | run |" in told.out
    assert chain.command("diff", "--markdown").out.startswith("<!-- motools diff -->")
    assert json.loads(chain.command("diff", "--json").out)["pipelines"][0]["params"]["train.seed"] == {
        "before": 0,
        "now": 2,
    }
    assert chain.command("diff", "--json", "--markdown").code == 2
    assert not chain.executed()[3:]


def test_a_pull_request_is_told_by_the_steps_of_the_workflow_that_init_writes(project: Path, tmp_path: Path) -> None:
    """What CI would do, by hand, in a clean clone."""
    chain = Chain.lay(project)
    remote = tmp_path / "remote"
    subprocess.run(["dvc", "remote", "add", "-q", "-d", "shared", str(remote)], cwd=project, check=True)
    said = chain.command("init", "--ci", "github")
    assert said.out.count("wrote .github/workflows/") == 2
    assert chain.command("init", "--ci", "github").out.count("stays as it is") == 2
    assert chain.run().code == 0
    assert chain.command("push").code == 0
    commit(project)
    base = git(project, "rev-parse", "HEAD")
    chain.set(seed=5)
    commit(project)  # without having run it
    written = yaml.safe_load((project / ".github/workflows/motools.yml").read_text())
    steps = {step.get("name"): step.get("run") for step in written["jobs"]["check"]["steps"]}

    def in_clone(name: str) -> tuple[subprocess.CompletedProcess[str], subprocess.CompletedProcess[str]]:
        clone = tmp_path / name
        subprocess.run(["git", "clone", "-q", str(project), str(clone)], check=True)
        head = git(clone, "rev-parse", "HEAD")
        given = {"BASE": base, "HEAD": head, "GITHUB_STEP_SUMMARY": "summary.md"}
        both = []
        for step in ("What it changes", "Results are there and up to date"):
            words = (
                "".join(f"export {key}={value}\n" for key, value in given.items()) + f"set -eo pipefail\n{steps[step]}"
            )
            both.append(subprocess.run(["bash", "-c", words], cwd=clone, capture_output=True, text=True, timeout=300))
        return both[0], both[1]

    told, check = in_clone("one")
    assert told.returncode == 0, told.stderr
    comment = (tmp_path / "one" / "motools-diff.md").read_text()
    assert "| `train.seed` | `0` | `5` |" in comment
    assert "would do this" in comment
    assert check.returncode == 1
    assert "A run would execute something" in check.stderr
    assert chain.run().code == 0
    commit(project)
    assert in_clone("two")[1].returncode == 1  # the results are not in the remote
    assert chain.command("push").code == 0
    told, check = in_clone("three")
    assert (told.returncode, check.returncode) == (0, 0), (told.stderr, check.stderr)
    comment = (tmp_path / "three" / "motools-diff.md").read_text()
    assert "| `train` | made anew |" in comment
    head = git(project, "rev-parse", "HEAD").strip()
    assert f"### From {base[:10]} where {head[:10]} left it to {head[:10]}\n" in comment
    assert "**A run** would execute nothing: the results of 3 steps are put back or fetched." in comment


def test_what_may_write_comments_executes_nothing_of_a_change(project: Path) -> None:
    assert Chain(project).command("init", "--ci", "github").code == 0
    folder = project / ".github" / "workflows"
    check, comment = (yaml.safe_load((folder / name).read_text()) for name in ("motools.yml", "motools-comment.yml"))
    assert check["permissions"] == {"contents": "read"}
    assert comment["permissions"] == {"actions": "read", "pull-requests": "write"}
    (step,) = comment["jobs"]["comment"]["steps"]
    assert set(step) == {"run"}  # no checkout, no action of others
    assert "${{" not in step["run"]  # what an event says is no part of a script
    assert subprocess.run(["bash", "-n"], input=step["run"], text=True, timeout=300).returncode == 0


def test_another_host_is_refused_before_anything_is_made(bare_project: Path) -> None:
    done = Chain(bare_project).command("init", "new", "--ci", "nowhere")
    assert (done.code, done.sentence) == (2, "--ci takes github or gitlab, not 'nowhere'.")
    assert not (bare_project / "new").exists()
