"""Custom functions as WHMCS sends them, and what hooks add to the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jinja2 import DictLoader
from markupsafe import Markup
from support.world import ALICE, BOB, CHARLIE, STAFF

from puq_backups import Actor
from puq_backups.hook_registry import points as hook_points
from puq_backups.hook_registry.menus import Menu
from puq_backups.host import PERMISSIONS
from puq_backups.whmcs.dispatch import is_custom

from .conftest import Door, said

NOT_OFFERED = "Your provider does not offer this here."
NO_RIGHT = "Your account does not have the right to do this."
RIGHTS = {
    "BackupNow": "create", "SaveSchedule": "schedule", "RestoreBackup": "restore", "RemoveBackup": "remove",
    "EditNote": "create", "KeepBackup": "keep", "RetryRestore": "restore", "BackToBefore": "restore",
    "Reinstall": "restore", "CancelOperation": "create",
}  # fmt: skip


@pytest.fixture
def functions(door: Door) -> dict[str, Callable[..., Any]]:
    """The module functions, to put a host's own in."""
    return door.world.backups.hooks.functions


def custom(door: Door, function: str, actor: Actor | None = ALICE, path: str = "/custom", **fields: Any) -> Any:
    return door.post(path, {"modop": "custom", "a": function, **fields}, actor)


@pytest.mark.parametrize("path", ["/custom", "/"])
def test_custom_function_does_what_the_forms_own_address_does(door: Door, path: str) -> None:
    answer = custom(door, "BackupNow", path=path, note="as WHMCS does", id="2", serviceid="2")

    assert (answer.status_code, answer.location) == (303, "/services/1/backups/")
    assert "Your backup is starting." in said(door.get())
    [operation] = door.world.operations()
    assert (operation.note, operation.actor) == ("as WHMCS does", "client alice (Alice)")
    assert door.world.operations("2") == []
    door.world.drain()

    backup = operation.id and door.world.held()[0]
    assert custom(door, "KeepBackup", path=path, backup_id=backup.id, kept=1).status_code == 303
    assert custom(door, "RemoveBackup", path=path, backup_id=backup.id).status_code == 409
    wrong = custom(door, "RestoreBackup", path=path, backup_id=backup.id, confirm="web1")
    assert wrong.status_code == 400
    assert "Type the name of the virtual machine" in said(wrong)
    assert [held.kept for held in door.world.held()] == [True]


def test_each_custom_function_is_offered_and_needs_its_right(door: Door) -> None:
    world = door.world
    for function in RIGHTS:
        assert custom(door, function).status_code in {303, 400, 404, 409}, function
    world.drain()
    written, asked = len(world.operations()), len(world.proxmox.requests())

    for function, right in RIGHTS.items():
        sub = Actor(client_id="alice", permissions=PERMISSIONS - {right})
        answer = custom(door, function, sub)
        assert (answer.status_code, NO_RIGHT in said(answer)) == (403, True), function
        assert world.backups.call(function, {"serviceid": "1"}, actor=sub) == NO_RIGHT
        hidden = Actor(client_id="alice", permissions=PERMISSIONS - {"view"})
        assert world.backups.call(function, {"serviceid": "1"}, actor=hidden) == NO_RIGHT
    assert (len(world.operations()), len(world.proxmox.requests())) == (written, asked)


def test_nobody_else_comes_in_and_no_form_goes_without_its_token(door: Door) -> None:
    token = door.token()
    for actor in (BOB, CHARLIE, None):
        for path in ("/custom", "/"):
            answer = door.post(path, {"modop": "custom", "a": "BackupNow"}, actor, token)
            assert answer.status_code == 404
    assert door.post("/custom", {"modop": "custom", "a": "BackupNow"}, token="wrong").status_code == 400

    assert door.world.operations() == []


@pytest.mark.slow
def test_client_calls_nothing_else(door: Door, functions: dict[str, Callable[..., Any]]) -> None:
    """Not even where a host's list holds, by mistake, what is no custom function."""
    others = [name for name in functions if not is_custom(name)]
    lists = dict(functions)
    before = door.world.service()
    asked = len(door.world.proxmox.requests())

    for listed in (lists["ClientAreaAllowedFunctions"](), others):
        functions["ClientAreaAllowedFunctions"] = lambda listed=listed: listed
        for name in [*others, "", "__class__", "page", "Nothing", "\x00"]:
            for actor in (ALICE, STAFF):
                answer = custom(door, name, actor, configoption1=99, userid="bob", vmid=101)
                assert (answer.status_code, NOT_OFFERED in said(answer)) == (403, True), name
    after = door.world.service()
    assert [(one.quota, one.status, one.client_id, one.version) for one in (before, after)] == [
        (3, "active", "alice", before.version)
    ] * 2
    assert len(door.world.proxmox.requests()) == asked


@pytest.mark.parametrize("modop", ["", "create", "terminate", "suspend", "Custom"])
def test_other_modops_are_refused_in_words(door: Door, modop: str) -> None:
    for path in ("/custom", "/"):
        answer = door.post(path, {"modop": modop, "a": "BackupNow"})
        assert (answer.status_code, "modop must be custom" in said(answer)) == (400, True)

    assert door.world.operations() == []


def test_host_takes_a_function_out_of_its_list(door: Door, functions: dict[str, Callable[..., Any]]) -> None:
    door.world.back_up()
    backup = door.world.held()[0].id
    functions["ClientAreaCustomButtonArray"] = lambda: {"Save Schedule": "SaveSchedule", "Backup now": "BackupNow"}

    assert NOT_OFFERED in said(door.get())
    for answer in (
        custom(door, "RemoveBackup", backup_id=backup), door.post(f"/{backup}/remove"),
        door.post(f"/{backup}/restore", {"confirm": "web100"}),
    ):  # fmt: skip
        assert (answer.status_code, NOT_OFFERED in said(answer)) == (403, True)
    assert custom(door, "BackupNow").status_code == 303
    door.world.drain()
    assert len(door.world.held()) == 2


def test_function_of_staffs_list_is_for_staff_alone(door: Door, functions: dict[str, Callable[..., Any]]) -> None:
    called: list[Actor] = []

    def Rescue(actor: Actor) -> str:  # noqa: N802 - a module function
        called.append(actor)
        return "success"

    functions["Rescue"] = Rescue
    functions["AdminCustomButtonArray"] = lambda: {"Rescue": "Rescue"}

    assert custom(door, "Rescue").status_code == 403
    assert custom(door, "Rescue", STAFF).status_code == 303
    assert called == [STAFF]
    assert "It is done." in said(door.get())


def test_functions_of_a_host_answer_as_whmcs_has_it(
    door: Door, functions: dict[str, Callable[..., Any]], caplog: pytest.LogCaptureFixture
) -> None:
    hooks, app = door.world.backups.hooks, door.world.app
    app.jinja_loader = DictLoader({"chart.html": "<p>{{ title }} {{ _('Backups') }} {{ points }}</p>"})
    given: list[Any] = []

    def Chart(params: Any) -> dict[str, Any]:  # noqa: N802 - a module function
        given.append(dict(params))
        return {"templatefile": "chart.html", "breadcrumb": {}, "vars": {"title": "<Chart>", "points": 7}}

    functions |= {"Chart": Chart, "Full": lambda: "The moon is full.", "Broken": lambda: 1 / 0}
    functions["ClientAreaAllowedFunctions"] = lambda: ["Chart", "Full", "Broken"]
    hooks.pages.add("Chart")

    shown = door.get("/custom?modop=custom&a=Chart&days=3&serviceid=2")
    assert (shown.status_code, shown.text) == (200, "<p>&lt;Chart&gt; Backups 7</p>")
    assert given == [{"days": "3", "serviceid": "1"}]
    assert custom(door, "Chart").text == shown.text
    refused = custom(door, "Full")
    assert (refused.status_code, "The moon is full." in said(refused)) == (409, True)
    broken = custom(door, "Broken")
    assert (broken.status_code, "Something went wrong on our side" in said(broken)) == (500, True)
    assert "division by zero" not in broken.text
    assert "division by zero" in caplog.text


@pytest.mark.parametrize("function", ["BackupNow", "RemoveBackup", "ChangePackage"])
def test_link_changes_nothing(door: Door, function: str) -> None:
    answer = door.get(f"/custom?modop=custom&a={function}")

    assert (answer.status_code, f"{function} is called by a form (POST)" in said(answer)) == (400, True)
    assert door.world.operations() == []
    assert door.get("/custom?modop=custom&a=Nothing").status_code == 403


def test_hooks_add_a_menu_and_pieces_to_the_page(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    hooks = door.world.backups.hooks
    quiet = door.get().text

    def items(menu: Menu, service: dict[str, Any], actor: Actor) -> None:
        support = menu.add("support", "Support <b>", uri=f"/tickets?service={service['id']}")
        support.add("new", f"Ask as {actor.name}", uri="/tickets/new", badge="2")
        menu.add("overview", "Overview", uri="/services/1/", order=5, current=True)
        menu.add("gone", "Gone")

    def changed(menu: Menu) -> None:
        menu.remove("gone")
        assert menu.get("gone") is None
        found = menu.get("support")
        assert found is not None
        found.label = "Help <b>"

    hooks.add("ClientAreaPrimarySidebar", items)
    hooks.add("ClientAreaPrimarySidebar", changed, priority=1)
    hooks.add("ClientAreaProductDetailsOutput", lambda service: f"<i>{service['name']}</i>")
    hooks.add("ClientAreaProductDetailsOutput", lambda: Markup("<i>trusted</i>"))
    hooks.add("ClientAreaProductDetailsOutput", lambda: 7)

    page = door.get().text

    assert "puqb-menu" not in quiet
    assert "puqb-output" not in quiet
    assert page.index("Overview") < page.index("Help &lt;b&gt;") < page.index("Ask as Alice")
    assert 'href="/services/1/" aria-current="page"' in page
    assert "Gone" not in page
    assert '<div class="puqb-output">&lt;i&gt;web100&lt;/i&gt;</div>' in page
    assert '<div class="puqb-output"><i>trusted</i></div>' in page
    assert page.count("puqb-output") == 2
    assert "a hook of ClientAreaProductDetailsOutput returned int" in caplog.text


def test_hooks_that_fail_leave_the_page_as_it_is(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    hooks = door.world.backups.hooks
    points = [name for name in vars(hook_points) if name.startswith("ClientArea")]
    for point in points:
        hooks.add(point, lambda: 1 / 0)

    assert door.get().status_code == 200
    for point in points:
        assert f"at {point} failed" in caplog.text


def test_template_variables_of_hooks_win_in_their_order(door: Door) -> None:
    hooks = door.world.backups.hooks
    hooks.add("ClientAreaPageProductDetails", lambda vars: {"quota": {**vars["quota"], "used": 2}})  # noqa: A006 - WHMCS's name
    hooks.add("ClientAreaPage", lambda: {"quota": {"used": 1, "limit": 9}})

    assert door.state()["quota"] == {"used": 2, "limit": 9}
