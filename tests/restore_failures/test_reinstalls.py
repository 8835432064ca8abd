"""Each case of reinstalls.py ends as the table says; see selection.py for which are played."""

from __future__ import annotations

import pytest

from . import reinstalls
from .prepared_world import PreparedWorld
from .runner import ends_as_it_must
from .selection import Play, plays


@pytest.mark.slow
@pytest.mark.parametrize("play", plays(reinstalls.CASES), ids=str)
def test_case(prepared: PreparedWorld, play: Play) -> None:
    ends_as_it_must(prepared, play.case, play.step, play.pve, play.killed, goes_on=play.goes_on)
