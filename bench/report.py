"""A table of measured figures, each beside its baseline and its goal."""

from __future__ import annotations

from dataclasses import dataclass

COLUMNS = ("what", "baseline", "measured", "ratio", "goal")


@dataclass(frozen=True)
class Figure:
    """A measured value, beside a baseline of the same run if there is one. `unit` follows each number."""

    what: str
    measured: float
    goal: str
    baseline: float | None = None
    unit: str = ""

    @property
    def ratio(self) -> str:
        """Measured divided by the baseline."""
        return f"{self.measured / self.baseline:.3g}" if self.baseline else ""

    def cells(self) -> tuple[str, ...]:
        """Its row of the table."""
        baseline = "" if self.baseline is None else self._number(self.baseline)
        return self.what, baseline, self._number(self.measured), self.ratio, self.goal

    def _number(self, value: float) -> str:
        return f"{value:,.3g}{self.unit}" if value < 100 else f"{value:,.0f}{self.unit}"  # noqa: PLR2004 - three digits


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *(figure.cells() for figure in figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
