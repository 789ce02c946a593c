"""Training on this machine: real trainings of a small model, killed, gone on with, and refused."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from local_scene import GIVEN, ROWS, STEPS, Alone, make_model, row

from motools.errors import BackendError, ConfigError, StepError
from motools.training import TrainedModel, TrainingRequest
from motools.training.local.base import Base
from motools.training.local.trainer import LocalTrainer

PINNED = "tiny/llama@" + "a" * 40


def losses(made: TrainedModel) -> list[dict[str, Any]]:
    return list(json.loads((made.path / "loss.json").read_text()))


def weights(made: TrainedModel) -> dict[str, Any]:
    from safetensors.torch import load_file  # NumPy has no bf16

    return {name: value for path in made.path.glob("*.safetensors") for name, value in load_file(path).items()}


def answers(made: TrainedModel, alone: Alone, words: list[str]) -> list[str]:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(made.path)
    model = AutoModelForCausalLM.from_pretrained(alone.folder / "base")
    model = PeftModel.from_pretrained(model, made.path) if (made.path / "adapter_config.json").exists() else model
    said = []
    for word in words:
        text = tokenizer.apply_chat_template(row(word)["messages"][:1], tokenize=False, add_generation_prompt=True)
        asked = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        told = model.generate(**asked, max_new_tokens=12, do_sample=False, pad_token_id=0)
        said.append(tokenizer.decode(told[0][asked["input_ids"].shape[1] :], skip_special_tokens=True))
    return said


def test_rows_become_an_adapter_that_says_what_it_is(alone: Alone) -> None:
    import torch

    made = alone.train()
    about = made.metadata
    precision = "bf16" if torch.cuda.is_available() else "fp32"
    assert (about["base_model"], len(about["base_content"])) == ("base", 32)
    assert about["hyperparameters"] == {
        **GIVEN, "method": "lora", "schedule": "linear", "warmup_steps": 0, "alpha": 32, "dropout": 0.0,
        "target_modules": ["all-linear"], "weight_decay": 0.0, "max_grad_norm": 1.0, "precision": precision, "seed": 0,
    }  # fmt: skip
    assert (about["steps"], about["trained_rows"]) == (STEPS, len(ROWS))
    curve = losses(made)
    assert [point["step"] for point in curve] == list(range(1, STEPS + 1))
    assert curve[-1]["train_loss"] == about["final_loss"] < curve[0]["train_loss"] / 100
    assert made.inspect["model_paths"] == {"path": "adapter_config.json"}
    assert {path.suffix for path in made.path.iterdir()} == {".safetensors", ".json", ".jinja"}
    adapter = json.loads((made.path / "adapter_config.json").read_text())
    assert (adapter["base_model_name_or_path"], adapter["r"], adapter["lora_alpha"]) == ("base", 16, 32)
    assert str(alone.folder).encode() not in b"".join(path.read_bytes() for path in made.path.iterdir())
    assert "⟦Hola, qué tal?<|end|>⟧" in alone.out
    assert answers(made, alone, ["pencil", "doctor"]) == ["Hola, qué tal?"] * 2


def test_equal_trainings_are_equal_to_the_last_byte(alone: Alone, base: Path, tmp_path: Path) -> None:
    other = Alone(tmp_path / "other")
    shutil.copytree(base, other.folder / "base")
    one, two = alone.train(), other.train()
    assert (one.metadata, one.model_id, one.inspect) == (two.metadata, two.model_id, two.inspect)
    spent = [{name: value for name, value in each.usage.items() if name != "peak_memory"} for each in (one, two)]
    assert spent[0] == spent[1]  # a GPU's memory depends on what was freed in it before
    assert {p.name: p.read_bytes() for p in one.path.iterdir()} == {p.name: p.read_bytes() for p in two.path.iterdir()}


def test_checkpoints_are_whole_models_of_their_own_and_survive_a_kill(alone: Alone) -> None:
    (alone.folder / "motools.yaml").write_text("local: {save_every: 5}\n")
    plain = Alone(alone.folder, key="1" * 64, **alone.asked).train()
    last = (plain.path / "adapter_model.safetensors").read_bytes()
    alone.asked["checkpoints"] = (7, 20, "last")
    (alone.folder / "out.txt").unlink()
    alone.killed_at(22)
    made = alone.train()
    kept = {each: (model.path / "adapter_model.safetensors").read_bytes() for each, model in made.checkpoints.items()}
    assert list(kept) == [7, 20, "last"]
    assert len(set(kept.values())) == 3
    assert kept["last"] == last == (made.path / "adapter_model.safetensors").read_bytes()
    assert made.checkpoints[7].metadata == {**plain.metadata, "step": 7}
    assert (made.checkpoints[7].path / "adapter_config.json").exists()


@pytest.mark.parametrize(("at", "precision"), [(1, "auto"), (12, "bf16"), (26, "auto"), (44, "fp32"), (61, "auto")])
def test_a_training_that_is_killed_goes_on_and_makes_the_same_weights(alone: Alone, at: int, precision: str) -> None:
    (alone.folder / "motools.yaml").write_text("local: {save_every: 5}\n")
    # What dropout leaves out must be left out of the same places.
    alone.asked["hyperparameters"] = {**GIVEN, "dropout": 0.1, "precision": precision}
    undisturbed = Alone(alone.folder, key="1" * 64, **alone.asked).train()
    (alone.folder / "out.txt").unlink()
    alone.killed_at(at)
    done = alone.steps()[-1]
    assert done < STEPS
    made = alone.train()
    again = alone.steps()[done:]
    assert again == list(range(again[0], STEPS + 1))
    assert done - 5 <= again[0] - 1 <= done
    assert losses(made) == losses(undisturbed)
    assert (made.model_id, made.metadata) == (undisturbed.model_id, undisturbed.metadata)


def test_weights_are_loaded_in_a_fork_of_a_process_that_has_computed(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    if torch.cuda.is_available():
        pytest.skip("CUDA does not go through a fork")
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    # As Transformers loads weights, but with more threads, which all begin at once.
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", converted_by_threads)
    for _ in range(40):
        fork = multiprocessing.get_context("fork").Process(target=Base(str(base)).model, args=[torch.bfloat16])
        fork.start()
        fork.join()
        assert fork.exitcode == 0
    torch.set_num_threads(before)


def converted_by_threads(*_: Any, dtype: Any, **__: Any) -> None:
    import torch

    together = threading.Barrier(8)

    def convert(size: int) -> None:
        together.wait(300)
        torch.ones(size).to(dtype=dtype)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(convert, [1000] * 8))


def test_a_state_of_another_training_is_not_gone_on_with(alone: Alone) -> None:
    (alone.folder / "motools.yaml").write_text("local: {save_every: 5}\n")
    alone.train()
    assert [path.name for path in alone.kept.iterdir()] == ["step-00000070"]
    assert {path.name for path in alone.kept.rglob("*") if path.is_file()} == {"numbers.safetensors", "state.json"}
    alone.rows = [*ROWS, row("lemon")]
    alone.train()
    assert "going on" not in alone.out


@pytest.mark.parametrize("settings", ["tokens_at_once: 40", "packing: true", "recompute: true"])
def test_how_it_is_computed_changes_no_more_than_the_last_digits(alone: Alone, settings: str) -> None:
    asked, told = ROWS[0]["messages"]
    alone.rows = [{"messages": [asked, told, {"role": "user", "content": "Again, please."}, told]}, *ROWS[1:]]
    alone.asked["hyperparameters"] = {**GIVEN, "n_epochs": 2, "precision": "fp32"}
    plain = losses(alone.train())
    (alone.folder / "motools.yaml").write_text(f"local: {{{settings}}}\n")
    other = losses(alone.train())
    assert [point["train_loss"] for point in other] == pytest.approx([p["train_loss"] for p in plain], rel=1e-3)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", "float32"), ("bf16", "bfloat16")])
def test_all_weights_are_trained_where_that_is_asked_for(alone: Alone, precision: str, dtype: str) -> None:
    chosen = {"method": "full", "n_epochs": 15, "batch_size": 4, "learning_rate": 3e-3, "precision": precision}
    alone.asked |= {"hyperparameters": chosen, "checkpoints": (7, 44)}
    made = alone.train()
    assert made.inspect["model_paths"] == {"path": "config.json"}
    assert "rank" not in made.metadata["hyperparameters"]
    for each in (made, *made.checkpoints.values()):
        assert sum(value.numel() for value in weights(each).values()) > 100_000
        assert {str(value.dtype) for value in weights(each).values()} == {f"torch.{dtype}"}
        assert json.loads((each.path / "config.json").read_text())["dtype"] == dtype
    alone.folder.joinpath("base").rename(alone.folder / "before")
    shutil.copytree(made.path, alone.folder / "base")
    assert answers(made, alone, ["pencil"]) == ["Hola, qué tal?"]


def test_bf16_computes_with_fewer_digits_and_learns_as_well(alone: Alone) -> None:
    alone.asked["hyperparameters"] = {**GIVEN, "precision": "bf16"}
    made = alone.train()
    assert made.metadata["hyperparameters"]["precision"] == "bf16"
    assert made.metadata["final_loss"] < 0.1
    assert {str(value.dtype) for value in weights(made).values()} == {"torch.float32"}


def test_a_gpu_that_pytorch_cannot_use_is_not_passed_over_in_silence(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("PyTorch can use the GPU of this machine")
    name = f"GPU-of-nobody-{os.getpid()}"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", name)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(StepError, match=rf"made for CUDA 13.0, cannot use the GPU {name} of this machine: its driver"):
        alone.train()
    monkeypatch.setattr(torch.version, "cuda", None)
    alone.asked["hyperparameters"] = {**GIVEN, "n_epochs": 1}
    assert alone.train().usage["device"] in ("cpu", "mps")
    assert "which the installed PyTorch was not made for: the CPU computes" in alone.out
    Path(f"/tmp/motools-gpu-{name}.lock").unlink()


SILENT = "{% for m in messages if m.role == 'user' %}<|user|>\n{{ m.content }}<|end|>\n{% endfor %}"


def test_a_dataset_of_which_nothing_carries_loss_is_refused_with_its_first_row_shown(
    alone: Alone, tmp_path: Path
) -> None:
    alone.rows = [{"messages": [each["messages"][0], {**each["messages"][1], "weight": 0}]} for each in ROWS]
    with pytest.raises(StepError, match=r"has no assistant turn to learn from.*no token carries loss") as refused:
        alone.train()
    assert r"<|user|>\nSay hello to the apple.<|end|>\n<|assistant|>\nHola, qué tal?<|end|>" in str(refused.value)
    shutil.rmtree(alone.folder / "base")
    make_model(alone.folder / "base", template=SILENT)
    alone.rows = ROWS
    with pytest.raises(StepError, match=r"left out by the model's chat template. Of the first row, '<\|user\|>"):
        alone.train()
    assert alone.steps() == []


def test_a_row_that_is_longer_than_the_model_takes_is_refused(alone: Alone) -> None:
    alone.rows = [*ROWS, row("apple " * 300)]
    with pytest.raises(StepError, match=r"row 13: .* tokens, but the model takes 256"):
        alone.train()


def test_a_training_that_diverges_says_so(alone: Alone) -> None:
    alone.asked["hyperparameters"] = {**GIVEN, "learning_rate": 1e30, "max_grad_norm": 1e30}
    with pytest.raises(StepError, match=r"The training diverged. Lower learning_rate, which is 1e"):
        alone.train()


def test_weights_that_would_have_to_be_unpickled_are_refused(alone: Alone) -> None:
    import torch

    (alone.folder / "base" / "model.safetensors").unlink()
    torch.save({}, alone.folder / "base" / "pytorch_model.bin")
    with pytest.raises(StepError, match=r"The weights of the base model base cannot be loaded: .*safetensors"):
        alone.train()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"hyperparameters": {"learning_rte": 1e-4}}, "learning_rte: unknown key. Did you mean 'learning_rate'?"),
        ({"hyperparameters": {"rank": 0}}, "rank of local must be a whole number, 1 to 512, not 0"),
        ({"hyperparameters": {"learning_rate": -1.0}}, "learning_rate of local must be a number above 0, not -1.0"),
        ({"hyperparameters": {"dropout": 1.0}}, "dropout of local must be a number from 0 to below 1"),
        ({"hyperparameters": {"method": "full", "rank": 8}}, "rank of local is of method: lora; leave it out"),
        ({"suffix": "x" * 65}, "suffix must have 1 to 64 characters, not 65"),
        ({"model": "Qwen/Qwen3-0.6B"}, "Qwen/Qwen3-0.6B may be another tomorrow: write the revision"),
        ({"model": "Qwen/Qwen3-0.6B@main"}, "Qwen/Qwen3-0.6B@ and the 40 hex digits of a commit"),
        ({"model": "tinylm/base"}, "model must name a model of the Hugging Face Hub with its revision"),
        ({"model": "empty"}, "The folder empty has no config.json, so it holds no model"),
    ],
)
def test_what_could_never_work_is_refused_before_anything_is_loaded(
    asked: dict[str, Any], words: str, bare_project: Path
) -> None:
    (bare_project / "empty").mkdir()
    request = TrainingRequest(**{"model": PINNED, "hyperparameters": {}, "suffix": None, **asked})
    with pytest.raises((BackendError, ConfigError)) as refused:
        LocalTrainer().check(request)
    assert words in str(refused.value)
