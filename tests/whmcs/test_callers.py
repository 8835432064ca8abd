"""Who may call which module function: nobody signed in never becomes the system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import flask_login
import pytest
from support import databases
from support import world as worlds
from support.world import ALICE, BOB, STAFF

from puq_backups import SYSTEM, Actor, Backups, SettingError
from puq_backups.host import PERMISSIONS
from puq_backups.simulator import Simulator
from puq_backups.whmcs.callers import CLIENT_PERMISSIONS, HOST_FUNCTIONS, STAFF_FUNCTIONS

from .caller_helpers import FOR_CLIENTS, NOBODY, said

NO_RIGHT = "Your account does not have the right to do this."
SUB_USER = Actor(client_id="alice", permissions=frozenset())


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, sqlite_url, redis_url)
    found.register()
    found.extra["before"] = len(proxmox.requests())
    yield found
    found.context.database.engine.dispose()


@pytest.fixture(scope="module")
def shared(
    proxmox_server: Simulator, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[worlds.World]:  # fmt: skip
    proxmox_server.reset()
    with worlds.registered(
        proxmox_server, databases.sqlite_file(tmp_path_factory.mktemp("callers")), valkey_url
    ) as found:
        yield found


@pytest.fixture
def untouched(shared: worlds.World, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> worlds.World:
    """One world for all tests that are refused: nobody is signed in, and nothing was done in it."""
    monkeypatch.setattr(shared.host, "actor", None)
    monkeypatch.setattr(shared.host, "current_actor", shared.host.current_actor)
    shared.extra["before"] = len(shared.proxmox.requests())
    return shared


def asked_of_proxmox(world: worlds.World) -> int:
    """How many requests reached Proxmox since the service was registered."""
    return len(world.proxmox.requests()) - world.extra["before"]


def anonymous() -> Any:
    return flask_login.AnonymousUserMixin()


def broken() -> Any:
    raise KeyError("session")


NOT_SIGNED_IN = {"none": lambda: None, "anonymous-user": anonymous, "broken-host": broken}


@pytest.mark.parametrize("who", NOT_SIGNED_IN)
@pytest.mark.parametrize("name", [*FOR_CLIENTS, *STAFF_FUNCTIONS])
def test_nobody_signed_in_is_refused_inside_a_request(untouched: worlds.World, name: str, who: str) -> None:
    world = untouched
    world.host.current_actor = NOT_SIGNED_IN[who]  # type: ignore[method-assign]  # one host after the other

    with world.app.test_request_context():
        answer = world.backups.call(name, {"serviceid": "1", "note": "by a stranger"})

    assert NOBODY in said(answer)
    assert (world.operations(), asked_of_proxmox(world)) == ([], 0)


@pytest.mark.parametrize("name", FOR_CLIENTS)
def test_client_function_runs_for_the_signed_in_client_only(untouched: worlds.World, name: str) -> None:
    world = untouched
    for world.host.actor in (BOB, Actor()):
        with world.app.test_request_context():
            assert said(world.backups.call(name, {"serviceid": "1"})) == "There is nothing here."
    world.host.actor = SUB_USER
    with world.app.test_request_context():
        assert said(world.backups.call(name, {"serviceid": "1"})) == NO_RIGHT
    assert (world.operations(), asked_of_proxmox(world)) == ([], 0)


def test_every_client_function_has_its_permission_in_the_table() -> None:
    assert sorted(CLIENT_PERMISSIONS) == FOR_CLIENTS
    assert set(CLIENT_PERMISSIONS.values()) == PERMISSIONS


@pytest.mark.parametrize("name", FOR_CLIENTS)
def test_sub_user_needs_the_permission_of_the_table_and_no_other(world: worlds.World, name: str) -> None:
    wanted = CLIENT_PERMISSIONS[name]
    without, just = PERMISSIONS - {wanted}, frozenset({"view", wanted})

    refused, taken = (
        said(world.backups.call(name, {"serviceid": "1"}, actor=Actor(client_id="alice", permissions=permissions)))
        for permissions in (without, just)
    )

    assert refused == NO_RIGHT
    assert taken != NO_RIGHT


@pytest.mark.parametrize("name", sorted(HOST_FUNCTIONS))
@pytest.mark.parametrize("who", [None, ALICE, STAFF])
def test_host_function_runs_as_the_system_whoever_is_signed_in(
    world: worlds.World, name: str, who: Actor | None
) -> None:
    world.host.actor = who
    with world.app.test_request_context():
        answer = world.backups.call(name, world.params())

    assert answer == "success" or isinstance(answer, dict | list), answer
    assert NO_RIGHT not in said(answer)


@pytest.mark.parametrize("name", sorted(HOST_FUNCTIONS | STAFF_FUNCTIONS))
@pytest.mark.parametrize("actor", [ALICE, BOB, SUB_USER, Actor()])
def test_explicit_client_is_refused_where_only_the_host_or_staff_may(
    untouched: worlds.World, name: str, actor: Actor
) -> None:
    world = untouched
    before = world.service().status, world.service().quota

    answer = world.backups.call(name, world.params(backups=9), actor=actor)

    assert answer in (NO_RIGHT, {}, {"success": False, "error": NO_RIGHT})
    assert (world.service().status, world.service().quota) == before
    assert asked_of_proxmox(world) == 0


@pytest.mark.parametrize("name", FOR_CLIENTS)
@pytest.mark.parametrize("actor", [SYSTEM, STAFF, None])
def test_system_and_staff_may_call_every_client_function_outside_a_request(
    world: worlds.World, name: str, actor: Actor | None
) -> None:
    def asked() -> Actor | None:
        raise AssertionError("outside a request the host is not asked who is signed in")

    world.host.current_actor = asked  # type: ignore[method-assign]  # see above
    answer = said(world.backups.call(name, {"serviceid": "1"}, actor=actor))

    assert NOBODY not in answer
    assert NO_RIGHT not in answer


def test_actor_that_is_no_actor_is_refused_by_name(world: worlds.World) -> None:
    answer = world.backups.call("BackupNow", {"serviceid": "1"}, actor=anonymous())

    assert answer == "actor must be a puq_backups.Actor, not AnonymousUserMixin."


@pytest.mark.parametrize("request_context", [True, False])
def test_guards_of_the_host_ask_for_nobody(world: worlds.World, *, request_context: bool) -> None:
    world.host.current_actor = broken  # type: ignore[method-assign]  # see above
    around: AbstractContextManager[Any] = world.app.test_request_context() if request_context else nullcontext()
    with around:
        assert world.backups.lock_reason("1") is None
        with world.backups.vm_action("1"):
            pass
        with world.backups.vm_command("ChangePassword", {"serviceid": "1"}):
            pass
        assert world.backups.hooks.run("AfterModuleCreate", params={}) == []


class Half:
    """A host without `service_url`."""

    def current_actor(self) -> None:
        return None


class Misspelt(worlds.Host):
    reinstall = "yes"


@pytest.mark.parametrize(
    ("host", "name"), [(Half(), "service_url"), (None, "current_actor"), (Misspelt(), "reinstall")]
)
def test_host_without_its_methods_is_refused_at_the_start(world: worlds.World, host: Any, name: str) -> None:
    with pytest.raises(SettingError, match=name):
        Backups().init_app(world.app, db=world.app.extensions["sqlalchemy"], host=host)
