"""Module function ClientArea: template and variables of the client's page."""

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
    "undo": "UndoRemove", "delete": "DeleteBackup", "release": "ReleaseBackup",
    "keep": "KeepBackup", "note": "EditNote",
    "reinstall": "Reinstall", "cancel": "CancelOperation", "retry": "RetryRestore", "back": "BackToBefore",
}  # fmt: skip
"""The module function behind each action of the page."""


@module_function
def ClientArea(context: Context, params: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """Return template and variables of a service's Backups page. Makes no Proxmox call.

    `kind` filters the list of backups, `page` selects 25 of it, from 1 ("all": the whole list).
    """
    with context.database.open() as session:
        service = session.get_one(Service, service_id(params))
        found = page.facts(session, context, service, actor, params)
    found["timezones"] = sorted(wall_time.zones())
    _disable_buttons_not_offered(found, dispatch.offered_functions(context, actor))
    for point in ("ClientAreaPage", "ClientAreaPageProductDetails"):
        for answer in context.hooks.run_for_dicts(point, vars=dict(found)):
            found.update(answer)
    return {"templatefile": TEMPLATE, "vars": found}


def _disable_buttons_not_offered(found: dict[str, Any], offered: set[str]) -> None:
    """Set the reason on buttons whose function the host removed from the button arrays."""
    missing = [action for action, function in BUTTONS.items() if function not in offered]
    for reasons in (found["may"], *(backup["reason_against"] for backup in _backups(found))):
        reasons.update((action, dispatch.NOT_OFFERED) for action in missing if action in reasons)


def _backups(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the backups that the page has buttons for: those listed, and those that the next runs remove."""
    return [*found["backups"], *(backup for run in found["runs"] for backup in run["removes"])]
