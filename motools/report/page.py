"""The page: its parts in their order, its style, and the command that makes it again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from motools.repo.settings import Settings
from motools.report import sections
from motools.report.charts import Chart, drawn
from motools.report.collect import Results
from motools.report.figures import dose_curves, forests, loss_curves, scatters
from motools.report.html import Html, el, join
from motools.report.lineage import lineage
from motools.report.style import STYLE

__all__ = ["page"]


def page(results: Results, settings: Settings, command: Sequence[str], with_charts: bool = True) -> str:
    """The whole text of it: no script, no address, no clock; the same from the same results.

    Args:
        command: the words that were typed.

    Raises:
        UserError: what draws the charts is not installed.
    """

    def charts(name: str, made: Callable[[Results], list[Chart]]) -> Html:
        return drawn(made(results), name) if with_charts else Html("")

    names = [folder.relative_to(results.project.root).as_posix() for folder in results.folders]
    title = ", ".join(results.project.root.name if name == "." else name for name in names)
    parts = {
        "Results": sections.claims(results),
        "Differences": charts("forest", forests),
        "Alignment and coherence": charts("scatter", scatters),
        "Curves": charts("curve", dose_curves),
        "Training loss": charts("loss", loss_curves),
        "How samples ended": sections.endings(results),
        "Samples": sections.samples(results),
        "Data": sections.data(results),
        "What was set otherwise": sections.parameters(results),
        "Lineage": lineage(results),
        "Cost": sections.spending(results, settings),
        "Who judged": sections.judges(results),
        "Make it again": _again(names, command),
    }
    told = {name: body for name, body in parts.items() if body}
    links = (el("a", name, href=f"#{_anchor(name)}") for name in told)
    body = (el("section", el("h2", name), body, id=_anchor(name)) for name, body in told.items())
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Whatever escaping might have missed: nothing is loaded and nothing is executed.
        el("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{title}: results"),
        el("style", Html(STYLE)),
    )
    warnings = sections.warnings(results)
    main = el("main", el("h1", title), warnings or None, el("nav", *links, aria_label="parts"), *body)
    return "<!DOCTYPE html>\n" + el("html", head, "\n", el("body", main), "\n", lang="en") + "\n"


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _again(names: Sequence[str], command: Sequence[str]) -> Html:
    runs = [shlex.join(["motools", "run", *([] if name == "." else [name])]) for name in names]
    told = "From the project's folder, with the commits that the lineage names; what has a result is not run again."
    return join(el("p", told), el("pre", "\n".join([*runs, shlex.join(command)])))
