"""Alert rules, dashboard and documentation name the metrics that there are, with labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from support import world as worlds
from support.services import ROOT, Mailbox

from puq_backups.clock import chores
from puq_backups.models import PROTECTION
from puq_backups.shared_redis.counters import CALL_OUTCOMES, MAIL_OUTCOMES
from puq_backups.simulator import Simulator
from puq_backups.staff import metrics

from .metrics_helpers import TOKEN, samples


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str, mailbox: Mailbox) -> Iterator[worlds.World]:
    found = worlds.make(
        proxmox, database_url, redis_url, metrics_token=TOKEN, smtp_url=mailbox.url, mail_from="a@b.example",
        staff_email="staff@b.example",
    )  # fmt: skip
    found.register()
    yield found
    found.context.database.engine.dispose()


def named_in(expression: str) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """The metrics of an expression, each with the labels and values that it is matched by."""
    found = set()
    for name, matchers in re.findall(r"puq_backups_(\w+)(?:\{([^}]*)\})?", expression):
        pairs = re.findall(r'(\w+)(?:=|=~|!=)"([^"]*)"', matchers)
        found.add((name, frozenset((label, one) for label, values in pairs for one in values.split("|"))))
    return found


def expressions() -> list[str]:
    folder = ROOT / "deploy" / "monitoring"
    rules = [
        rule for group in yaml.safe_load((folder / "alerts.yml").read_text())["groups"] for rule in group["rules"]
    ]
    panels = json.loads((folder / "grafana-dashboard.json").read_text())["panels"]
    assert all({"summary", "description"} == set(rule["annotations"]) for rule in rules)
    assert all(rule["expr"].count("(") == rule["expr"].count(")") for rule in rules)
    return [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in panel["targets"]]


VALUES = {
    "process": set(metrics.PROCESSES.values()), "protection": set(PROTECTION),
    "outcome": {*CALL_OUTCOMES, *MAIL_OUTCOMES},
    "state": {"waiting", "running", "stuck", "failed", "missed", "done"},
}  # fmt: skip


def test_alerts_and_dashboard_use_only_metrics_that_exist(world: worlds.World) -> None:
    for name in ("tick", "worker", "daily"):
        chores.record_heartbeat(world.context, name)
    world.context.counters.count_mail("failed")
    world.back_up()
    world.call("BackupNow")
    found = samples(world)
    labels = {name: {label for one, pairs in found if one == name for label, _ in pairs} for name, _ in found}
    limits = {value_ for _, pairs in found for label, value_ in pairs if label == "le"}

    wanted = [one for expression in expressions() for one in named_in(expression)]

    assert len(wanted) > 25
    for name, pairs in wanted:
        assert name in labels, name
        for label, one in pairs:
            assert label in labels[name], (name, label)
            assert one in VALUES.get(label, limits), (name, label, one)
    described = (ROOT / "docs" / "monitoring.md").read_text().partition("## Metrics")[2]
    assert {name for name, _ in wanted} <= set(labels)
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in labels}
    assert families == set(re.findall(r"^\| `puq_backups_(\w+)`", described, re.MULTILINE))
    world.drain()
