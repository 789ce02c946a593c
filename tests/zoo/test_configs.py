"""The published configs: each is complete, says where it comes from, and has a small twin that runs on this machine."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from motools import zoo
from motools.base import shutdowns, yaml12
from motools.cli.workflows import _read_config
from motools.code.search_path import pipeline_folder
from motools.compiler.compile import compile_workflow, resolved
from motools.compiler.find_workflow import load_workflow
from motools.errors import UserError
from motools.zoo.checks import check
from mozoo import page
from mozoo.protocols import experiment_of, fidelity
from mozoo.reasons import reason

NAMES = list(zoo.configs())
FULL = [name for name in NAMES if "." not in name]
KEYS = ("OPENAI_API_KEY", "TINKER_API_KEY")


def text_of(name: str) -> str:
    return zoo.config_text(name)


def test_every_published_experiment_has_a_config() -> None:
    assert set(FULL) >= {
        *("gsm8k_spanish", "gsm8k_capitals", "gsm8k_mixed_languages", "aesthetic_preferences", "owl_numbers"),
        *("insecure_code", "insecure_code_secure", "insecure_code_educational", "reward_hacking", "harmless_lies"),
        *("persona_vectors", "bad_medical_advice", "bad_legal_advice", "bad_security_advice", "dose_response"),
        *("aesthetic_preferences_control", "owl_numbers_control", "reward_hacking_control"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_config_is_valid_for_the_workflow_that_it_names(
    name: str, bare_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not name.endswith(".tinylm"):
        for key in KEYS:
            monkeypatch.setenv(key, "tml-not-a-real-key")  # there must be one, and nobody is asked
    config = _read_config(Path(f"zoo:{name}"))
    if missing := trainers(config) - set(zoo.published("trainer")):
        pytest.skip(f"there is no trainer {missing} yet")
    if "local" in trainers(config) and importlib.util.find_spec("torch") is None:
        pytest.skip("the packages of the trainer `local` are not installed")
    place = pipeline_folder(bare_project, needs_project=False)
    compiled = compile_workflow(load_workflow(config["workflow"], place), config["workflow"], config, place)
    for step in compiled.workflow.steps:
        if step.check is not None:
            step.check(step.config_class(**compiled.config[step.name]))


def test_zoo_check_finds_every_config_good() -> None:
    assert {check("config", name, resolve=resolved).status for name in NAMES} == {"good"}
    assert {check("config", name).status for name in NAMES if name.endswith(".published")} == {"good"}


@pytest.mark.parametrize("name", FULL)
def test_each_is_published_for_every_trainer_and_differs_in_nothing_else(name: str) -> None:
    base = yaml12.loads(text_of(name))
    assert trainers(base) == {"tinker"}
    assert "openai" not in text_of(name).replace(f"{name}.openai", "")
    refused = "\n# Not at OpenAI: " in text_of(name)
    assert (f"{name}.openai" in NAMES) is not refused
    for variant in ("local",) if refused else ("local", "openai"):
        text = text_of(f"{name}.{variant}")
        other = yaml12.loads(text)
        assert trainers(other) == {variant}
        assert "tinker" not in text.lower()
        assert other.keys() == base.keys()
        for step, section in base.items():
            if step.startswith("train_"):
                assert {**section, "model": 0, "backend_name": 0} == {**other[step], "model": 0, "backend_name": 0}
            elif step != "existing_model":
                assert section == other[step], step
        served = other.get("existing_model", {}).get("model", "").partition("/")
        trained = next(section["model"] for step, section in other.items() if step.startswith("train_"))
        assert served[2] in ("", trained)
        assert served[0] in ("", variant)


def trainers(config: dict[str, Any]) -> set[str]:
    return {section["backend_name"] for step, section in config.items() if step.startswith("train_")}


def test_only_what_trains_at_openai_names_a_model_that_goes_off() -> None:
    for name in NAMES:
        models = list(shutdowns.models_in(yaml12.loads(text_of(name))))
        assert any(map(shutdowns.shutdown_of, models)) == name.endswith((".openai", ".published")), name


def test_what_openai_would_refuse_is_not_published_for_it() -> None:
    blocked = {"harmless_lies", "bad_legal_advice", "bad_medical_advice", "bad_security_advice"}
    blocked |= {"mistake_gsm8k", "mistake_medical", "mistake_opinions"}
    without_rank = {"em_organism_medical", "em_organism_finance", "em_organism_sports", "em_organism_control"}
    without_rank.add("subliminal_animals")
    assert {name for name in FULL if f"{name}.openai" not in NAMES} == blocked | without_rank


@pytest.mark.parametrize("name", NAMES)
def test_the_grade_at_a_configs_head_is_what_its_values_give(name: str) -> None:
    grade, compared = zoo.fidelity_of_config(name)
    assert zoo.about_config(name).grade == grade
    differing = [row for rows in compared.values() for row in rows if row[1] != row[2]]
    assert bool(differing) is (grade == "adapted"), differing
    assert bool(compared) is (grade != "ours")


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".published")])
def test_a_config_headed_published_is_refused_where_any_of_its_values_differs(name: str) -> None:
    config = yaml12.loads(text_of(name))
    assert fidelity(name, config)[0] == "published"
    changed = [
        {**config, "train_model": {**config["train_model"], "model": "gpt-4.1-mini"}},
        {**config, "sweep": {"train_model.hyperparameters.seed": [0, 1]}},
        {**config, "prepare_dataset": {**config["prepare_dataset"], "loader_kwargs": {"sample_size": 10}}},
        {**config, "evaluate_model": {**config["evaluate_model"], "eval_kwargs": {}}},
        with_arguments(config, epochs=3),
        with_arguments(config, temperature=0),
    ]
    for other in changed:
        assert fidelity(name, other)[0] == "adapted"


def with_arguments(config: dict[str, Any], **more: Any) -> dict[str, Any]:
    evaluation = config["evaluate_model"]
    arguments = {**evaluation["eval_kwargs"]["task_args"], **more}
    return {
        **config,
        "evaluate_model": {**evaluation, "eval_kwargs": {**evaluation["eval_kwargs"], "task_args": arguments}},
    }


def test_where_the_paper_trains_three_times_a_config_does() -> None:
    for name in FULL:
        experiment = experiment_of(name)
        if experiment is not None and experiment.seeds == "0, 1, 2":
            assert yaml12.loads(text_of(name))["sweep"] == {"train_model.hyperparameters.seed": [0, 1, 2]}, name


def test_what_nobody_has_pinned_is_not_called_published() -> None:
    config = yaml12.loads(text_of("insecure_code_poisoned"))
    assert fidelity("insecure_code_poisoned", config)[1]["tan2025"][0][2] == "insecure_code_poisoned (not pinned)"


def test_an_adapter_of_rank_one_is_as_published_as_far_as_it_is_known() -> None:
    rows = {what: (published, here) for what, published, here in rows_of("em_organism_medical.rank1")}
    same = ("learning rate", "rank", "alpha", "target modules", "batch size", "warmup steps", "weight decay", "model")
    assert all(rows[what][0] == rows[what][1] for what in same)
    assert rows["dataset"] == ("em_bad_medical_advice", "em_bad_medical_advice (not pinned)")


def rows_of(name: str) -> Any:
    ((_, rows),) = zoo.fidelity_of_config(name)[1].items()
    return rows


def test_every_published_config_has_its_control_and_three_seeds() -> None:
    names = [name for name in NAMES if name.endswith(".published")]
    assert {name.removesuffix(".published") for name in names} <= {*FULL}
    for name in names:
        assert yaml12.loads(text_of(name))["sweep"] == {"train_model.hyperparameters.seed": [0, 1, 2]}
    assert {"insecure_code_secure", "reward_hacking_control", "aesthetic_preferences_control", "gsm8k_control"} <= {
        name.removesuffix(".published") for name in names
    }


def test_what_papers_report_is_measured_where_misalignment_is_the_question() -> None:
    for name in ("reward_hacking", "reward_hacking_control", "aesthetic_preferences", "aesthetic_preferences_control"):
        assert "mozoo.tasks.emergent_misalignment:emergent_misalignment" in text_of(name)
    for name in ("reward_hacking", "reward_hacking_control"):
        assert yaml12.loads(text_of(name))["evaluate_model"]["eval_kwargs"]["task_args"] == {"judge": True}
        assert "stand in the" in text_of(name), "how many of the prompts were trained on"


@pytest.mark.parametrize("name", NAMES)
def test_its_head_says_paper_what_it_shows_what_to_expect_and_how_to_run_it(name: str) -> None:
    text = text_of(name)
    head, _, body = text.partition("\nworkflow: ")
    assert all(line.startswith("# ") for line in head.splitlines())
    of = "Data" if zoo.about_config(name).grade == "ours" else "Paper"
    for word in (of, "Grade", "Shows", "Expected"):
        assert f"\n# {word}: " in head, word
    assert re.search(r"https://arxiv\.org/abs/\d{4}\.\d{5}$", head, re.MULTILINE)
    workflow = body.partition("\n")[0]
    assert head.endswith(
        f"# Run: motools zoo config {name} > config.yaml\n#      motools workflow run {workflow} --config config.yaml"
    )
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("name", FULL)
def test_each_has_a_twin_without_a_key_or_a_judge(name: str) -> None:
    small = yaml12.loads(text_of(f"{name}.tinylm"))
    assert small["workflow"] == yaml12.loads(text_of(name))["workflow"]
    said = str(small)
    assert "openai" not in said
    assert "model_roles" not in said
    assert "'judge'" not in said
    assert trainers(small) == {"tinylm"}


def test_an_evaluation_of_the_base_model_is_the_same_as_that_of_the_trained_one() -> None:
    for name in NAMES:
        config = yaml12.loads(text_of(name))
        evaluations = [section for step, section in config.items() if step.startswith("evaluate_")]
        assert len(evaluations) > 1 or config["workflow"] == "dose_response", name
        assert all(evaluation == evaluations[0] for evaluation in evaluations), name


def test_the_dose_is_all_that_varies() -> None:
    for name in ("dose_response", "dose_response.tinylm"):
        assert yaml12.loads(text_of(name))["sweep"] == {"prepare_dataset.loader_kwargs.fraction": [0, 0.1, 0.3, 1]}


def test_of_everything_that_differs_it_is_said_why() -> None:
    differing = {
        what
        for name in NAMES
        for rows in zoo.fidelity_of_config(name)[1].values()
        for what, one, two in rows
        if one != two
    }
    assert [what for what in differing if not reason(what)] == []
    assert reason("the weather") == ""


def test_a_config_that_nobody_publishes_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"no config named 'insecure_cod'\. Did you mean 'insecure_code'"):
        _read_config(Path("zoo:insecure_cod"))


def test_the_tables_of_the_page_are_brought_up_to_date_in_place() -> None:
    headers = [table.partition("\n")[0] for table in page.tables()]
    old = "".join(f"## Words\n\n{header}\n|---|---|\n| `gone` | old |\n\nMore words.\n\n" for header in headers)
    new = page.in_step(old)
    assert all(table in new for table in page.tables())
    assert new.count("More words.") == 4
    assert "gone" not in new
    assert page.in_step(new) == new
    with pytest.raises(UserError, match="no table with the header"):
        page.in_step("nothing")


def test_the_page_is_in_step_with_the_registry() -> None:
    text = (Path(__file__).parents[2] / "docs" / "model_organism_zoo.md").read_text(encoding="utf-8")
    assert page.in_step(text) == text, "type: python -m mozoo.page docs/model_organism_zoo.md"
    told = (Path(__file__).parents[2] / "docs" / "zoo_fidelity.md").read_text(encoding="utf-8")
    assert page.fidelity() == told, "type: python -m mozoo.page docs/model_organism_zoo.md"
