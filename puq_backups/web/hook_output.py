"""Output of hooks on the client's page: the sidebar menu and pieces below the page."""

from __future__ import annotations

import logging
from typing import Any

from ..context import Context
from ..hook_registry.menus import Menu
from ..host import Actor

log = logging.getLogger("puq_backups.web")


def hook_output(context: Context, service: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """Run the page's hooks and return `menu` and `outputs`. An output is a str (escaped) or `markupsafe.Markup`."""
    menu, given = Menu(), {"service": dict(service), "actor": actor}
    context.hooks.run("ClientAreaPrimarySidebar", menu=menu, **given)
    outputs = context.hooks.run("ClientAreaProductDetailsOutput", **given)
    for output in outputs:
        if not isinstance(output, str):
            log.error("a hook of ClientAreaProductDetailsOutput returned %s instead of str", type(output).__name__)
    return {"menu": menu, "outputs": [output for output in outputs if isinstance(output, str)]}
