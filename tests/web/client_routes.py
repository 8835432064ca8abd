"""The addresses of the client's pages, with the form that each takes and the right it needs."""

from __future__ import annotations

from collections.abc import Iterator

from support import world as worlds

from puq_backups import Actor

from .client_pages import ClientPages

PREFIX = "/services/<service_id>/backups"
FORM = {
    "confirm": "web100", "kept": "1", "note": "a note", "time_1": "03:00", "day_1": "1", "timezone": "UTC",
}  # fmt: skip
RIGHTS = {
    "/schedule": "schedule", "/create": "create", "/<backup_id>/restore": "restore", "/<backup_id>/remove": "remove",
    "/<backup_id>/undo": "remove", "/<backup_id>/delete": "remove", "/<backup_id>/release": "remove",
    "/<backup_id>/note": "create", "/<backup_id>/keep": "keep", "/reinstall": "restore",
    "/operations/<operation_id>/retry": "restore", "/operations/<operation_id>/back": "restore",
    "/operations/<operation_id>/cancel": "create",
}  # fmt: skip


def routes(
    pages: ClientPages, backup: str, operation: str, *, custom: bool = False
) -> Iterator[tuple[str, str, str]]:  # fmt: skip
    """(method, path below the prefix, that path with ids) of every page there is; with `custom` also of those that
    call what their fields name (test_custom_functions.py). Addresses of forms that lead to the page are left out.
    """
    for rule in pages.world.app.url_map.iter_rules():
        ours = rule.endpoint.startswith("puq_backups.") and ".reload_" not in rule.endpoint
        if ours and (custom or ".custom" not in rule.endpoint):
            path = rule.rule.removeprefix(PREFIX)
            method = "POST" if "POST" in (rule.methods or ()) else "GET"
            yield method, path, path.replace("<backup_id>", backup).replace("<operation_id>", operation)


def ids(world: worlds.World, service_id: str) -> tuple[str, str]:
    return world.held(service_id)[0].id, world.operations(service_id)[0].id


def ask(pages: ClientPages, method: str, path: str, actor: Actor | None, token: str) -> tuple[int, str]:
    answer = pages.post(path, FORM, actor, token) if method == "POST" else pages.get(path, actor)
    return answer.status_code, answer.text
