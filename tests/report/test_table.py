"""The table of results as a value: chosen, sorted, grouped, and written in other forms."""

from __future__ import annotations

import pytest

from motools.errors import AtomError
from motools.report.known_figures import Figure
from motools.report.rows import Row, State
from motools.report.table import Table
from motools.statistics import mean_of


def row(fraction: str, seed: str, value: float, state: State = "current", model: str = "") -> Row:
    figures = {"task.score.accuracy": Figure(value, value - 0.1, value + 0.1, 50), "task.score.stderr": Figure(0.05)}
    told = figures if state == "current" else {}
    axes = {"fraction": fraction, "seed": seed}
    return Row(".", "results", axes, state, (), told, made="2026-01-01T00:00:00Z", models=(model,) if model else ())


TABLE = Table([row("0.0", "0", 0.5), row("0.0", "1", 0.7), row("0.1", "0", 0.2), row("0.1", "10", 0.4, "stale")])


def values(table: Table) -> list[float | None]:
    return [each.figures["task.score.accuracy"].value if each.figures else None for each in table.rows]


def test_rows_are_chosen_by_what_varies_as_a_value_or_as_a_text_and_by_their_state() -> None:
    assert values(TABLE.where(fraction=0.0)) == [0.5, 0.7]
    assert values(TABLE.where({"fraction": "0.1"}, state="current")) == [0.2]
    assert values(TABLE.where(seed=[0, 10])) == [0.5, 0.2, None]


def test_rows_are_sorted_by_number_and_what_has_no_value_comes_last() -> None:
    assert [each.axes["seed"] for each in TABLE.sorted("seed").rows] == ["0", "0", "1", "10"]
    assert values(TABLE.sorted("accuracy")) == [0.2, 0.5, 0.7, None]
    assert values(TABLE.sorted("task.score.accuracy", descending=True)) == [0.7, 0.5, 0.2, None]


def test_means_over_seeds_have_the_interval_of_trainings_and_only_current_results_in_them() -> None:
    first, second = TABLE.over("seed").rows
    assert (dict(first.axes), first.count, first.state) == ({"fraction": "0.0"}, 2, "current")
    figure = first.figures["task.score.accuracy"]
    assert (figure.low, figure.high) == mean_of([0.5, 0.7]).estimate.interval()
    assert (figure.value, figure.n, figure.trainings) == (pytest.approx(0.6), 100, 2)
    assert (second.count, second.current, second.state) == (2, 1, "stale")
    assert second.figures["task.score.accuracy"].value == 0.2
    assert second.figures["task.score.accuracy"].low is None
    assert "1 of 2" in repr(TABLE.over("seed"))


def test_what_does_not_vary_by_an_axis_stays_as_it_is() -> None:
    base = Row(".", "base", {"fraction": "0.0"}, "current", (), {"task.score.accuracy": Figure(0.9, n=50)})
    assert [each.count for each in Table([*TABLE.rows, base, base]).over("seed").rows] == [2, 2, 1, 1]


def test_two_results_of_one_model_are_no_two_trainings() -> None:
    table = Table([row("0.0", "0", 0.5, model="model-a"), row("0.0", "1", 0.7, model="model-a")])
    with pytest.raises(AtomError, match="seed: 2 results of one mean are of one model, model-a: they are no two"):
        table.over("seed")


def test_metrics_are_chosen_by_name_by_its_end_or_by_a_pattern() -> None:
    assert TABLE.only("accuracy").metrics == TABLE.only("task.*.acc*").metrics == ["task.score.accuracy"]
    assert TABLE.main_metrics == ["task.score.accuracy"]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: TABLE.where(sed=1), "There is no column 'sed'. Did you mean 'seed'? Known: fraction, seed, folder"),
        (lambda: TABLE.over("fractoin"), "There is no column 'fractoin'. Did you mean 'fraction'?"),
        (lambda: TABLE.sorted("acuracy"), "There is no column 'acuracy'."),
        (lambda: TABLE.sorted("*"), "'*' is several metrics: task.score.accuracy, task.score.stderr"),
        (lambda: TABLE.only("f1"), "No metric fits 'f1'. There are: task.score.accuracy, task.score.stderr"),
    ],
)
def test_what_is_not_there_is_refused_in_a_sentence(ask: object, said: str) -> None:
    with pytest.raises(AtomError) as refused:
        ask()  # type: ignore[operator]
    assert said in str(refused.value)


def test_the_columns_of_a_data_frame_are_those_of_the_csv_and_axes_of_numbers_are_numbers() -> None:
    frame = TABLE.to_pandas()
    assert list(frame.columns) == TABLE.to_csv().splitlines()[0].split(",")
    assert list(frame["seed"]) == [0, 1, 0, 10]
    assert frame["task.score.accuracy"].isna().tolist() == [False, False, False, True]


def test_a_notebook_shows_a_table_without_what_would_be_markup() -> None:
    shown = Table([Row("<b>", "a&b", {"x": "<i>"}, "current"), Row(".", "c", {}, "current")])._repr_html_()
    assert "<b>" not in shown
    assert "&lt;i&gt;" in shown
    assert "a&amp;b" in shown


def test_a_table_of_many_metrics_takes_time_with_their_number() -> None:
    names = [f"task.category_{number}.accuracy" for number in range(20_000)]
    columns, _ = Table([Row(".", "results", {}, "current", (), {name: Figure(0.5) for name in names})]).cells()
    assert columns[0] == "category_0"
    assert len(columns) == 20_002
