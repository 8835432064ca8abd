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

from .client_pages import ClientPages, visible_text

NOT_OFFERED = "Your provider does not offer this here."
NO_RIGHT = "Your account does not have the right to do this."
RIGHTS = {
    "BackupNow": "create", "SaveSchedule": "schedule", "RestoreBackup": "restore", "RemoveBackup": "remove",
    "EditNote": "create", "KeepBackup": "keep", "RetryRestore": "restore", "BackToBefore": "restore",
    "Reinstall": "restore", "CancelOperation": "create",
}  # fmt: skip


@pytest.fixture
def functions(pages: ClientPages) -> dict[str, Callable[..., Any]]:
    """The module functions, to put a host's own in."""
    return pages.world.backups.hooks.functions


def custom(
    pages: ClientPages, function: str, actor: Actor | None = ALICE, path: str = "/custom", **fields: Any
) -> Any:
    return pages.post(path, {"modop": "custom", "a": function, **fields}, actor)


@pytest.mark.parametrize("path", ["/custom", "/"])
@pytest.mark.flow
def test_custom_function_does_what_the_forms_own_address_does(pages: ClientPages, path: str) -> None:
    answer = custom(pages, "BackupNow", path=path, note="as WHMCS does", id="2", serviceid="2")

    assert (answer.status_code, answer.location) == (303, "/services/1/backups/")
    assert "Your backup is starting." in visible_text(pages.get())
    [operation] = pages.world.operations()
    assert (operation.note, operation.actor) == ("as WHMCS does", "client alice (Alice)")
    assert pages.world.operations("2") == []
    pages.world.drain()

    backup = operation.id and pages.world.held()[0]
    assert custom(pages, "KeepBackup", path=path, backup_id=backup.id, kept=1).status_code == 303
    assert custom(pages, "RemoveBackup", path=path, backup_id=backup.id).status_code == 409
    wrong = custom(pages, "RestoreBackup", path=path, backup_id=backup.id, confirm="web1")
    assert wrong.status_code == 400
    assert "Type the name of the server" in visible_text(wrong)
    assert [held.kept for held in pages.world.held()] == [True]


@pytest.mark.flow
def test_each_custom_function_is_offered_and_needs_its_right(pages: ClientPages) -> None:
    world = pages.world
    for function in RIGHTS:
        assert custom(pages, function).status_code in {303, 400, 404, 409}, function
    world.drain()
    written, asked = len(world.operations()), len(world.proxmox.requests())

    for function, right in RIGHTS.items():
        sub = Actor(client_id="alice", permissions=PERMISSIONS - {right})
        answer = custom(pages, function, sub)
        assert (answer.status_code, NO_RIGHT in visible_text(answer)) == (403, True), function
        assert world.backups.call(function, {"serviceid": "1"}, actor=sub) == NO_RIGHT
        hidden = Actor(client_id="alice", permissions=PERMISSIONS - {"view"})
        assert world.backups.call(function, {"serviceid": "1"}, actor=hidden) == NO_RIGHT
    assert (len(world.operations()), len(world.proxmox.requests())) == (written, asked)


def test_nobody_else_comes_in_and_no_form_goes_without_its_token(pages: ClientPages) -> None:
    token = pages.token()
    for actor in (BOB, CHARLIE, None):
        for path in ("/custom", "/"):
            answer = pages.post(path, {"modop": "custom", "a": "BackupNow"}, actor, token)
            assert answer.status_code == 404
    assert pages.post("/custom", {"modop": "custom", "a": "BackupNow"}, token="wrong").status_code == 400

    assert pages.world.operations() == []


@pytest.mark.slow
def test_client_calls_nothing_else(pages: ClientPages, functions: dict[str, Callable[..., Any]]) -> None:
    """Not even where a host's list holds, by mistake, what is no custom function."""
    others = [name for name in functions if not is_custom(name)]
    lists = dict(functions)
    before = pages.world.service()
    asked = len(pages.world.proxmox.requests())

    for listed in (lists["ClientAreaAllowedFunctions"](), others):
        functions["ClientAreaAllowedFunctions"] = lambda listed=listed: listed
        for name in [*others, "", "__class__", "page", "Nothing", "\x00"]:
            for actor in (ALICE, STAFF):
                answer = custom(pages, name, actor, configoption1=99, userid="bob", vmid=101)
                assert (answer.status_code, NOT_OFFERED in visible_text(answer)) == (403, True), name
    after = pages.world.service()
    assert [(one.quota, one.status, one.client_id, one.version) for one in (before, after)] == [
        (3, "active", "alice", before.version)
    ] * 2
    assert len(pages.world.proxmox.requests()) == asked


@pytest.mark.parametrize("modop", ["", "create", "terminate", "suspend", "Custom"])
def test_other_modops_are_refused_in_words(pages: ClientPages, modop: str) -> None:
    for path in ("/custom", "/"):
        answer = pages.post(path, {"modop": modop, "a": "BackupNow"})
        assert (answer.status_code, "modop must be custom" in visible_text(answer)) == (400, True)

    assert pages.world.operations() == []


def test_host_takes_a_function_out_of_its_list(pages: ClientPages, functions: dict[str, Callable[..., Any]]) -> None:
    pages.world.back_up()
    backup = pages.world.held()[0].id
    functions["ClientAreaCustomButtonArray"] = lambda: {"Save Schedule": "SaveSchedule", "Backup now": "BackupNow"}

    assert NOT_OFFERED in visible_text(pages.get())
    for answer in (
        custom(pages, "RemoveBackup", backup_id=backup), pages.post(f"/{backup}/remove"),
        pages.post(f"/{backup}/restore", {"confirm": "web100"}),
    ):  # fmt: skip
        assert (answer.status_code, NOT_OFFERED in visible_text(answer)) == (403, True)
    assert custom(pages, "BackupNow").status_code == 303
    pages.world.drain()
    assert len(pages.world.held()) == 2


def test_function_of_staffs_list_is_for_staff_alone(
    pages: ClientPages, functions: dict[str, Callable[..., Any]]
) -> None:
    called: list[Actor] = []

    def Rescue(actor: Actor) -> str:  # noqa: N802 - a module function
        called.append(actor)
        return "success"

    functions["Rescue"] = Rescue
    functions["AdminCustomButtonArray"] = lambda: {"Rescue": "Rescue"}

    assert custom(pages, "Rescue").status_code == 403
    assert custom(pages, "Rescue", STAFF).status_code == 303
    assert called == [STAFF]
    assert "It is done." in visible_text(pages.get())


def test_functions_of_a_host_answer_as_whmcs_has_it(
    pages: ClientPages, functions: dict[str, Callable[..., Any]], caplog: pytest.LogCaptureFixture
) -> None:
    hooks, app = pages.world.backups.hooks, pages.world.app
    app.jinja_loader = DictLoader({"chart.html": "<p>{{ title }} {{ _('Backups') }} {{ points }}</p>"})
    given: list[Any] = []

    def Chart(params: Any) -> dict[str, Any]:  # noqa: N802 - a module function
        given.append(dict(params))
        return {"templatefile": "chart.html", "breadcrumb": {}, "vars": {"title": "<Chart>", "points": 7}}

    functions |= {"Chart": Chart, "Full": lambda: "The moon is full.", "Broken": lambda: 1 / 0}
    functions["ClientAreaAllowedFunctions"] = lambda: ["Chart", "Full", "Broken"]
    hooks.pages.add("Chart")

    shown = pages.get("/custom?modop=custom&a=Chart&days=3&serviceid=2")
    assert (shown.status_code, shown.text) == (200, "<p>&lt;Chart&gt; Backups 7</p>")
    assert given == [{"days": "3", "serviceid": "1"}]
    assert custom(pages, "Chart").text == shown.text
    refused = custom(pages, "Full")
    assert (refused.status_code, "The moon is full." in visible_text(refused)) == (409, True)
    broken = custom(pages, "Broken")
    assert (broken.status_code, "Something went wrong on our side" in visible_text(broken)) == (500, True)
    assert "division by zero" not in broken.text
    assert "division by zero" in caplog.text


@pytest.mark.parametrize("function", ["BackupNow", "RemoveBackup", "ChangePackage"])
def test_link_changes_nothing(pages: ClientPages, function: str) -> None:
    answer = pages.get(f"/custom?modop=custom&a={function}")

    assert (answer.status_code, f"{function} is called by a form (POST)" in visible_text(answer)) == (400, True)
    assert pages.world.operations() == []
    assert pages.get("/custom?modop=custom&a=Nothing").status_code == 403


def test_hooks_add_a_menu_and_pieces_to_the_page(pages: ClientPages, caplog: pytest.LogCaptureFixture) -> None:
    hooks = pages.world.backups.hooks
    quiet = pages.get().text

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

    page = pages.get().text

    assert "puqb-menu" not in quiet
    assert "puqb-output" not in quiet
    assert page.index("Overview") < page.index("Help &lt;b&gt;") < page.index("Ask as Alice")
    assert 'href="/services/1/" aria-current="page"' in page
    assert "Gone" not in page
    assert '<div class="puqb-output">&lt;i&gt;web100&lt;/i&gt;</div>' in page
    assert '<div class="puqb-output"><i>trusted</i></div>' in page
    assert page.count("puqb-output") == 2
    assert "a hook of ClientAreaProductDetailsOutput returned int" in caplog.text


def test_hooks_that_fail_leave_the_page_as_it_is(pages: ClientPages, caplog: pytest.LogCaptureFixture) -> None:
    hooks = pages.world.backups.hooks
    points = [name for name in vars(hook_points) if name.startswith("ClientArea")]
    for point in points:
        hooks.add(point, lambda: 1 / 0)

    assert pages.get().status_code == 200
    for point in points:
        assert f"at {point} failed" in caplog.text


def test_template_variables_of_hooks_win_in_their_order(pages: ClientPages) -> None:
    hooks = pages.world.backups.hooks
    hooks.add("ClientAreaPageProductDetails", lambda vars: {"quota": {**vars["quota"], "used": 2}})  # noqa: A006 - WHMCS's name
    hooks.add("ClientAreaPage", lambda: {"quota": {"used": 1, "limit": 9}})

    assert pages.state()["quota"] == {"used": 2, "limit": 9}
