"""The client's page: which template, and what it is given."""

from collections.abc import Mapping
from typing import Any

from puq_backups import accounts, overview, schedules
from puq_backups.hooking import module_function
from puq_backups.host import Actor
from puq_backups.models import Service
from puq_backups.toolbox import Toolbox

TEMPLATE = "puq_backups/client/backups.html"


@module_function
def ClientArea(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """The Backups page of a service as template and variables; no Proxmox call."""
    with toolbox.database.open() as session:
        service = session.get_one(Service, accounts.service_id(params))
        found = overview.facts(session, toolbox, service, actor)
    found["timezones"] = sorted(schedules.zones())
    for answer in toolbox.hooks.ask("ClientAreaPage", vars=dict(found)):
        found.update(answer)
    return {"templatefile": TEMPLATE, "vars": found}
