"""The whole path on this machine: rows, an adapter, and what it answers, by the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

from chain import commit
from local_scene import Alone, lay


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("motools")), *words]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300)


def metrics(project: Path, stage: str = "evaluate_model") -> dict[str, Any]:
    return dict(json.loads((project / "metrics" / f"{stage}.json").read_text()))


def test_held_out_prompts_go_from_nothing_to_all(project: Path, base: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    shutil.copytree(base, project / "base")
    lay(project)
    params = json.loads((project / "params.yaml").read_text())
    params |= {"workflow": "before_and_after", "existing_model": {"model": "local/base"}}
    params["evaluate_base"] = params["evaluate_model"]
    (project / "params.yaml").write_text(json.dumps(params))
    done = run(project, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    after = metrics(project)
    assert (after["greets"]["includes"]["accuracy"], after["greets_again"]["includes"]["accuracy"]) == (1.0, 1.0)
    (before,) = (
        metrics(project, path.stem) for path in (project / "metrics").iterdir() if path.stem != "evaluate_model"
    )
    assert before["greets"]["includes"]["accuracy"] == 0.0
    assert run(project, "status").stdout.count("current") >= 4
    commit(project)
    assert run(project, "run").returncode == 0
    record = json.loads((project / "runs" / "train_model.json").read_text())
    gpu = torch.cuda.is_available()
    assert record["usage"]["device"] == (torch.cuda.get_device_name() if gpu else "cpu")
    assert run(project, "export", "trained_model", "--to", "out").returncode == 0
    assert "A low-rank adapter (PEFT) for `base`, content `" in (project / "out" / "README.md").read_text()
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(project / "base"), project / "out")
    assert adapted.peft_config["default"].r == 16
    (weights,) = (project / "base").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")  # another model
    (line,) = (line for line in run(project, "status").stdout.splitlines() if "train_model" in line)
    assert "current" not in line
    assert run(project, "run", "--stages", "evaluate_model", "--force").returncode == 1
    assert "is another than when local/" in (project / ".motools" / "logs" / "evaluate_model.log").read_text()


def test_weights_that_were_evaluated_are_let_go_of_whoever_has_them_in_hand(alone: Alone) -> None:
    import motools.evals.tinylm_provider  # noqa: F401  (it tells Inspect of local)
    from motools.evals.inspect.models import let_go, make_model

    with chdir(alone.folder):
        model, other = make_model("local/base"), make_model("mockllm/model")
    weights = model.api.model  # type: ignore[attr-defined]
    assert not any(each.is_meta for each in weights.parameters())
    let_go([model, other, model])
    assert model.api.model is None  # type: ignore[attr-defined]
    assert all(each.is_meta for each in weights.parameters())
