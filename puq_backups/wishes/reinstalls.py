"""The wish to have the VM reinstalled."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from .. import host as hosts
from .. import inventory
from ..errors import BackupsError, BadInput, Refused
from ..host import Actor
from ..models import Service, database_now
from ..operations import engine, leases
from ..toolbox import Toolbox
from . import asking

log = logging.getLogger("puq_backups.wishes")
REINSTALL_LEASE = timedelta(hours=1)


def reinstall(toolbox: Toolbox, service_id: str, actor: Actor, confirm: Any) -> None:
    """Have the host reinstall the VM after a failed restore, confirmed by the word REINSTALL.

    The service is held by a lease meanwhile, so that a second click finds it taken.
    """
    asking.allow("reinstall", actor)
    owner = leases.new_owner()
    with toolbox.database.begin() as session:
        service = asking.locked(session, service_id)
        asking.check("reinstall", inventory.standing(session, service), actor)
        if str(confirm or "").strip() != "REINSTALL":
            raise BadInput("confirm", "Type the word REINSTALL to confirm.")
        clock = database_now(session)
        if leases.holds(service.action_owner, service.action_until, clock):
            raise Refused("Another action on this virtual machine is running.")
        service.action_owner, service.action_until = owner, clock + REINSTALL_LEASE
        engine.audit(session, service_id, None, "reinstall", f"asked for by {actor.title}")
    done = False
    try:
        done = _reinstall(toolbox, service)
    finally:
        with toolbox.database.begin() as session:
            service = asking.locked(session, service_id)
            service.restore_failed = None if done else service.restore_failed
            if service.action_owner == owner:
                service.action_owner = service.action_until = None


def _reinstall(toolbox: Toolbox, service: Service) -> bool:
    try:
        done = hosts.reinstall(toolbox.host, service)
    except BackupsError:
        raise
    except Exception as error:
        log.exception("the host's reinstall of service %s failed", service.id)
        raise Refused("The reinstallation failed. Please ask the provider's support.") from error
    if not done:
        raise Refused("Reinstalling is not set up here. Please ask the provider's support.")
    return done
