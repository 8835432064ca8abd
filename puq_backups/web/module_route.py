"""WHMCS-style route to custom functions: `modop=custom` and `a=<function>`, with the form fields of the page."""

from __future__ import annotations

from flask import Blueprint, g, request
from flask.typing import ResponseReturnValue

from ..context import Context
from ..errors import BadInput
from .client import call_function, page


def add_routes(blueprint: Blueprint, context: Context) -> None:
    """Add POST `/custom` and POST `/` for all offered functions, GET `/custom` for page functions."""
    blueprint.add_url_rule("/custom", "custom", lambda service_id: get(context, service_id))
    for path, endpoint in (("/custom", "custom_do"), ("/", "custom_on_page")):
        blueprint.add_url_rule(path, endpoint, lambda service_id: post(context, service_id), methods=["POST"])


def post(context: Context, service_id: str) -> ResponseReturnValue:
    """Call the function named by the form."""
    return _call_named(context, service_id, request.form.to_dict())


def get(context: Context, service_id: str) -> ResponseReturnValue:
    """Call the function named in the query. BadInput unless it is a page function: a GET must not change anything."""
    values = request.args.to_dict()
    g.puq_backups_csrf_error = None
    if values.get("a") in context.hooks.functions.keys() - context.hooks.pages:
        wrong = BadInput("a", "{function} is called by a form (POST), not by a link.", function=values["a"])
        return page(context, service_id, error=wrong)
    return _call_named(context, service_id, values)


def _call_named(context: Context, service_id: str, values: dict[str, str]) -> ResponseReturnValue:
    form = {name: value for name, value in values.items() if name not in {"modop", "a"}}
    if values.get("modop") != "custom":
        wrong = BadInput("modop", "modop must be custom, and a the name of a function.")
        return page(context, service_id, error=g.puq_backups_csrf_error or wrong, form=form)
    return call_function(context, service_id, values.get("a", ""), form)
