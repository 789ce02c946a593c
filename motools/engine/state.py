"""What became of each step of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["StepState", "WorkflowState"]

Status = Literal["current", "restored", "finished", "failed", "skipped", "not selected", "out of date"]


@dataclass(frozen=True)
class StepState:
    """What became of a step in a run.

    Attributes:
        status: `current` (nothing to do), `restored` (an equal result was at hand), `finished` (executed),
            `failed`, `skipped` (needs a step that failed), `not selected`, or `out of date`: not selected, and what
            stands in the folder is not what the config and the code now ask for.
        output_atoms: output name -> atom id, where there is a result.
        seconds: wall time spent on it in this run.
        error: what went wrong, in one sentence, where it failed or was skipped.
        log: the file with what the step printed, where it was executed.
    """

    step_name: str
    status: Status
    output_atoms: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    log: Path | None = None


@dataclass(frozen=True, repr=False)
class WorkflowState:
    """What became of a run: one `StepState` a step, in the workflow's order.

    Shown as a table, in a notebook too.
    """

    step_states: list[StepState]

    def __repr__(self) -> str:
        rows = [("step", "status", "seconds", "atoms"), *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        """For notebooks."""
        from html import escape

        head = "".join(f"<th>{name}</th>" for name in ("step", "status", "seconds", "atoms"))
        rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in self._rows())
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"

    def _rows(self) -> list[tuple[str, str, str, str]]:
        """Of each step: its name, its status, how long it took, and its atoms by 12 digits, or why there are none."""
        return [
            (
                state.step_name,
                state.status,
                f"{state.seconds:.1f}",
                state.error or " ".join(atom[:-20] for atom in state.output_atoms.values()),
            )
            for state in self.step_states
        ]

    def step(self, name: str) -> StepState:
        return next(state for state in self.step_states if state.step_name == name)

    @property
    def failed(self) -> list[StepState]:
        return [state for state in self.step_states if state.status == "failed"]
