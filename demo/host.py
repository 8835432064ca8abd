"""The `Host` of the billing application, and the params that it passes to puq-backups."""

import os
from typing import Any
from urllib.parse import urlsplit

from flask import session

from puq_backups import Actor, Backups

from .models import Client, Service, db
from .packages import COMMON, PACKAGES

backups = Backups()

STAFF = "staff"


class BillingHost:
    """Tells puq-backups who is signed in, where a service's page is, and the params of a service."""

    def current_actor(self) -> Actor | None:
        """Return who is signed in, or None."""
        who = session.get("who")
        if who == STAFF:
            return Actor(is_staff=True, name="Sam Support")
        client = db.session.get(Client, who) if who else None
        if client is None:
            return None
        return Actor(client_id=client.id, name=client.name, locale=client.language, timezone=client.timezone)

    def service_url(self, service_id: str) -> str:
        """Return the full URL of our page of a service. Workers call this for mails, outside any request."""
        return f"{os.environ['DEMO_ADDRESS']}/services/{service_id}/"

    def service_params(self, service_id: str) -> dict[str, Any]:
        """Return the current params of a service."""
        return params_of(db.get_or_404(Service, int(service_id)))


def params_of(service: Service) -> dict[str, Any]:
    """Return a service as the params that WHMCS passes to a server module."""
    client = service.client
    return {
        "serviceid": service.id,
        "userid": client.id,
        "domain": service.name,
        # A merge field for mails that only the billing application knows.
        "service_product_name": service.package,
        **server_params(),
        **product_params(service.package),
        "configoptions": {},
        "customfields": {"vmid": service.vmid},
        "clientsdetails": {
            "firstname": client.firstname,
            "lastname": client.lastname,
            "companyname": client.company,
            "email": client.email,
            "language": client.language,
            "timezone": client.timezone,
        },
    }


def server_params() -> dict[str, Any]:
    """Return address, API token and certificate fingerprint of the Proxmox server."""
    url = urlsplit(os.environ["DEMO_PROXMOX_URL"])
    return {
        "serverhostname": url.hostname,
        "serverport": url.port,
        "serverusername": os.environ["DEMO_PROXMOX_TOKEN"],
        "serverpassword": os.environ["DEMO_PROXMOX_SECRET"],
        "serversecure": True,
        "serveraccesshash": os.environ["DEMO_PROXMOX_FINGERPRINT"],
    }


def product_params(package: str) -> dict[str, Any]:
    """Return the product settings of a package by position: `configoption1` and so on."""
    chosen = {**COMMON, **PACKAGES[package]}
    names = backups.call("ConfigOptions", {})
    return {f"configoption{position}": chosen.get(name, "") for position, name in enumerate(names, 1)}
