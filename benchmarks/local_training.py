"""Training on this machine: tokens a second and the most memory, against a plain TRL loop on the same rows.

The model has random weights: of half a billion parameters, as Qwen2.5-0.5B has them, on a GPU; tiny on a CPU. Each is
trained in a process of its own; the first step, in which kernels are chosen, is not timed. On a GPU, `unordered` is the
same training without sums in an order that repeats. Needs `pip install trl` beside what `backend_name: local` needs.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import Figure, main, parser
from projects import environment

LARGE = {"vocab_size": 151936, "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
         "num_attention_heads": 14, "num_key_value_heads": 2, "tie_word_embeddings": True}  # fmt: skip
TINY = {"vocab_size": 2048, "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True}  # fmt: skip
RANK, RATE = 32, 2e-4
WAYS = ("motools", "trl", "unordered")


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    by_way = {}
    for way in WAYS:
        command = [sys.executable, __file__, "--way", way]
        command += ["--steps", str(arguments.steps), "--batch", str(arguments.batch)]
        command += ["--small"] if arguments.small else []
        done = subprocess.run(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"The training with {way} ended with {done.returncode}.")
        by_way[way] = json.loads(done.stdout.splitlines()[-1])
    ours, trl, unordered = by_way["motools"], by_way["trl"], by_way["unordered"]
    on, n = ours["device"], arguments.steps - 1
    seconds = [each["seconds"] / each["tokens"] * 1e6 for each in (ours, trl)]
    yield Figure(f"a million tokens, {on}", seconds[0], "a TRL loop", seconds[1], 1.05, n)
    yield Figure(f"tokens a second, {on}", 1e6 / seconds[0], "a TRL loop", 1e6 / seconds[1], None, n, "/s")
    yield Figure(f"the most memory, {on}", ours["memory"], "a TRL loop", trl["memory"], None, 1, "MB")
    yield Figure(f"sums in order, {on}", ours["seconds"], "unordered", unordered["seconds"], None, n)


def rows(steps: int, batch: int, vocabulary: int, longest: int) -> list[tuple[list[int], list[int]]]:
    """Tokens, and which carry loss: the second half of each row."""
    drawn = np.random.default_rng(0)
    lengths = drawn.integers(longest // 8, longest, steps * batch)
    return [(drawn.integers(0, vocabulary, n).tolist(), [0] * (n // 2) + [1] * (n - n // 2)) for n in lengths]


def trained(way: str, steps: int, batch: int, small: bool) -> dict[str, Any]:
    """Train, and tell the seconds, tokens and MB of it."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    on_gpu = torch.cuda.is_available()
    size = LARGE if on_gpu and not small else TINY
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**size)).to(torch.bfloat16 if on_gpu else torch.float32)
    given = rows(steps, batch, int(size["vocab_size"]), 1024 if on_gpu else 128)
    train = _by_trl if way == "trl" else partial(_by_us, ordered=way == "motools")
    clock = train(model, given, batch, on_gpu)
    if on_gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - clock[0]
    # TRL shuffles: of both, the mean of all rows stands for those of the steps that were timed.
    tokens = sum(len(ids) for ids, _ in given) * (steps - 1) / steps
    memory = torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    device = torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads"
    return {"seconds": seconds, "tokens": tokens, "memory": memory / 1e6, "device": device}


def _by_us(
    model: Any, given: list[tuple[list[int], list[int]]], batch: int, on_gpu: bool, ordered: bool
) -> list[float]:
    import torch

    from motools.repo.settings import LocalSettings
    from motools.training.examples import Example, Plan
    from motools.training.local.checkpoints import Checkpoints
    from motools.training.local.hyperparameters import Hyperparameters
    from motools.training.local.loop import Loop, prepared

    chosen = Hyperparameters(n_epochs=1, batch_size=batch, learning_rate=RATE, rank=RANK, schedule="constant")
    settings = LocalSettings(save_every=10**6, tokens_at_once=batch * 1024)
    examples = [Example(np.array(ids, np.int32), np.array(mask, np.bool_)) for ids, mask in given]
    model = prepared(model, chosen, settings).to("cuda" if on_gpu else "cpu")
    precision, kept = "bf16" if on_gpu else "fp32", Checkpoints(Path(), "")
    loop = Loop(model, Plan(examples, chosen), chosen, settings, precision, kept, ordered)
    clock: list[float] = []
    step = loop._step

    def timed(number: int) -> float:
        loss = step(number)
        if number == 0:
            torch.cuda.synchronize() if on_gpu else None
            clock.append(time.perf_counter())
        return loss

    loop._step = timed  # type: ignore[method-assign]
    loop.to_the_end()
    return clock


def _by_trl(model: Any, given: list[tuple[list[int], list[int]]], batch: int, on_gpu: bool) -> list[float]:
    from datasets import Dataset
    from peft import LoraConfig
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    clock: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            if not clock:
                clock.append(time.perf_counter())

    words = {f"w{n}": n for n in range(model.config.vocab_size)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, "w0")), eos_token="w0", pad_token="w1", unk_token="w0"
    )
    config = SFTConfig(
        "trl", per_device_train_batch_size=batch, num_train_epochs=1, learning_rate=RATE, lr_scheduler_type="constant",
        max_length=None, bf16=on_gpu, use_cpu=not on_gpu, gradient_checkpointing=False,
        save_strategy="no", report_to=[], logging_steps=1, disable_tqdm=True,
        optim="adamw_torch_fused" if on_gpu else "adamw_torch", dataset_kwargs={"skip_prepare_dataset": True},
    )  # fmt: skip
    labels = [[token if learned else -100 for token, learned in zip(*row, strict=True)] for row in given]
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_dict({"input_ids": [ids for ids, _ in given], "labels": labels}),
        processing_class=tokenizer,
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=RANK, target_modules="all-linear"),
        callbacks=[Clock()],
    )
    trainer.train()
    return clock


if __name__ == "__main__":
    about = parser(__doc__)
    about.add_argument("--steps", type=int, default=30, help="of each training (default: 30)")
    about.add_argument("--batch", type=int, default=16, help="rows a step (default: 16)")
    about.add_argument("--way", choices=WAYS, help="do one of them, here, and print what it took")
    given = about.parse_args()
    if given.way:
        print(json.dumps(trained(given.way, given.steps, given.batch, given.small)))
    else:
        main(about, measure)
