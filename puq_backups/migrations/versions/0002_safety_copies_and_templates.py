"""Safety copies, the wish to cancel in a column of its own, and what staff need: texts, hidden archives, search."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import DATETIME

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")
OF_GOOD = ["service_id", "created_at", "size", "disks", "missing_at", "removed_at", "verification"]


def upgrade() -> None:
    with op.batch_alter_table("puq_backups_backup", schema=None) as batch_op:
        batch_op.add_column(sa.Column("expires_at", MOMENT, nullable=True))
        batch_op.create_index(batch_op.f("ix_puq_backups_backup_expires_at"), ["expires_at"], unique=False)
        # Before the old one goes: MariaDB wants one for the foreign key at any time.
        batch_op.create_index("ix_puq_backups_backup_good", OF_GOOD, unique=False)
        batch_op.drop_index("ix_puq_backups_backup_service")

    with op.batch_alter_table("puq_backups_operation", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cancel_asked", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.create_index("ix_puq_backups_operation_ended", ["state", "finished_at"], unique=False)

    with op.batch_alter_table("puq_backups_audit", schema=None) as batch_op:
        batch_op.create_index("ix_puq_backups_audit_actor", ["actor", "at"], unique=False)
        batch_op.create_index("ix_puq_backups_audit_action", ["action", "at"], unique=False)

    with op.batch_alter_table("puq_backups_chore", schema=None) as batch_op:
        batch_op.add_column(sa.Column("trouble", sa.JSON(), nullable=True))

    with op.batch_alter_table("puq_backups_service", schema=None) as batch_op:
        batch_op.add_column(sa.Column("trouble_at", MOMENT, nullable=True))
        batch_op.create_index(batch_op.f("ix_puq_backups_service_created_at"), ["created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_puq_backups_service_restore_failed"), ["restore_failed"], unique=False)
        batch_op.create_index(batch_op.f("ix_puq_backups_service_trouble_at"), ["trouble_at"], unique=False)

    _date_troubles()

    with op.batch_alter_table("puq_backups_storage", schema=None) as batch_op:
        batch_op.add_column(sa.Column("total", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("our_backups", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("our_bytes", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("puq_backups_mail", schema=None) as batch_op:
        batch_op.add_column(sa.Column("subject", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("message", sa.Text(), nullable=True))
        batch_op.create_index(batch_op.f("ix_puq_backups_mail_created_at"), ["created_at"], unique=False)
        batch_op.create_index("ix_puq_backups_mail_of_state", ["state", "created_at"], unique=False)

    op.create_table(
        "puq_backups_email_template",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by", sa.String(length=190), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_puq_backups_email_template")),
        sa.UniqueConstraint("name", "locale", name=op.f("uq_puq_backups_email_template_name_locale")),
    )
    op.create_table(
        "puq_backups_hidden_volume",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("server_id", sa.String(length=64), nullable=False),
        sa.Column("volid", sa.String(length=255), nullable=False),
        sa.Column("hidden_at", MOMENT, nullable=False),
        sa.Column("hidden_by", sa.String(length=190), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"], ["puq_backups_server.id"], name=op.f("fk_puq_backups_hidden_volume_server_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_puq_backups_hidden_volume")),
        sa.UniqueConstraint("server_id", "volid", name=op.f("uq_puq_backups_hidden_volume_server_id_volid")),
    )


def _date_troubles() -> None:
    """Staff find services with trouble by its date; what they had before gets today's."""
    service = sa.table("puq_backups_service", sa.column("trouble", sa.JSON), sa.column("trouble_at", MOMENT))
    troubled = sa.cast(service.c.trouble, sa.String(4)) != "null"
    op.execute(sa.update(service).where(troubled).values(trouble_at=datetime.now(UTC).replace(tzinfo=None)))


def downgrade() -> None:
    op.drop_table("puq_backups_hidden_volume")
    op.drop_table("puq_backups_email_template")
    with op.batch_alter_table("puq_backups_mail", schema=None) as batch_op:
        batch_op.drop_index("ix_puq_backups_mail_of_state")
        batch_op.drop_index(batch_op.f("ix_puq_backups_mail_created_at"))
        batch_op.drop_column("message")
        batch_op.drop_column("subject")
    with op.batch_alter_table("puq_backups_storage", schema=None) as batch_op:
        for name in ("our_bytes", "our_backups", "total"):
            batch_op.drop_column(name)
    with op.batch_alter_table("puq_backups_service", schema=None) as batch_op:
        for name in ("trouble_at", "restore_failed", "created_at"):
            batch_op.drop_index(batch_op.f(f"ix_puq_backups_service_{name}"))
        batch_op.drop_column("trouble_at")
    with op.batch_alter_table("puq_backups_chore", schema=None) as batch_op:
        batch_op.drop_column("trouble")
    with op.batch_alter_table("puq_backups_audit", schema=None) as batch_op:
        batch_op.drop_index("ix_puq_backups_audit_action")
        batch_op.drop_index("ix_puq_backups_audit_actor")
    with op.batch_alter_table("puq_backups_operation", schema=None) as batch_op:
        batch_op.drop_index("ix_puq_backups_operation_ended")
        batch_op.drop_column("cancel_asked")
    with op.batch_alter_table("puq_backups_backup", schema=None) as batch_op:
        batch_op.create_index("ix_puq_backups_backup_service", OF_GOOD[:2], unique=False)
        batch_op.drop_index("ix_puq_backups_backup_good")
        batch_op.drop_index(batch_op.f("ix_puq_backups_backup_expires_at"))
        batch_op.drop_column("expires_at")
