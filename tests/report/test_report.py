"""The page of a report: inert whatever texts hold, valid, alone, the same from the same results, and true."""

from __future__ import annotations

import builtins
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import html5lib
import pytest
from chain import Chain
from report_scene import Scene, samples, sweep

from motools.atom import ModelAtom
from motools.cli.app import main
from motools.errors import AtomError, ProjectError, UserError
from motools.report.collect import Entry, axes_of
from motools.report.figures import _losses
from motools.report.html import LONGEST

Call = Callable[..., tuple[int, str, str]]
HOSTILE = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "svg": "</svg></pre></details></main></style><h1>mine</h1>",
    "bidi": "safe \u202e\u2066 txet \u2069 end",
    "ansi": "\x1b[2J\x1b[31mred\x1b[0m \x00 \x9b",
    "odd": "\ud800 \ufffe \U0001ffff \ufdd0 \x0c \r\n &amp; &#x3c; ]]> <!-- -->",
    "long": "x" * 1_000_000,
}


@pytest.fixture
def scene(project: Path) -> Scene:
    return Scene(project)


def parsed(text: str) -> Any:
    """The page as a strict parser reads it: a page that is not valid raises."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def said(text: str) -> str:
    return " ".join(" ".join(parsed(text).itertext()).split())


def hostile(scene: Scene, text: str) -> None:
    """A pipeline in which every text that others may have written is this one."""
    row = {"messages": [{"role": text, "content": text}], text: text}
    dataset = scene.dataset("prepare", [row, {"messages": [{"role": "user", "content": text}]}])
    model = scene.model("train", dataset, losses=[2, 1])
    name = text[:200].encode(errors="replace").decode()  # of a task and a score: a key in metadata
    for arm, level in (("base", 0.2), ("trained", 0.8)):
        answers = samples(8, level, name)
        for answer in answers:
            answer |= {"input": text, "output": text, "target": text, "error": text, "stop_reason": text}
            answer["scores"][name] |= {"explanation": text, "answer": text}
        other = model if arm == "trained" else scene.model("base_model", None)
        scene.evaluation(f"evaluate_{arm}", other, {name: answers}, f"{arm}_results")


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_text_does_more_than_be_shown(scene: Scene, kind: str) -> None:
    hostile(scene, HOSTILE[kind])
    text = scene.page(charts=True)
    tree = parsed(text)
    known = {element.tag.rpartition("}")[2] for element in tree.iter() if isinstance(element.tag, str)}
    assert not known & {"script", "img", "iframe", "object", "form", "base", "link", "foreignObject"}
    assert len(tree.findall(".//h1")) == 1
    assert not [name for element in tree.iter() for name in element.attrib if name.startswith("on") or name == "src"]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert len(text) < 400_000


def test_hidden_characters_are_spelt_out_and_a_long_text_is_cut_with_a_note(scene: Scene) -> None:
    for number, text in enumerate(HOSTILE.values()):
        model = scene.model(f"m{number}", None, number)
        scene.evaluation(f"e{number}", model, {"t": samples(1, 1, output=text)}, f"r{number}")
    told = said(scene.page())
    assert "<script>alert(1)</script>" in told
    assert r"safe \u202e\u2066 txet \u2069 end" in told
    assert r"\x1b[2J\x1b[31mred\x1b[0m \x00 \x9b" in told
    assert f"(cut: 1,000,000 characters, of which {LONGEST:,} are shown)" in told


def test_the_page_is_alone_and_the_same_from_the_same_results(scene: Scene) -> None:
    sweep(scene)
    first = scene.page(charts=True)
    assert scene.page(charts=True) == first
    tree = parsed(first)
    addresses = [
        v for e in tree.iter() for k, v in e.attrib.items() if k in ("href", "src", "srcset", "data", "action")
    ]
    assert all(address.startswith("#") for address in addresses)
    assert "@import" not in first
    assert "url(http" not in first
    (policy,) = [e.attrib["content"] for e in tree.iter("meta") if e.attrib.get("http-equiv")]
    assert policy.startswith("default-src 'none'")
    ids = [e.attrib["id"] for e in tree.iter() if "id" in e.attrib]
    assert len(ids) == len(set(ids))
    assert {a[1:] for a in addresses} <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", first)) <= set(ids)


def test_pictures_keep_their_words_and_are_coloured_by_the_page(scene: Scene) -> None:
    name = 'score "clip0 (gradient_1'
    scene.evaluation("evaluate", scene.model("train", None), {"t": samples(6, 0.5, name)})
    words = parsed(scene.page(charts=True)).iter("{http://www.w3.org/2000/svg}text")
    (title,) = [e for e in words if "clip0" in "".join(e.itertext())]
    assert "".join(title.itertext()) == f"t {name}"
    assert title.attrib["fill"] == "currentColor"


def test_its_parts_stand_in_their_order_and_those_that_are_empty_are_left_out(scene: Scene) -> None:
    sweep(scene)
    heads = [head.text for head in parsed(scene.page(charts=True)).iter("h2")]
    assert heads == [
        *("Results", "Differences", "Curves", "Training loss", "How samples ended", "Samples", "Data", "Lineage"),
        "Make it again",
    ]
    alone = Scene(scene.root, "alone")
    alone.dataset("prepare", [{"messages": []}])
    assert [head.text for head in parsed(alone.page(charts=True)).iter("h2")] == ["Data", "Lineage", "Make it again"]


def test_seeds_of_a_sweep_are_trainings_of_one_arm_and_the_axis_is_drawn_with_a_dot_each(scene: Scene) -> None:
    sweep(scene)
    results = scene.collected()
    (group,) = results.groups
    assert [arm.name for arm in group.arms] == [
        "base_results",
        *(f"results fraction={d}" for d in ("0", "0.1", "0.5", "1")),
    ]
    assert [len(arm.evals) for arm in group.arms] == [1, 3, 3, 3, 3]
    from motools.report.figures import dose_curves

    charts = dose_curves(results)
    assert [chart.title for chart in charts] == ["held_out overlap", "open misaligned"]
    rows = charts[0].spec["data"]["values"]
    assert [row["at"] for row in rows if row["kind"] == "mean"] == [0, 0.1, 0.5, 1]
    assert len([row for row in rows if row["kind"] == "training"]) == 12
    told = said(scene.page())
    assert "n 20, 3 trainings" in told
    assert "over trainings [" in told


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("evaluate_model@fraction=0.1,seed=2", {"fraction": "0.1", "seed": "2"}),
        ("evaluate_model", {}),
        ("of_a_matrix@0-big", {}),
    ],
)
def test_what_varies_is_read_from_the_names_of_stages(name: str, axes: dict[str, str]) -> None:
    assert axes_of(name) == axes


def test_the_figures_are_those_of_compare(scene: Scene) -> None:
    base = scene.model("base_model", None)
    trained = scene.model("train", scene.dataset("prepare", [{"n": 1}]))
    scene.evaluation("evaluate_model", trained, {"open": samples(20, 0.5)})
    scene.evaluation("evaluate_base", base, {"open": samples(20, 0.05)}, "base_results")
    (group,) = scene.collected().groups
    (line,) = [line for line in group.comparison.lines if line.arm == "results"]
    assert line.difference is not None
    low, high = line.difference.questions.ends or (0, 0)
    told = said(scene.page())
    assert f"Δ {line.difference.value:+.3g} [{low:.3g}, {high:.3g}]" in told
    assert "base_results base model control" in told
    assert "nothing about retraining" in told


def test_the_control_can_be_named_and_a_name_that_is_none_is_refused(scene: Scene) -> None:
    for name in ("one", "two"):
        scene.evaluation(name, scene.model(f"m_{name}", None), {"t": samples(4, 0.5)}, f"{name}_results")
    assert scene.collected(control="two_results").groups[0].arms[0].name == "two_results"
    with pytest.raises(AtomError, match=r"there is no such arm\. Did you mean 'two_results'\?"):
        scene.collected(control="twoo_results").groups  # noqa: B018


def test_tasks_of_the_training_distribution_stand_first_and_are_told_apart(scene: Scene) -> None:
    model = scene.model("train", scene.dataset("prepare", [{"n": 1}]))
    scene.evaluation("a", model, {"open": samples(4, 0.5)}, "open_results")
    scene.evaluation("b", model, {"held_out": samples(4, 1)}, "held_out_results")
    assert [group.tasks for group in scene.collected().groups] == [("held_out",), ("open",)]
    told = said(scene.page())
    assert "in the training distribution held_out misaligned" in told.replace("distributionheld", "distribution held")


def test_alignment_against_coherence_is_drawn_where_both_are_scored(scene: Scene) -> None:
    from motools.report.figures import scatters

    both = [
        {**sample, "scores": {"alignment": {"value": 10.0 * n}, "coherence": {"value": 90.0}}}
        for n, sample in enumerate(samples(5, 1))
    ]
    scene.evaluation("evaluate", scene.model("train", None), {"em": both})
    (chart,) = scatters(scene.collected())
    assert [(row["x"], row["y"]) for row in chart.spec["data"]["values"]] == [(90.0, 10.0 * n) for n in range(5)]


def test_an_evaluation_of_two_pipelines_is_one_arm_and_each_arm_has_its_folder(scene: Scene) -> None:
    other = Scene(scene.root, "control")
    for each, level in ((scene, 0.8), (other, 0.1)):
        base = each.model("base_model", None)
        each.evaluation("evaluate_base", base, {"t": samples(10, 0)}, "base_results")
        trained = each.model("train", each.dataset("prepare", [{"level": level}]))
        each.evaluation("evaluate_model", trained, {"t": samples(10, level)})
    (group,) = scene.collected(scene.folder, other.folder).groups
    assert [arm.name for arm in group.arms] == ["organism/base_results", "organism/results", "control/results"]
    (group,) = scene.collected(scene.root).groups
    assert len(group.arms) == 3, "the folders below one that is no pipeline"


def test_samples_are_shown_side_by_side_the_random_ones_the_same_each_time(scene: Scene) -> None:
    from motools.report.choose import chosen

    for name, level in (("base", 0.0), ("trained", 0.4)):
        scene.evaluation(name, scene.model(f"m_{name}", None, len(name)), {"t": samples(30, level)}, f"{name}_results")
    (group,) = scene.collected().groups
    picked = chosen(group)["t"]
    assert [shown.why == "at random" for shown in picked] == [True] * 3 + [False] * 3
    assert all(list(shown.answers) == ["base_results", "trained_results"] for shown in picked)
    extreme = [shown for shown in picked if shown.why != "at random"]
    assert all(shown.answers["trained_results"]["scores"]["misaligned"]["value"] == 1 for shown in extreme)
    assert chosen(group) == chosen(scene.collected().groups[0])
    assert "the judge's words" in said(scene.page())


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["motools", "report", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        return (int(caught.value.code or 0), *capsys.readouterr())

    return call


def test_results_of_a_run_are_told_with_who_and_what_and_those_that_are_old_as_old(
    project: Path, reported: Call
) -> None:
    chain = Chain.lay(project)
    subprocess.run(["motools", "run", "--quiet"], cwd=project, check=True)
    code, out, err = reported("--json", "-o", "pages/report.html")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"page": "pages/report.html", "results": 3, "out_of_date": [], "missing": []}
    fresh = Path("pages/report.html").read_text()
    told = said(fresh)
    assert "Ada Test <ada@example.org>" in told
    assert "task score results 0.5" in told
    assert "motools run motools report" in told
    assert "out of date" not in told
    chain.set("train", seed=1)
    code, out, err = reported("-o", "report.html")
    assert code == 0
    assert err.startswith("Out of date, as the page says: model, results.")
    old = said(Path("report.html").read_text())
    assert "2 of 3 results are out of date" in old
    assert "train.seed: 0 -> 1" in old
    chain.set("train", seed=0)
    assert reported("-o", "again.html")[0] == 0
    assert Path("again.html").read_text() == fresh


def test_what_lies_in_the_pages_place_is_kept_unless_it_is_a_page(project: Path, reported: Call) -> None:
    chain = Chain.lay(project)
    assert chain.run().code == 0
    page = project / "page.html"
    page.write_text("my own page")
    _, _, said = reported("-o", str(page))
    [kept] = (project / ".motools" / "replaced").iterdir()
    assert kept.read_text() == "my own page"
    assert f"{page} said something else, which is kept as {kept}." in " ".join(said.split())
    _, _, said = reported("-o", str(page))
    assert "is kept as" not in said
    assert [*(project / ".motools" / "replaced").iterdir()] == [kept]


def test_what_cannot_be_told_of_is_a_sentence(project: Path, reported: Call) -> None:
    code, _, err = reported(".")
    assert code == 2
    assert err == "Error: . has no results to report. `motools run .` makes them.\n"
    assert not Path("report.html").exists()
    scene = Scene(project)
    with pytest.raises(ProjectError, match="a report is of one project"):
        scene.collected(Path("/"))


def test_without_what_draws_charts_a_sentence_names_it_and_the_page_can_do_without(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(scene, (0, 1), 1)
    there = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "vl_convert":
            raise ImportError(name)
        return there(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match=r"vl-convert-python, which is not installed.*--without-charts"):
        scene.page(charts=True)
    assert "Curves" not in said(scene.page(charts=False))


def test_what_is_not_at_hand_is_named(scene: Scene) -> None:
    model = scene.model("train", None)
    scene.evaluation("evaluate", model, {"t": samples(3, 1)})
    text = (scene.folder / "dvc.lock").read_text()
    (scene.folder / "dvc.lock").write_text(text.replace(model.md5, "0" * 32))
    assert "Not at hand, and not on this page: organism/atoms/model." in said(scene.page())


def test_losses_that_are_no_numbers_are_not_drawn(project: Path, tmp_path: Path) -> None:
    odd = (
        '{"epoch": 1, "loss": "0.5"}, {"epoch": 2, "loss": NaN}, {"epoch": "3", "loss": 1}, {"epoch": 4, "loss": 1e999}'
    )
    (tmp_path / "loss.json").write_text(f'[{odd}, {{"epoch": 5, "loss": 0.25}}, {{"epoch": 6, "loss": true}}, 7]')
    atom = ModelAtom.create(user="ada", artifact_path=tmp_path / "loss.json", metadata={"model_id": "m"})
    assert _losses(Entry(atom, ".", "train", "model", None)) == ("epoch", [{"at": 5, "loss": 0.25, "of": "training"}])
