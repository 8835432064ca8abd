"""The simulator answers what the real API code answered, in every recorded exchange of both versions.

The recordings lie in the folder that SIMULATOR_RECORDINGS names, else in shared/ beside the checkout.
"""

import os
from pathlib import Path

import pytest

from puq_backups.simulator.recordings import replay

RECORDINGS = Path(os.environ.get("SIMULATOR_RECORDINGS") or Path(__file__).parents[3] / "shared")
FILES = replay.recorded_files(RECORDINGS)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not FILES,
        reason="The recordings of Proxmox VE (SIMULATOR_RECORDINGS, or shared/ beside the checkout) are not here.",
    ),
]


@pytest.fixture(scope="module")
def results():
    """All scenarios at once: they mostly wait."""
    return {(one.pve, one.scenario): one for one in replay.replay(RECORDINGS)}


@pytest.mark.parametrize(("pve", "scenario"), [(file.parent.name, file.stem) for file in FILES])
def test_replay_answers_as_recorded(results, pve, scenario):
    result = results[pve, scenario]
    assert result.problems == []
    assert result.steps > 10


def test_replay_leaves_no_step_out(results):
    assert [one.left_out for one in results.values() if one.left_out] == []
    assert len(results) == len(FILES)


def test_replay_notices_a_different_answer():
    recorded = {"status": 200, "reason": "OK", "data": {"memory": "512", "digest": "0" * 40}}
    assert replay.differences(recorded, {**recorded, "data": {"memory": "512", "digest": "1" * 40}}) == []
    assert replay.differences(recorded, {**recorded, "data": {"memory": 512, "digest": "0" * 40}})
