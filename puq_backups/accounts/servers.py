"""Stores the Proxmox servers of services and the encrypted secrets of their API tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Update, delete, select, update
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import SettingError
from ..inventory.service_backups import BY_OTHERS
from ..models import Backup, Chore, HiddenVolume, Operation, Server, Service, Storage
from ..models.audit_log import audit
from ..models.upsert import insert_missing
from ..pve.client import Access


def has_access(session: Session, context: Context, server_id: str, access: Access) -> bool:
    """Whether the server is recorded with exactly this access, secret and fingerprint included."""
    server = session.get(Server, server_id)
    if server is None or _address(server) != (",".join(access.hosts), access.port, access.token_id):
        return False
    secret = _stored_secret(context, server) if server.sealed_secret else ""
    return secret == access.secret and server.fingerprint == (access.fingerprint or "")


def _address(server: Server) -> tuple[str, int, str]:
    return server.hosts, server.port, server.token_id


def save_server(session: Session, context: Context, access: Access, same_ids: Sequence[str] = ()) -> Server:
    """The row of the server that `access` reaches, created if needed, with its access renewed.

    `access` must have been tried. `same_ids` are recorded servers that were recognized by it (see `same_server`);
    they are merged into the first, and so is a further row with that very access.
    """
    hosts = ",".join(access.hosts)
    known = select(Server).where(
        Server.hosts == hosts, Server.port == access.port, Server.token_id == access.token_id
    )
    rows = [session.get(Server, same_id) for same_id in same_ids]
    server, *others = dict.fromkeys([*filter(None, rows), *session.scalars(known)]) or [None]
    for other in others:
        if server is not None and other is not None:
            merge(session, server, other)
    if server is None:
        row = {"hosts": hosts, "port": access.port, "token_id": access.token_id, "sealed_secret": b""}
        insert_missing(session, Server, **row)
        server = session.scalars(known.with_for_update()).one()
    server.hosts, server.port, server.token_id = hosts, access.port, access.token_id
    if not server.sealed_secret or _stored_secret(context, server) != access.secret:
        server.sealed_secret = context.vault.seal(access.secret)
    server.fingerprint = access.fingerprint or ""
    session.flush()
    return server


def merge(session: Session, into: Server, other: Server) -> None:
    """Move all that belongs to `other` to `into`, the same server, and delete `other`.

    One volume keeps one row. Raises IntegrityError if both have an active service with the same VMID.
    """
    audit(session, None, None, "server", f"{other.hosts} is {into.hosts}: merged")
    session.flush()
    for backup in session.scalars(select(Backup).where(Backup.server_id == other.id)).all():
        twin = session.scalars(
            select(Backup).where(Backup.server_id == into.id, Backup.volid == backup.volid)
        ).first()
        if twin is not None:
            backup = _keep_one(session, backup, twin)  # noqa: PLW2901 - the row that is kept
        backup.server_id = into.id
        session.flush()
    for model in (Service, HiddenVolume):
        session.execute(_moved(model, into, other))
    session.execute(delete(HiddenVolume).where(HiddenVolume.server_id == other.id))
    session.execute(delete(Storage).where(Storage.server_id == other.id))
    session.execute(delete(Chore).where(Chore.name.in_([f"sync {other.id}", f"vms {other.id}"])))
    session.delete(other)
    session.flush()


def _moved(model: type[Service | HiddenVolume], into: Server, other: Server) -> Update:
    found = update(model).where(model.server_id == other.id).values(server_id=into.id)
    if model is HiddenVolume:
        known = select(HiddenVolume.volid).where(HiddenVolume.server_id == into.id)
        found = found.where(HiddenVolume.volid.not_in(known.scalar_subquery()))
    return found


def _keep_one(session: Session, one: Backup, other: Backup) -> Backup:
    """Of two rows of a volume keep the one that is not removed, then the one of the service that made it."""
    keep, drop = sorted((one, other), key=lambda row: (row.removed_at is not None, row.kind in BY_OTHERS))
    session.execute(update(Operation).where(Operation.backup_id == drop.id).values(backup_id=keep.id))
    session.delete(drop)
    session.flush()
    return keep


def _stored_secret(context: Context, server: Server) -> str | None:
    try:
        return context.vault.open(server.sealed_secret)
    except SettingError:
        # Its key is gone. What the host gives takes its place, so that a lost key can be mended by ChangePackage.
        return None


def assign_server(service: Service, to: Server) -> bool:
    """Assign the server `to` to a service. Returns whether it is another server than before."""
    before, service.server_id = service.server_id, to.id
    return before != to.id


Secrets = Sequence[tuple[str, bytes]]


def rotate_secrets(context: Context, track: Callable[[Secrets], Iterable[tuple[str, bytes]]] = iter) -> int:
    """Encrypt each stored secret with the newest key. Returns how many. `track` shows the progress.

    Raises SettingError after all others if the key of one is missing. A secret that CreateAccount writes meanwhile is
    kept, because it is encrypted with the newest key already.
    """
    with context.database.open() as session:
        stored = [(row.id, row.sealed_secret) for row in session.execute(select(Server.id, Server.sealed_secret))]
    missing: SettingError | None = None
    for server_id, sealed in track(stored):
        try:
            rotated = context.vault.rotate(sealed)
        except SettingError as error:
            missing = error
            continue
        with context.database.begin() as session:
            session.execute(
                update(Server)
                .where(Server.id == server_id, Server.sealed_secret == sealed)
                .values(sealed_secret=rotated)
            )
    if missing:
        raise missing
    return len(stored)
