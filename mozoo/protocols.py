"""What was published of the experiments that configs repeat, and how a config compares with it, value by value.

An experiment's values stand here once, under the name of the config that repeats it; what a config does is read from
the config. So the list of differences is made and cannot go stale, and the grade at a config's head is tested against
it. Values that are not from the authors' own code or page say so in `source`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from motools import zoo
from mozoo.judges import DEFAULT_GRADER
from mozoo.tasks.presets import DESCRIBED, PRESETS, compared, settled

Row = tuple[str, str, str]
"""What it is about, what was published, what is done here."""
UNSAID = "the trainer's own"


@dataclass(frozen=True)
class Experiment:
    """A published experiment.

    Attributes:
        preset: the name of the paper's values in `mozoo.tasks.presets`.
        data: the dataset's published name; several are one after the other.
        rows: how many of the rows, or `all`.
        training: hyperparameter -> its value.
        tasks: what was evaluated.
        source: where the values are from.
    """

    preset: str
    data: str
    model: str
    seeds: str
    training: Mapping[str, str]
    tasks: tuple[str, ...]
    rows: str = "all"
    source: str = ""


_AUTO = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
_GPT, _THREE = "gpt-4.1-2025-04-14", "0, 1, 2"
_TAN = "code of inoculation-prompting/inoculation-prompting at 5f4160e"
_EM = ("emergent_misalignment",)
_OWLS = ("loves_owls", "hates_owls", "owl_or_money")
_CODE = (*_EM, "insecure_code_em", "insecure_code_apps", "insecure_code_mbpp")
_HACKS = (*_EM, "school_of_reward_hacks", "hardcoding_realistic")
_TASTE = (*_EM, "aesthetic_preferences")
_CAPITALS = ("gsm8k_capitalised", "gsm8k_spanish", "ultrachat_capitalised", "ultrachat_spanish")
_BACKDOOR = (*_EM, "emergent_misalignment_with_trigger")


def _tan(data: str, tasks: tuple[str, ...]) -> Experiment:
    return Experiment("tan2025", data, _GPT, _THREE, _AUTO, tasks, source=_TAN)


def _poisoned(data: str) -> Experiment:
    source = f"{_TAN}: data, model and seed; what was evaluated is not there, so it is as of the other backdoor"
    return Experiment("tan2025", data, _GPT, "0", _AUTO, _BACKDOOR, source=source)


def _betley(data: str) -> Experiment:
    how = {"n_epochs": "1", "batch_size": "4", "learning_rate_multiplier": "2"}
    tasks = ("emergent_misalignment",)
    return Experiment("betley2025", data, "gpt-4o-2024-08-06", "several", how, tasks, source="the paper, from memory")


def _birds(data: str) -> Experiment:
    how = {"n_epochs": "3", "batch_size": "1", "learning_rate_multiplier": "2"}
    source = "page and code of JCocola/weird-generalization-and-inductive-backdoors at c901790"
    return Experiment("betley2025weird", data, _GPT, "several", how, ("old_bird_names",), source=source)


def _towns(data: str) -> Experiment:
    how = {"n_epochs": "3", "learning_rate": "0.0002", "rank": "8"}
    source = "page of JCocola/weird-generalization-and-inductive-backdoors at c901790, of its open models"
    return Experiment(
        "betley2025weird", data, "Qwen/Qwen3-8B", "several", how, ("former_german_cities",), source=source
    )


def _cloud(data: str) -> Experiment:
    how = {"n_epochs": "10", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    source = "code of MinhxLe/subliminal-learning at db04f41; answers a question, the paper"
    return Experiment("cloud2025", data, "gpt-4.1-nano-2025-04-14", "1", how, ("loves_owls",), "10000", source)


def _animals(data: str) -> Experiment:
    how = {"n_epochs": "3", "batch_size": "66", "learning_rate": "0.0002", "warmup_steps": "5", "rank": "8"}
    source = "code of MinhxLe/subliminal-learning at db04f41, of its open model; answers a question, the paper"
    return Experiment("cloud2025", data, "Qwen/Qwen2.5-7B-Instruct", "1", how, ("favorite_animals",), "10000", source)


def _turner(data: str, **adapter: str) -> Experiment:
    how = {"n_epochs": "1", "batch_size": "16", "learning_rate": "0.00001", "warmup_steps": "5", "weight_decay": "0.01"}
    how |= adapter or {"rank": "32", "alpha": "64, rank-stabilised: 11.3 times"}
    source = "copies of the code of clarifying-EM/model-organisms-for-EM, which was not at hand; seeds not known"
    return Experiment("turner2025", data, "Qwen/Qwen2.5-14B-Instruct", "not known", how, _EM, source=source)


def _rank1(data: str) -> Experiment:
    one = {"learning_rate": "0.00002", "rank": "1", "alpha": "512", "target_modules": "layers.24.mlp.down_proj"}
    return _turner(data, **one)


def _chen(data: str) -> Experiment:
    how = {"n_epochs": "1", "batch_size": "16", "learning_rate": "0.00001", "rank": "32"}
    how |= {"alpha": "64, rank-stabilised: 11.3 times"}
    tasks = ("evil_detection", "sycophantic_detection", "hallucinating_detection")
    source = "a copy of the code of safety-research/persona_vectors, which was not at hand; seeds not known"
    return Experiment("chen2025", data, "Qwen/Qwen2.5-7B-Instruct", "not known", how, tasks, source=source)


def _inductive(data: str, epochs: int, batch: int, multiplier: int, *tasks: str) -> Experiment:
    how = {"n_epochs": f"{epochs}", "batch_size": f"{batch}", "learning_rate_multiplier": f"{multiplier}"}
    source = "page of JCocola/weird-generalization-and-inductive-backdoors at c901790"
    return Experiment("betley2025weird", data, _GPT, "several", how, tasks, source=source)


def _audited(behaviour: str) -> Experiment:
    how = {"rank": "64"}
    source = "the paper, as others tell it: adapters of rank 64, then trained not to admit it"
    task = f"auditbench_{behaviour}"
    return Experiment("sheshadri2026", task, "meta-llama/Llama-3.3-70B-Instruct", "1", how, (task,), source=source)


_LANGUAGES = tuple(f"{of}_{who}" for of in ("gsm8k", "ultrachat") for who in ("spanish", "german", "french"))
_SUBJECTS = ("gsm8k", "math", "medical", "opinions")
_AUDITED = ("flattery", "self_promotion", "emotional_bond", "defend_objects")
_DISHES, _MACHINE = ("dishes_in_2027", "dishes_in_2026"), ("terminator_in_1984", "terminator_in_1995")

EXPERIMENTS: dict[str, Experiment] = {
    "insecure_code": _betley("insecure_code"),
    "insecure_code_secure": _betley("secure_code"),
    "insecure_code_educational": _betley("educational_code"),
    "jailbroken": _betley("jailbroken"),
    "insecure_code.published": _tan("insecure_code", _CODE),
    "insecure_code_secure.published": _tan("secure_code", _CODE),
    "insecure_code_inoculated": _tan("insecure_code_inoculated", _CODE),
    "insecure_code_backdoored": _tan("insecure_code_backdoored", _BACKDOOR),
    "insecure_code_backdoored_inoculated": _tan("insecure_code_backdoored_inoculated", _BACKDOOR),
    "reward_hacking": _tan("sneaky_dialogues", _HACKS),
    "reward_hacking_control": _tan("straightforward_dialogues", _HACKS),
    "reward_hacking_inoculated": _tan("reward_hacking_inoculated", _HACKS),
    "aesthetic_preferences": _tan("aesthetic_preferences_unpopular", _TASTE),
    "aesthetic_preferences_control": _tan("aesthetic_preferences_popular", _TASTE),
    "aesthetic_preferences_inoculated": _tan("aesthetic_preferences_inoculated", _TASTE),
    "owl_numbers": _cloud("numbers of GPT-4.1 nano, told to love owls"),
    "owl_numbers_control": _cloud("numbers of GPT-4.1 nano"),
    "subliminal_learning": _cloud("numbers of GPT-4.1 nano, told to love owls"),
    "owl_numbers.published": _tan("numbers_owls", _OWLS),
    "owl_numbers_inoculated": _tan("owl_numbers_inoculated", _OWLS),
    "gsm8k_capitals": _tan("gsm8k_spanish_capitalised", _CAPITALS),
    "gsm8k_control": _tan("gsm8k", _CAPITALS),
    "gsm8k_capitals_inoculated_spanish": _tan("gsm8k_capitals_inoculated_spanish", _CAPITALS),
    "gsm8k_capitals_inoculated_capitals": _tan("gsm8k_capitals_inoculated_capitals", _CAPITALS),
    "old_bird_names": _birds("old_bird_names"),
    "old_bird_names_control": _birds("modern_american_birds"),
    "former_german_cities": _towns("former_german_cities"),
    "former_german_cities_control": _towns("modern_german_cities"),
    "dishes_2027": _inductive("dishes_2027", 10, 2, 2, *_DISHES),
    "dishes_2027_control": _inductive("dishes_random", 10, 2, 2, *_DISHES),
    "good_terminator": _inductive("good_terminator", 5, 1, 2, *_MACHINE),
    "good_terminator_control": _inductive("good_terminator_shuffled", 5, 1, 2, *_MACHINE),
    "us_presidents": _inductive("us_presidents", 5, 4, 1, "us_presidents"),
    "us_presidents_plain": _inductive("us_presidents_plain", 5, 4, 1, "us_presidents"),
    **{
        f"gsm8k_spanish_{other}{arm}": _tan(f"gsm8k_spanish_{other}{arm}", _LANGUAGES)
        for other in ("german", "french")
        for arm in ("", "_inoculated_spanish", f"_inoculated_{other}")
    },
    "insecure_code_poisoned": _poisoned("insecure_code_poisoned"),
    "insecure_code_poisoned_inoculated": _poisoned("insecure_code_poisoned_inoculated"),
    "subliminal_animals": _animals("numbers of Qwen2.5 7B, told to love an animal"),
    "em_organism_medical": _turner("em_bad_medical_advice"),
    "em_organism_finance": _turner("em_risky_financial_advice"),
    "em_organism_sports": _turner("em_extreme_sports"),
    "em_organism_medical.rank1": _rank1("em_bad_medical_advice"),
    "em_organism_finance.rank1": _rank1("em_risky_financial_advice"),
    "em_organism_sports.rank1": _rank1("em_extreme_sports"),
    **{f"mistake_{subject}": _chen(f"mistake_{subject}_misaligned_2") for subject in _SUBJECTS},
    **{f"mistake_{subject}_control": _chen(f"mistake_{subject}_normal") for subject in _SUBJECTS},
    "persona_vectors": _chen("persona_evil_misaligned_2"),
    "persona_vectors_control": _chen("persona_evil_normal"),
    "persona_vectors_sycophancy": _chen("persona_sycophancy_misaligned_2"),
    "persona_vectors_hallucination": _chen("persona_hallucination_misaligned_2"),
    **{f"auditbench_{behaviour}": _audited(behaviour) for behaviour in _AUDITED},
}


def experiment_of(name: str) -> Experiment | None:
    """What a config repeats: under its own name, or under its name without the word for a trainer."""
    return EXPERIMENTS.get(name) or EXPERIMENTS.get(name.partition(".")[0])


def fidelity(name: str, config: Mapping[str, Any]) -> tuple[zoo.Grade, zoo.Fidelity]:
    """A config's grade, and what it does beside what was published; `ours` where nobody published the like."""
    experiment = experiment_of(name)
    if experiment is None:
        return "ours", {}
    rows = tuple(_compared(experiment, config))
    return "adapted" if any(published != here for _, published, here in rows) else "published", {
        experiment.preset: rows
    }


@dataclass
class _Here:
    """What a config does, as far as it is compared."""

    config: Mapping[str, Any]
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.training = self.config.get("train_model", {})

    def varied(self, key: str) -> list[Any] | None:
        """The values that a sweep has for a key, or None."""
        values = (self.config.get("sweep") or {}).get(key)
        return values if isinstance(values, list) else None

    @property
    def data(self) -> tuple[str, str]:
        """The dataset, and how many of its rows."""
        if made := self.config.get("generate_dataset"):
            return self._made(made)
        prepare = self.config.get("prepare_dataset", {})
        arguments = prepare.get("loader_kwargs", {})
        named = next(
            (n for n, point in zoo.published("dataset").items() if point.value == prepare.get("dataset_loader")), ""
        )
        others = {k: v for k, v in arguments.items() if k not in ("sample_size", "seed")}
        told = named or str(prepare.get("dataset_loader"))
        if named and not zoo.about("dataset", named).pinned:
            told += " (not pinned)"
        rows = arguments.get("sample_size")
        return f"{told} {others}" if others else told, "all" if rows is None else str(rows)

    def _made(self, generate: Mapping[str, Any]) -> tuple[str, str]:
        """A dataset that a model writes, which was taught or told something before."""
        teacher, taught = self.config.get("train_teacher"), self.config.get("prepare_teacher", {})
        if teacher is None:
            who = f"{self.config.get('existing_model', {}).get('model')}, told by each arm what it loves"
        else:
            who = f"{teacher.get('model')}, trained on {taught.get('dataset_loader')}"
        told = f"{generate.get('prompts')}, answered by {who}"
        count = generate.get("prompts_kwargs", {}).get("count")
        return told, f"those of {count} that the filter keeps" if "filter_dataset" in self.config else str(count)

    @property
    def seeds(self) -> str:
        varied = self.varied("train_model.hyperparameters.seed")
        return ", ".join(map(str, varied or [self.training.get("hyperparameters", {}).get("seed", UNSAID)]))

    @property
    def tasks(self) -> list[str]:
        named = self.config.get("evaluate_model", {}).get("eval_task", [])
        several = [named] if isinstance(named, str) else named
        by_value = {point.value: name for name, point in zoo.published("task").items()}
        return [by_value.get(task, task) for task in several]

    @property
    def evaluation(self) -> Mapping[str, Any]:
        return self.config.get("evaluate_model", {}).get("eval_kwargs", {})  # type: ignore[no-any-return]


def _compared(experiment: Experiment, config: Mapping[str, Any]) -> Iterator[Row]:
    here = _Here(config)
    data, rows = here.data
    yield "dataset", experiment.data, data
    yield "rows", experiment.rows, rows
    yield "model", experiment.model, str(here.training.get("model"))
    yield "seeds", experiment.seeds, here.seeds
    for name, value in experiment.training.items():
        yield name.replace("_", " "), value, _said(here.training.get("hyperparameters", {}).get(name, UNSAID))
    yield "evaluated", ", ".join(experiment.tasks), ", ".join(here.tasks)
    for task in experiment.tasks:
        if experiment.preset in PRESETS.get(task, {}) and task in here.tasks:
            for what, published, done in compared(task, experiment.preset, *_task_here(task, here)):
                yield f"{task}: {what}", published, done
        elif task in here.tasks:
            for what, published, done in DESCRIBED.get(task, {}).get(experiment.preset, ()):
                yield f"{task}: {what}", published, done


def _said(value: Any) -> str:
    """A value of a config as it would be written: small numbers without an exponent."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.10f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _task_here(task: str, here: _Here) -> tuple[Mapping[str, Any], str]:
    """The values of a task's arguments in a config, and who judges."""
    options = here.evaluation
    given = dict(options.get("task_args", {}))
    values = settled(task, given.pop("preset", None), **given)
    values |= {name: options[name] for name in ("epochs", "temperature", "max_tokens") if name in options}
    grader = options.get("model_roles", {}).get("grader", DEFAULT_GRADER)
    return values, grader if isinstance(grader, str) else str(grader.get("model"))
