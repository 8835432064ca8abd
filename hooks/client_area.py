"""The client's page: which template, and what it is given."""

from collections.abc import Mapping
from typing import Any

from puq_backups.accounts.params import service_id
from puq_backups.client_area import page
from puq_backups.context import Context
from puq_backups.hook_registry.decorators import module_function
from puq_backups.host import Actor
from puq_backups.models import Service
from puq_backups.rules import wall_time
from puq_backups.whmcs import dispatch

TEMPLATE = "puq_backups/client/backups.html"
BUTTONS = {
    "create": "BackupNow", "schedule": "SaveSchedule", "restore": "RestoreBackup", "remove": "RemoveBackup",
    "keep": "KeepBackup", "note": "EditNote", "reinstall": "Reinstall", "cancel": "CancelOperation",
    "retry": "RetryRestore", "back": "BackToBefore",
}  # fmt: skip
"""The function behind each action that the page asks reasons for."""


@module_function
def ClientArea(context: Context, params: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """The Backups page of a service as template and variables; no Proxmox call."""
    with context.database.open() as session:
        service = session.get_one(Service, service_id(params))
        found = page.facts(session, context, service, actor)
    found["timezones"] = sorted(wall_time.zones())
    _grey_what_is_not_offered(found, dispatch.offered(context, actor))
    for point in ("ClientAreaPage", "ClientAreaPageProductDetails"):
        for answer in context.hooks.run_for_dicts(point, vars=dict(found)):
            found.update(answer)
    return {"templatefile": TEMPLATE, "vars": found}


def _grey_what_is_not_offered(found: dict[str, Any], offered: set[str]) -> None:
    """Give the reason beside each button whose function a host has taken out of the lists."""
    missing = [action for action, function in BUTTONS.items() if function not in offered]
    for reasons in (found["may"], *(backup["reason_against"] for backup in found["backups"])):
        reasons.update((action, dispatch.NOT_OFFERED) for action in missing if action in reasons)
