"""Custom functions in WHMCS's own way: `modop=custom` and `a=<function>`, with the fields of the page's forms."""

from __future__ import annotations

from flask import Blueprint, g, request
from flask.typing import ResponseReturnValue

from ..context import Context
from ..errors import BadInput
from .client import asked, page


def add_routes(blueprint: Blueprint, context: Context) -> None:
    """Add POST `/custom` and POST `/` for every function that is offered, GET `/custom` for those that only show."""
    blueprint.add_url_rule("/custom", "custom", lambda service_id: show(context, service_id))
    for path, endpoint in (("/custom", "custom_do"), ("/", "custom_on_page")):
        blueprint.add_url_rule(path, endpoint, lambda service_id: do(context, service_id), methods=["POST"])


def do(context: Context, service_id: str) -> ResponseReturnValue:
    """Call what a form names."""
    return _dispatched(context, service_id, request.form.to_dict())


def show(context: Context, service_id: str) -> ResponseReturnValue:
    """Call what an address names, if it only shows something: a link must change nothing."""
    values = request.args.to_dict()
    g.puq_backups_csrf = None
    if values.get("a") in context.hooks.functions.keys() - context.hooks.pages:
        wrong = BadInput("a", "{function} is called by a form (POST), not by a link.", function=values["a"])
        return page(context, service_id, error=wrong)
    return _dispatched(context, service_id, values)


def _dispatched(context: Context, service_id: str, values: dict[str, str]) -> ResponseReturnValue:
    form = {name: value for name, value in values.items() if name not in {"modop", "a"}}
    if values.get("modop") != "custom":
        wrong = BadInput("modop", "modop must be custom, and a the name of a function.")
        return page(context, service_id, error=g.puq_backups_csrf or wrong, form=form)
    return asked(context, service_id, values.get("a", ""), form)
