"""Who asks, and what that user or token may: paths, roles, pools, privilege separation."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

from ..answers import Transport, failed, forbidden
from .model import Caller
from .roles import all_privileges

if TYPE_CHECKING:
    from .state import World
    from .volumes import Volume

STANDARD_PATHS = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")


def token_of(header: str | None) -> str | None:
    """The token id (`user@realm!name`) that an Authorization header names, whether or not it is valid."""
    found = re.match(r"PVEAPIToken=([^=]+)=", header or "")
    return found[1] if found else None


def authenticate(world: World, header: str | None) -> Caller:
    """The caller that an Authorization header proves, else 401."""
    if not header or not header.startswith("PVEAPIToken"):
        raise Transport(401, "No ticket")
    found = re.fullmatch(r"PVEAPIToken=([^!\s]+)!([^=\s]+)=(.+)", header)
    name = f"{found[1]}!{found[2]}" if found else ""
    for token in world.tokens.values():
        known = token.id == name and not token.revoked
        if found and known and hmac.compare_digest(token.secret.encode(), found[3].encode()):
            return Caller(token.id, token.user, token.privsep)
    raise Transport(401, "Authentication failed!")


def privileges(world: World, caller: Caller, path: str) -> dict[str, int]:
    """The privileges on a path, each with 1 where it propagates, 0 where it holds only there."""
    key = (caller.id, path)
    if key not in world.privilege_cache:
        own = _of_identity(world, caller.user, path)
        if caller.privsep:
            granted = _of_identity(world, caller.id, path)
            own = {name: min(flag, granted[name]) for name, flag in own.items() if name in granted}
        world.privilege_cache[key] = own
    return world.privilege_cache[key]


def _of_identity(world: World, identity: str, path: str) -> dict[str, int]:
    """The privileges of a user, or of a token whose privileges are separate."""
    if identity == "root@pam":
        return dict.fromkeys(all_privileges(world.is_9), 1)
    found: dict[str, int] = {}
    for role, propagate in _with_pools(world, identity, path, _roles(world, identity, path)).items():
        for name in world.roles.get(role, ()):
            found[name] = max(propagate, found.get(name, 0))
    return found


def _roles(world: World, identity: str, path: str) -> dict[str, int]:
    """The roles of the deepest entry on the way to the path; NoAccess among them stands alone."""
    steps = [""] if path == "/" else ["", *path.strip("/").split("/")]
    roles: dict[str, int] = {}
    for depth in range(len(steps)):
        here = "/".join(steps[: depth + 1]) or "/"
        last = depth == len(steps) - 1
        for one in (identity, *world.groups_of(identity)):
            granted = world.granted(one, here)
            entries = {role: propagate for role, propagate in granted.items() if last or propagate}
            roles = entries or roles
            if entries:
                break
    return {"NoAccess": roles["NoAccess"]} if "NoAccess" in roles else roles


def _with_pools(world: World, identity: str, path: str, roles: dict[str, int]) -> dict[str, int]:
    """Add the roles on the pools that hold the VM or storage. They never propagate.

    NoAccess on the path wins over what a pool grants, and NoAccess on a pool wins over other roles on the path.
    """
    found = dict(roles)
    for pool in world.pools_of(path):
        for role in _roles(world, identity, f"/pool/{pool}") if "NoAccess" not in roles else ():
            found.setdefault(role, 0)
    return {"NoAccess": found["NoAccess"]} if "NoAccess" in found else found


def may(world: World, caller: Caller, path: str, *names: str) -> bool:
    """Whether the caller has all of these privileges on a path."""
    granted = privileges(world, caller, path)
    return all(name in granted for name in names)


def demand(world: World, caller: Caller, path: str, *names: str) -> None:
    """Refuse with 403 the first of these privileges that the caller lacks on a path."""
    granted = privileges(world, caller, path)
    for name in names:
        if name not in granted:
            raise forbidden(path, name)


def demand_any(world: World, caller: Caller, path: str, *names: str) -> None:
    """Refuse with 403 a caller who has none of these privileges on a path."""
    if not any(name in privileges(world, caller, path) for name in names):
        raise forbidden(path, *names)


def demand_volume(world: World, caller: Caller, volume: Volume, vmid: int | None = None) -> None:
    """Refuse who may not use a volume; `vmid` is the VM for which it is to be used, if it is for one."""
    demand_named_volume(world, caller, volume.volid, volume.content, volume.vmid or None, vmid)


def demand_named_volume(
    world: World, caller: Caller, volid: str, content: str, owner: int | None, vmid: int | None = None
) -> None:
    """The same for a volume of which only the name is known."""
    storage = f"/storage/{volid.partition(':')[0]}"
    if may(world, caller, storage, "Datastore.Allocate"):
        return
    if content in ("iso", "vztmpl", "import"):
        demand_any(world, caller, storage, "Datastore.AllocateSpace", "Datastore.Audit")
    elif owner is not None and owner == vmid:
        return
    elif content == "backup" and owner:
        demand(world, caller, storage, "Datastore.AllocateSpace")
        demand(world, caller, f"/vms/{owner}", "VM.Backup")
    elif content in ("images", "rootdir") and owner:
        demand(world, caller, storage, "Datastore.Audit")
        demand(world, caller, f"/vms/{owner}", "VM.Config.Disk")
    else:
        raise failed(f"missing privileges to access {volid}")


def effective(world: World, caller: Caller) -> dict[str, dict[str, int]]:
    """All paths on which somebody has privileges, as GET /access/permissions tells them."""
    paths = {*STANDARD_PATHS, *(str(entry["path"]) for entry in world.acl)}
    for members in world.pools.values():
        paths |= {f"/vms/{vmid}" for vmid in members}
    for storages in world.pool_storages.values():
        paths |= {f"/storage/{storage}" for storage in storages}
    for path in list(paths):
        steps = path.strip("/").split("/")
        paths |= {"/" + "/".join(steps[:depth]) for depth in range(1, len(steps))}
    found = {path: privileges(world, caller, path) for path in sorted(paths)}
    return {path: granted for path, granted in found.items() if granted}


def identity(world: World, userid: str) -> Caller | None:
    """The user or token of that id; None for a token that does not exist."""
    user, _, name = userid.partition("!")
    if not name:
        return Caller(user, user)
    token = next((one for one in world.tokens.values() if one.id == userid), None)
    return Caller(token.id, token.user, token.privsep) if token else None
