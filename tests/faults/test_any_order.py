"""Whatever people, clock, host, staff and Proxmox do between any two steps and attempts: the rules hold.

Hypothesis chooses what happens and in which order, and shortens what breaks a rule. Unlike in a run of a seed, each
single step of an operation is a choice.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from faults import actions, clock_and_worker, injected_faults, outages, rules, run
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from support.thorough import THOROUGH

SEEDS = st.integers(0, 2**20)
EXAMPLES, STEPS = (300, 40) if THOROUGH else (4, 10)


class AnyOrder(RuleBasedStateMachine):
    """Two services; `seed` decides the details of what Hypothesis has chosen."""

    run: run.Run

    def __init__(self) -> None:
        super().__init__()
        self.stack, self.folder = ExitStack(), Path(tempfile.mkdtemp(prefix="puq-order-"))

    @initialize(seed=st.integers(0, 50))
    def begin(self, seed: int) -> None:
        """Register, and make the first backups."""
        self.run = self.stack.enter_context(run.begun(seed, self.folder))

    @rule(action=st.sampled_from(list(actions.ACTIONS)), seed=SEEDS)
    def ask(self, action: actions.Action, seed: int) -> None:
        """Somebody asks for something."""
        self.run.rng.seed(seed)
        run.do_something(self.run, action)

    @rule(fault=st.sampled_from([*injected_faults.FAULTS, *outages.OUTAGES]), seed=SEEDS)
    def break_something(self, fault: Any, seed: int) -> None:
        """Something goes wrong."""
        self.run.rng.seed(seed)
        fault(self.run)

    @rule(seconds=st.sampled_from([0, 1, 20, 300]))
    def step(self, seconds: int) -> None:
        """One step of what runs, and a little time."""
        clock_and_worker.step(self.run)
        self.run.clock.advance(seconds)

    @rule()
    def tick(self) -> None:
        """One tick."""
        clock_and_worker.survive(self.run, clock_and_worker.clock)

    @rule(boundary=st.integers(1, 60))
    def kill(self, boundary: int) -> None:
        """Whatever process reaches this boundary next is killed there."""
        self.run.boundaries.kill_in = boundary

    @rule(hours=st.sampled_from([1, 6, 13, 25]))
    def live(self, hours: int) -> None:
        """Clock and worker run on."""
        clock_and_worker.live(self.run, hours * 3600)

    def teardown(self) -> None:
        """Let all come to rest, and check the rules."""
        try:
            if hasattr(self, "run"):
                run.come_to_rest(self.run)
                found = rules.broken(self.run.record)
                assert found == [], "\n".join(found)
        finally:
            self.stack.close()
            shutil.rmtree(self.folder, ignore_errors=True)


@pytest.mark.slow
def test_rules_hold_whatever_happens_in_any_order() -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # as Hypothesis has it
        AnyOrder,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None, derandomize=not THOROUGH,
            suppress_health_check=checks, print_blob=True,
        ),
    )  # fmt: skip
