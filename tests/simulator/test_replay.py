"""The simulator answers what the real API code answered, in every recorded exchange of both versions."""

from pathlib import Path

import pytest

from puq_backups.simulator.recordings import replay

RECORDINGS = Path(__file__).parents[3] / "shared" / "pve"
SCENARIOS = sorted({file.stem for file in RECORDINGS.glob("*/*.json")})

pytestmark = pytest.mark.skipif(
    not SCENARIOS, reason="The recordings of Proxmox VE (../shared/pve beside the repository) are not here."
)


@pytest.fixture(scope="module")
def results():
    """All scenarios at once: they mostly wait."""
    return {(one.scenario, one.pve): one for one in replay.replay(RECORDINGS)}


@pytest.mark.parametrize("pve", ["9.2", "8.4"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_replay_answers_as_recorded(results, scenario, pve):
    result = results[scenario, pve]
    assert result.problems == []
    assert result.steps > 10


def test_replay_leaves_no_step_out(results):
    assert [one.left_out for one in results.values() if one.left_out] == []
    assert len(results) == 2 * len(SCENARIOS)


def test_replay_notices_a_different_answer():
    recorded = {"status": 200, "reason": "OK", "data": {"memory": "512", "digest": "0" * 40}}
    assert replay.differences(recorded, {**recorded, "data": {"memory": "512", "digest": "1" * 40}}) == []
    assert replay.differences(recorded, {**recorded, "data": {"memory": 512, "digest": "0" * 40}})
