"""What hooks add to the page: a menu beside it, and pieces below it."""

from __future__ import annotations

import logging
from typing import Any

from ..context import Context
from ..hook_registry.menus import Menu
from ..host import Actor

log = logging.getLogger("puq_backups.web")


def extras(context: Context, service: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """`menu` and `outputs` for the page. An output is a text, escaped like any other, or `markupsafe.Markup`."""
    menu, given = Menu(), {"service": dict(service), "actor": actor}
    context.hooks.run("ClientAreaPrimarySidebar", menu=menu, **given)
    outputs = context.hooks.run("ClientAreaProductDetailsOutput", **given)
    for output in outputs:
        if not isinstance(output, str):
            log.error("a hook at ClientAreaProductDetailsOutput answered %s, not a text", type(output).__name__)
    return {"menu": menu, "outputs": [output for output in outputs if isinstance(output, str)]}
