"""How a run begins: two services, their schedules and their first backups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from puq_backups.clock import periodic

from . import actions, clock_and_worker, foreign_archives

if TYPE_CHECKING:
    from .run import Run


@dataclass
class Tenant:
    """A service and its client, with the package as it was last ordered."""

    id: str
    vmid: int
    client: str
    package: dict[str, Any]


def register(run: Run) -> None:
    """Register the services, most of them by CreateAccount, and let their first backups be made."""
    for number, vmid in enumerate(run.rng.sample((100, 101, 103), 2), 1):
        package = {
            "backups": run.rng.choice(actions.QUOTAS), "rotation": run.rng.choice(("before", "before", "after")),
            "storage": run.rng.choice(actions.STORAGES), "template": 9000,
        }  # fmt: skip
        tenant = Tenant(str(number), vmid, f"client{number}", package)
        run.tenants.append(tenant)
        run.record.quotas[tenant.id] = [int(package["backups"])]
        _take_over(run, tenant) if run.rng.random() < 0.3 else _create(run, tenant)
        actions.save_schedule(run, tenant)
    periodic.sync_all(run.world.context)
    # Most of what can be lost is there from the beginning.
    clock_and_worker.live(run, run.rng.choice((12, 24, 36)) * 3600)


def _create(run: Run, tenant: Tenant) -> None:
    answer = run.host("CreateAccount", tenant)
    assert answer == "success", answer


def _take_over(run: Run, tenant: Tenant) -> None:
    """The service comes by an import, with archives that are older than all of ours."""
    for _ in range(run.rng.choice((1, 2, 4))):
        foreign_archives.back_up_by_hand(run, tenant)
        run.clock.advance(3600)
    answer = foreign_archives.import_archives(run, tenant)
    assert answer == "new", answer
