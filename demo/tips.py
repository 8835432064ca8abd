"""Suggestions of what to try, one line for each page of the demo."""

from flask import request

from .machines import MACHINES
from .models import Service, db

BY_ENDPOINT = {
    "shop.home": "Open Backups of a server. Clara Clark has a month of history; Sam Support has the staff pages.",
    "shop.mail_list": "Restore a backup, come back here, and read the mail in the language of the customer.",
    "puq_backups_admin.overview": "Open the failed restore or the unprotected server, and repair it from its page.",
    "puq_backups_admin.services": "Filter by trouble, or search for a customer, a VM number or a name.",
    "puq_backups_admin.service": "Choose “Look now”: it asks Proxmox what the machine is doing.",
    "puq_backups_admin.page": "Make a backup for the customer, then find it in Activity under your own name.",
    "puq_backups_admin.servers": "Open the server and run the doctor: it tries the connection and every right.",
    "puq_backups_admin.activity": "Filter by a customer, then download the result as CSV.",
    "puq_backups_admin.emails": "Change the text of “Backup restored” and send yourself a test.",
    "puq_backups_admin.outbox": "Open a mail that was sent: the text is kept for support.",
}
OF_CUSTOMER = "Choose “Backup now”, press Start or Stop on the server's page meanwhile, and restore it afterwards."
OF_STAFF = "Every form here works for the customer too, and Activity says who did it."


def tip() -> str:
    """Return the suggestion for the requested page."""
    endpoint = request.endpoint or ""
    if endpoint in BY_ENDPOINT:
        return BY_ENDPOINT[endpoint]
    if endpoint.startswith("puq_backups_admin."):
        return OF_STAFF
    service_id = str((request.view_args or {}).get("service_id", ""))
    service = db.session.get(Service, int(service_id)) if service_id.isdecimal() else None
    return next((machine.tip for machine in MACHINES if service and machine.name == service.name), OF_CUSTOMER)
