"""Takes over services and their existing archives, one service after the other. May be repeated: it goes on.

Imported archives are shown, restorable and removable, but neither count toward the quota nor are rotated until they
are released.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from ..accounts import params as given
from ..accounts import register
from ..clock import slots
from ..context import Context
from ..errors import BackupsError, BadInput, Message, Refused
from ..inventory import run_decision, service_backups
from ..models import Service, now
from ..models.audit_log import audit
from ..models.conflicts import is_conflict, repeated
from ..pve.client import Access
from ..rules.schedule import Schedule, read_form
from ..rules.wall_time import DAYS_PER_WEEK
from . import foreign_archives
from .import_cluster import Cluster, Located

ACTOR = "import"
TAKEN = Message("The virtual machine or an archive belongs to another service by now. Run the import again.")
BUSY = Message("The database was busy or away. Run the import again.")


@dataclass
class Result:
    """What an import did, or would do, with one service.

    `state`: new, known (registered before) or refused. `imported` archives are taken over, `recorded` ones were known
    before, `others` hold another machine or do not say which. `first_run` says what its next scheduled run will do.
    """

    service_id: str
    vmid: str = ""
    name: str = ""
    state: str = "refused"
    reason: Message | None = None
    imported: int = 0
    recorded: int = 0
    others: int = 0
    first_run: str = ""


class Import:
    """One run. Without `write` nothing is stored. `daily` ("HH:MM" or "") is the schedule of services without one.

    `trouble` holds what could not be read of the clusters.
    """

    def __init__(self, context: Context, *, write: bool, daily: str = "") -> None:
        if daily and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", daily):
            raise BadInput("daily", "{value} is not a time of day; write it as HH:MM.", value=daily)
        self.context, self.write, self.daily = context, write, daily
        self.trouble: list[Message] = []
        self._clusters: dict[Access, Cluster | BackupsError] = {}
        self._vms: dict[tuple[Access, int], str] = {}

    def run(self, services: Iterable[Mapping[str, Any]]) -> Iterator[Result]:
        """Import services one by one, given by their params for CreateAccount, and yield what came of each."""
        for params in services:
            result = Result(str(params.get("serviceid") or "?"))
            try:
                repeated(self._import)(params, result)
            except BackupsError as error:
                result.state, result.reason = "refused", error.message
            except IntegrityError:
                result.state, result.reason = "refused", TAKEN
            except SQLAlchemyError as error:
                if not is_conflict(error):
                    raise
                result.state, result.reason = "refused", BUSY
            yield result

    def _import(self, params: Mapping[str, Any], result: Result) -> None:
        key, client_id, vmid = given.service_id(params), given.client_id(params), given.vmid(params)
        result.vmid = str(vmid)
        access = register.check(self.context, params)
        cluster = self._cluster(access, key)
        if self._vms.setdefault((access, vmid), key) != key:
            # The database would say so; in a dry run nothing is stored.
            raise Refused(TAKEN.text)
        known = self._known(cluster, key, client_id, vmid)
        machine = None if known else cluster.machine(vmid)
        identity = machine.identity if machine else known.vm_identity if known else ""
        on = cluster.same[0] if cluster.same else ""
        probe = known or Service(id=key, client_id=client_id, vmid=vmid, server_id=on)
        archives = self._confirm(cluster, probe, identity, result)
        result.state = "known" if known else "new"
        with self.context.database.open() as session:
            if machine:
                service = register.write(session, self.context, params, cluster.access, cluster.same, machine)
            else:
                service = session.get_one(Service, key)
            self._store(session, service, archives, result)
            # Committed or rolled back: a dry run does all the rest as well.
            session.commit() if self.write else session.rollback()

    def _cluster(self, access: Access, service_id: str) -> Cluster:
        if access not in self._clusters:
            try:
                found = self._clusters[access] = Cluster(self.context, access, service_id)
                self.trouble += found.trouble
            except BackupsError as error:
                self._clusters[access] = error
        cluster = self._clusters[access]
        if isinstance(cluster, BackupsError):
            raise cluster
        return cluster

    def _known(self, cluster: Cluster, key: str, client_id: str, vmid: int) -> Service | None:
        """The service if it is registered with this VM and client. Raises Refused if it is with another."""
        with self.context.database.open() as session:
            service = session.get(Service, key)
        if service is None:
            return None
        if (service.client_id, service.vmid) != (client_id, vmid) or service.server_id not in cluster.same:
            raise Refused("It is registered with another client or virtual machine: CreateAccount changes that.")
        if service.status == "terminated":
            raise Refused("The service is terminated.")
        return service

    def _confirm(
        self, cluster: Cluster, service: Service, identity: str, result: Result
    ) -> list[tuple[foreign_archives.ForeignArchive, Located, int]]:
        """The archives with the service's VMID that hold its machine, each with its number of disks."""
        located = {one.archive.volid: one for one in cluster.archives.get(service.vmid, ())}
        with self.context.database.open() as session:
            unowned = foreign_archives.unowned(session, service, [one.archive for one in located.values()])
        result.recorded, result.others = len(located) - len(unowned), 0
        confirmed = []
        for found in unowned:
            where = located[found.archive.volid]
            disks = None if found.against or found.hidden else cluster.disks_of(where, identity)
            if disks is None:
                result.others += 1
            else:
                confirmed.append((found, where, disks))
        return confirmed

    def _store(
        self, session: Session, service: Service,
        confirmed: list[tuple[foreign_archives.ForeignArchive, Located, int]], result: Result,
    ) -> None:  # fmt: skip
        for found, where, disks in confirmed:
            foreign_archives.record(session, service, found, where.holder, disks, "imported")
        result.imported, result.name = len(confirmed), service.vm_name
        planned = any(day.enabled for day in Schedule.from_json(service.schedule).days)
        if self.daily and not planned:
            self._plan_daily(session, service)
        if confirmed or result.state == "new":
            said = f"VM {service.vmid} on {service.node}, {len(confirmed)} archives"
            audit(session, service.id, None, "import", said, actor=ACTOR)
        session.flush()
        result.first_run = self._first_run(session, service)

    def _plan_daily(self, session: Session, service: Service) -> None:
        form = {
            f"{name}_{day}": value
            for day in range(DAYS_PER_WEEK)
            for name, value in (("day", "1"), ("time", self.daily))
        }
        zone = Schedule.from_json(service.schedule).timezone
        service.schedule = read_form(form, default_timezone=zone).to_json()
        slots.plan_next(session, service, now())

    def _first_run(self, session: Session, service: Service) -> str:
        inventory = service_backups.load_inventory(session, service)
        decided = run_decision.decide_run(self.context.settings, inventory, service.next_run_date)
        if decided.outcome == "none" or service.next_run_at is None:
            return f"none: {decided.reason}"
        at = f"{service.next_run_at:%Y-%m-%d %H:%M} UTC"
        if decided.outcome != "runs":
            return f"{at}: {decided.outcome}: {decided.reason}"
        return f"{at}: makes 1 backup, removes {len(decided.removes)}"
