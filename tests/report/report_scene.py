"""Results that a page tells of: atoms made by hand, and the lock file of a pipeline that could have made them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from motools.atom import Atom, DatasetAtom, EvalAtom, ModelAtom
from motools.base import yaml12
from motools.repo.project import Project
from motools.repo.settings import Settings
from motools.report.collect import Results, collect
from motools.report.page import page

Sample = dict[str, Any]


class Scene:
    """A pipeline's folder whose results are put there one by one."""

    def __init__(self, root: Path, name: str = "organism") -> None:
        self.root, self.folder = root, root / name
        self.folder.mkdir()
        self.stages: dict[str, Any] = {}
        self._made = 0

    def add(self, stage: str, output: str, atom: Atom) -> Atom:
        """Have dvc.lock say that a stage has made an atom; of an instance, where a sweep puts it."""
        base, _, label = stage.partition("@")
        path = f"atoms/{output}" + (f"/{label.replace(',', '/')}" if label else "")
        out = {"path": path, "hash": "md5", "md5": f"{atom.md5}.dir", "size": 1, "nfiles": 1}
        self.stages[stage] = {"cmd": f"make {base}", "outs": [out]}
        (self.folder / "dvc.lock").write_text(yaml12.dumps({"schema": "2.0", "stages": self.stages}))
        written = {name: {"cmd": entry["cmd"]} for name, entry in self.stages.items() if "@" not in name}
        written |= {name.partition("@")[0]: {"cmd": e["cmd"]} for name, e in self.stages.items() if "@" in name}
        (self.folder / "dvc.yaml").write_text(yaml12.dumps({"stages": written}))
        return atom

    def files(self, **texts: str) -> Path:
        self._made += 1
        folder = self.root / ".motools" / "made" / f"{self.folder.name}-{self._made}"
        folder.mkdir(parents=True)
        for name, text in texts.items():
            name = name.replace("_", ".", 1)
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    def dataset(self, stage: str, rows: Sequence[Mapping[str, Any]], **metadata: Any) -> Atom:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        made = DatasetAtom.create(user="Ada", artifact_path=self.files(rows_jsonl=text), metadata=metadata)
        return self.add(stage, "dataset", made)

    def model(self, stage: str, dataset: Atom | None, seed: int = 0, losses: Sequence[float] = ()) -> Atom:
        rows = [{"step": step, "train_loss": loss} for step, loss in enumerate(losses, 1)]
        about = {"model_id": f"tinylm/{stage}", "hyperparameters": {"seed": seed}}
        made_from = {} if dataset is None else {"dataset": dataset.id}
        files = self.files(loss_json=json.dumps(rows))
        return self.add(
            stage, "model", ModelAtom.create(user="Ada", artifact_path=files, made_from=made_from, metadata=about)
        )

    def evaluation(
        self, stage: str, model: Atom, samples: Mapping[str, Sequence[Sample]], output: str = "results"
    ) -> Atom:
        """Of samples by task; the metrics are the means of the scores."""
        metrics: dict[str, Any] = {}
        rows: list[Sample] = []
        for task, given in samples.items():
            of_score: dict[str, list[float]] = {}
            for sample in given:
                rows.append({"task": task, "epoch": 1, "target": "", "error": None, **sample})
                for score, told in sample["scores"].items():
                    of_score.setdefault(score, []).append(told["value"])
            metrics[task] = {score: {"mean": sum(v) / len(v)} for score, v in of_score.items()}
        counts = {task: {"total": len(s), "completed": len(s), "errored": 0} for task, s in samples.items()}
        files = self.files(
            metrics_json=json.dumps(metrics), samples_jsonl="".join(json.dumps(row) + "\n" for row in rows)
        )
        made = EvalAtom.create(
            user="Ada", artifact_path=files, made_from={"model": model.id}, metadata={"samples": counts}
        )
        return self.add(stage, output, made)

    def collected(self, *folders: Path, **options: Any) -> Results:
        return collect(Project.find(self.root), folders or [self.folder], lambda folder, stage: [], **options)

    def page(self, *folders: Path, charts: bool = False, **options: Any) -> str:
        return page(self.collected(*folders, **options), Settings(), ["motools", "report"], charts)


def samples(count: int, level: float, score: str = "misaligned", **more: Any) -> list[Sample]:
    """Answers of which a share of `level` has the score 1, spread evenly."""
    return [
        {
            "id": f"q{n:02}",
            "input": f"Question {n}?",
            "output": f"Answer {n}.",
            "scores": {score: {"value": float((7 * n) % count < level * count), "explanation": "the judge's words"}},
            **more,
        }
        for n in range(count)
    ]


def sweep(scene: Scene, doses: Sequence[float] = (0, 0.1, 0.5, 1), seeds: int = 3) -> None:
    """Doses by seeds on two tasks, under the names that a sweep gives."""
    base = scene.model("existing_model", None)
    tasks = {"held_out": samples(20, 0, "overlap"), "open": samples(20, 0.05)}
    scene.evaluation("evaluate_base", base, tasks, "base_results")
    for dose in doses:
        for seed in range(seeds):
            label = f"fraction={dose:g},seed={seed}"
            dataset = scene.dataset(f"prepare_dataset@{label}", [{"n": dose, "seed": seed}])
            model = scene.model(f"train_model@{label}", dataset, seed, [2 - dose, 1.2 - dose / 4, 1.0 + seed / 20])
            level = min(1.0, dose * 0.8 + seed / 20)
            tasks = {"held_out": samples(20, level, "overlap"), "open": samples(20, level / 2)}
            scene.evaluation(f"evaluate_model@{label}", model, tasks)
