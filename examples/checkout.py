"""What every example sells: one VM of a Proxmox server that the environment names. A host has tables for this."""

from __future__ import annotations

import os
from typing import Any

import click
from flask.cli import with_appcontext

from puq_backups import Backups


def params(service_id: str, client_id: str, vmid: int, email: str) -> dict[str, Any]:
    """Return a service in the shape in which a WHMCS server module gets it: see docs/module-functions.md."""
    return {
        "serviceid": service_id,
        "userid": client_id,
        "domain": f"server{service_id}.example.com",
        "serverhostname": os.environ["PROXMOX_HOST"],
        "serverport": os.environ["PROXMOX_PORT"],
        "serverusername": os.environ["PROXMOX_TOKEN"],
        "serverpassword": os.environ["PROXMOX_SECRET"],
        "serveraccesshash": os.environ["PROXMOX_FINGERPRINT"],
        "configoption1": 3,
        "configoption2": "local",
        "configoption22": "Backup restored",
        "configoptions": {},
        "customfields": {"vmid": vmid},
        "clientsdetails": {"firstname": client_id.title(), "email": email, "language": "english"},
    }


def order_command(backups: Backups) -> click.Command:
    """Return `flask order`, which does what a checkout does once a VM is there: it registers the service."""

    @click.command("order")
    @click.argument("service_id")
    @click.argument("client_id")
    @click.argument("vmid", type=int)
    @click.argument("email")
    @with_appcontext
    def order(service_id: str, client_id: str, vmid: int, email: str) -> None:
        """Register a VM as the service of a client."""
        answer = backups.call("CreateAccount", params(service_id, client_id, vmid, email))
        if answer != "success":
            raise click.ClickException(answer)
        click.echo(f"Service {service_id} has backups.")

    return order
