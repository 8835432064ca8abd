"""Metrics for Prometheus, of the extra `metrics`: facts of the database, and the counters of all processes.

The facts are read at each scrape with a fixed number of queries. docs/monitoring.md describes each metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BackupsError
from ..models import ACTIVE_STATES, ENDED_STATES, Chore, Mail, Operation, Service, now
from ..shared_redis.counters import BUCKETS
from . import search

if TYPE_CHECKING:
    from prometheus_client import Metric

AGES = tuple(timedelta(hours=hours) for hours in (6, 12, 24, 48, 72, 168, 336, 720))
"""Upper limits of the classes by which the last good backups are counted."""
LATELY = timedelta(hours=1)
PROCESSES = {"tick": "clock", "worker": "worker", "daily": "daily"}
"""Name of a heartbeat in the database -> in the metric."""


class MetricsMissing(BackupsError):
    """Metrics need the package prometheus-client: pip install 'puq-backups[metrics]'."""


@dataclass
class Facts:
    """What one scrape reads from the database. Times are ages in seconds at the time of the scrape."""

    operations: dict[tuple[str, str], int] = field(default_factory=dict)
    oldest_waiting: float = 0.0
    ended: dict[tuple[str, str], int] = field(default_factory=dict)
    protection: dict[str, int] = field(default_factory=dict)
    last_good: list[int] = field(default_factory=list)
    """Number of services by AGES, each with those of the classes before it."""
    restores_failed: int = 0
    mails: dict[str, int] = field(default_factory=dict)
    oldest_mail: float = 0.0
    heartbeats: dict[str, float] = field(default_factory=dict)
    """Time of the last heartbeat, in seconds since 1970, by the names of PROCESSES."""


def exposition(context: Context) -> tuple[bytes, str]:
    """Return all metrics as text and its content type. Raises MetricsMissing without the extra `metrics`."""
    try:
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    except ImportError:
        raise MetricsMissing from None
    registry = CollectorRegistry()
    registry.register(_Collector(context))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Collector:
    def __init__(self, context: Context) -> None:
        self._context = context

    def describe(self) -> list[Metric]:
        """Nothing: Prometheus would otherwise collect at registration to learn the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the facts and counters of this moment."""
        facts = read_facts(self._context)
        yield _gauge("database_up", "Whether the database answers.", {(): facts is not None})
        if facts:
            yield from _fact_metrics(facts)
        counters = self._context.counters.read()
        yield _gauge("redis_up", "Whether Redis answers.", {(): counters is not None})
        yield from _counter_metrics(counters or {})


def read_facts(context: Context) -> Facts | None:
    """Read the facts in six queries; None if the database does not answer or its tables are not up to date."""
    try:
        with context.database.open() as session:
            facts = Facts(restores_failed=search.count(session, "restore_failed"))
            for read in (_operations, _services, _mails, _heartbeats):
                read(session, facts)
    except SQLAlchemyError:
        return None
    return facts


def _operations(session: Session, facts: Facts) -> None:
    kind, state, count = Operation.kind, Operation.state, func.count()
    active = select(kind, state, count, func.min(Operation.due_at)).where(state.in_(ACTIVE_STATES))
    for kind_, state_, number, oldest in session.execute(active.group_by(kind, state)):
        facts.operations[kind_, state_] = number
        if state_ == "waiting":
            facts.oldest_waiting = max(facts.oldest_waiting, _age(oldest))
    ended = select(kind, state, count).where(state.in_(ENDED_STATES), Operation.finished_at >= now() - LATELY)
    for kind_, state_, number in session.execute(ended.group_by(kind, state)):
        facts.ended[kind_, state_] = number


def _age(at: datetime) -> float:
    return max(0.0, (now() - at).total_seconds())


def _services(session: Session, facts: Facts) -> None:
    """Count the services that have not ended by protection and by age; an index holds all three columns."""
    at = now()
    younger = [func.sum(case((Service.last_good_at >= at - age, 1), else_=0)) for age in AGES]
    rows = select(Service.protection, func.count(), *younger).where(Service.status.in_(("active", "suspended")))
    for dialect in ("mysql", "mariadb"):
        # It prefers the whole table where most services match.
        rows = rows.with_hint(Service, "FORCE INDEX (ix_puq_backups_service_counted)", dialect)
    facts.last_good = [0] * (len(AGES) + 1)
    for protection, count, *by_age in session.execute(rows.group_by(Service.protection)):
        facts.protection[protection] = count
        facts.last_good = [before + int(more) for before, more in zip(facts.last_good, [*by_age, count], strict=True)]


def _mails(session: Session, facts: Facts) -> None:
    unsent = select(Mail.state, func.count(), func.min(Mail.created_at)).where(Mail.state.in_(("waiting", "sending")))
    for state, count, oldest in session.execute(unsent.group_by(Mail.state)):
        facts.mails[state] = count
        facts.oldest_mail = max(facts.oldest_mail, _age(oldest))


def _heartbeats(session: Session, facts: Facts) -> None:
    beats = select(Chore.name, Chore.last_run_at).where(Chore.name.in_(tuple(PROCESSES)))
    for name, at in session.execute(beats):
        if at:
            facts.heartbeats[PROCESSES[name]] = at.timestamp()


def _fact_metrics(facts: Facts) -> Iterator[Metric]:
    from prometheus_client.core import HistogramMetricFamily

    yield _gauge("operations", "Operations that wait or run.", facts.operations, "kind", "state")
    yield _gauge("oldest_waiting_seconds", "Age of the oldest waiting operation.", {(): facts.oldest_waiting})
    yield _gauge("operations_ended_last_hour", "Operations that ended.", facts.ended, "kind", "state")
    protection = {(state,): count for state, count in facts.protection.items()}
    yield _gauge("services", "Services by the state of their protection.", protection, "protection")
    yield _gauge("services_restore_failed", "Services whose restore failed.", {(): facts.restores_failed})
    limits = [*(str(float(age.total_seconds())) for age in AGES), "+Inf"]
    text = "Age of the last good backup of each service; +Inf counts those without one, too."
    buckets = list(zip(limits, map(float, facts.last_good), strict=True))
    yield HistogramMetricFamily("puq_backups_last_good_backup_age_seconds", text, buckets)
    mails = {(state,): facts.mails.get(state, 0) for state in ("waiting", "sending")}
    yield _gauge("mails", "Mails in the outbox that are not sent yet.", mails, "state")
    yield _gauge("oldest_mail_seconds", "Age of the oldest mail that is not sent yet.", {(): facts.oldest_mail})
    beats = {(name,): at for name, at in facts.heartbeats.items()}
    yield _gauge("heartbeat_timestamp_seconds", "Time of the last sign of life.", beats, "process")


def _gauge(name: str, text: str, values: Mapping[Any, float], *labels: str) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    found = GaugeMetricFamily(f"puq_backups_{name}", text, labels=labels)
    for label_values, value in values.items():
        found.add_metric(label_values, float(value))
    return found


def _counter_metrics(counters: dict[str, float]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    text = "Calls to Proxmox of all processes and how long they took."
    calls = HistogramMetricFamily("puq_backups_proxmox_call_seconds", text, labels=("method", "outcome"))
    limits = [str(limit) for limit in BUCKETS]
    for kind in sorted({name.rpartition(" ")[0] for name in counters if name.startswith("call ")}):
        if kind.count(" ") != 2:  # noqa: PLR2004 - "call METHOD outcome"
            continue
        total, buckets = 0.0, []
        for limit in (*limits, "inf"):
            total += counters.get(f"{kind} {limit}", 0.0)
            buckets.append((limit if limit != "inf" else "+Inf", total))
        calls.add_metric(kind.split(" ")[1:], buckets, counters.get(f"{kind} seconds", 0.0))
    yield calls
    mails = CounterMetricFamily("puq_backups_mail_attempts", "Attempts to send a mail.", labels=("outcome",))
    for name in sorted(name for name in counters if name.startswith("mail ")):
        mails.add_metric([name.removeprefix("mail ")], counters[name])
    yield mails
