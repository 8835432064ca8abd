"""The page in docs/ names every fault, and no other."""

import re
from pathlib import Path

from puq_backups.simulator.faults.registry import CONTROLS

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"


def test_docs_name_every_fault():
    table = PAGE.read_text().split("## Conditions and faults")[1].split("## What it is not")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(name for row in rows for name in re.findall(r"`([a-z-]+)`", row)) == sorted(CONTROLS)
