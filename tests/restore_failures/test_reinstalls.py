"""Each case of reinstalls.py ends as the table says; see choosing.py for which are played."""

from __future__ import annotations

import pytest

from . import reinstalls
from .choosing import Play, plays
from .playing import ends_as_it_must
from .stage import Stage


@pytest.mark.slow
@pytest.mark.parametrize("play", plays(reinstalls.CASES), ids=str)
def test_case(stage: Stage, play: Play) -> None:
    ends_as_it_must(stage, play.case, play.step, play.pve, play.killed, goes_on=play.goes_on)
