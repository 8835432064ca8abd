"""Pages of the billing application: sign-in, services, the page of a service, mails."""

from collections.abc import Callable

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from proxmoxer import ResourceException
from requests import RequestException

from puq_backups import Refused

from . import mails, vms
from .host import STAFF, backups, params_of
from .models import Client, Service, db
from .packages import PACKAGES
from .tips import tip

shop = Blueprint("shop", __name__)

ACTIONS: dict[str, tuple[Callable[[Service], None], str]] = {
    "start": (vms.start, "{name} is running."),
    "stop": (vms.stop, "{name} is stopped."),
    "package": (
        lambda service: vms.change_package(service, request.form["package"]),
        "{name} is changed; a running machine takes it over at its next start.",
    ),
}


LANGUAGES = {"en": "English", "de": "Deutsch", "pl": "Polski", "ar": "العربية"}


@shop.app_context_processor
def everywhere() -> dict[str, object]:
    """Variables of the frame of every page: who is signed in, and a suggestion of what to try."""
    who = session.get("who")
    client = db.session.get(Client, who) if who and who != STAFF else None
    return {"me": client, "staff": who == STAFF, "tip": tip()}


@shop.get("/")
def home() -> ResponseReturnValue:
    """List the services of who is signed in; without anybody, the choice of a customer."""
    who = session.get("who")
    if who is None:
        return render_template("demo/sign_in.html", clients=db.session.query(Client).all())
    services = db.session.query(Service).order_by(Service.id)
    mine = services if who == STAFF else services.filter_by(client_id=who)
    return render_template("demo/services.html", services=mine.all(), packages=PACKAGES, languages=LANGUAGES)


@shop.post("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Sign in without a password, which a real application would ask for."""
    who = request.form["who"]
    session["who"] = STAFF if who == STAFF else db.get_or_404(Client, int(who)).id
    return redirect(url_for(".home"), 303)


@shop.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """Sign out."""
    session.clear()
    return redirect(url_for(".home"), 303)


@shop.post("/language")
def language() -> ResponseReturnValue:
    """Save the client's language, and report it to puq-backups, whose mails use it from then on."""
    who = session.get("who")
    if who in {None, STAFF} or request.form.get("language") not in LANGUAGES:
        abort(400)
    db.get_or_404(Client, who).language = request.form["language"]
    db.session.commit()
    for service in db.session.query(Service).filter_by(client_id=who):
        backups.call("ChangePackage", params_of(service))
    return redirect(url_for(".home"), 303)


@shop.get("/services/<int:service_id>/")
def product(service_id: int) -> ResponseReturnValue:
    """Show a service with its status and actions."""
    service = mine(service_id)
    reason = backups.lock_reason(service.id)
    return render_template(
        "demo/product.html", service=service, status=seen_status(service), reason=reason, packages=PACKAGES
    )


@shop.post("/services/<int:service_id>/<any(start, stop, package):action>")
def act(service_id: int, action: str) -> ResponseReturnValue:
    """Start, stop, or change the package."""
    service = mine(service_id)
    if action == "package" and request.form.get("package") not in PACKAGES:
        abort(400)
    do, said = ACTIONS[action]
    try:
        do(service)
    except (Refused, vms.TaskFailed) as error:
        flash(str(error), "bad")
    except (ResourceException, RequestException) as error:
        flash(f"Proxmox says: {getattr(error, 'content', '') or error}", "bad")
    else:
        flash(said.format(name=service.name), "good")
    return redirect(url_for(".product", service_id=service.id), 303)


@shop.get("/mails")
def mail_list() -> ResponseReturnValue:
    """List the mails that the demo sent, newest first."""
    return render_template("demo/mails.html", mails=mails.all_mails())


@shop.get("/mails/<int:mail_id>.html")
def mail_html(mail_id: int) -> ResponseReturnValue:
    """Return the HTML part of a mail as a page in which no script runs."""
    path = mails.folder() / f"{mail_id}.eml"
    if not path.is_file():
        abort(404)
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
    return Response(mails.read(path).html, headers={"Content-Security-Policy": policy})


def mine(service_id: int) -> Service:
    """Return the service if it belongs to who is signed in; abort with 404 otherwise."""
    service, who = db.get_or_404(Service, service_id), session.get("who")
    if who not in (STAFF, service.client_id):
        abort(404)
    return service


def seen_status(service: Service) -> str:
    """Return the VM's status, or "unknown" while Proxmox does not answer."""
    try:
        return vms.status(service)
    except (ResourceException, RequestException):
        return "unknown"
