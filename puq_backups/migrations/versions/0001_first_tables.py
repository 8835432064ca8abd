"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import DATETIME

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "puq_backups_audit",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("service_id", sa.String(length=64), nullable=True),
        sa.Column("operation_id", sa.String(length=64), nullable=True),
        sa.Column("actor", sa.String(length=190), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_puq_backups_audit")),
    )
    with op.batch_alter_table("puq_backups_audit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_puq_backups_audit_at"), ["at"], unique=False)
        batch_op.create_index("ix_puq_backups_audit_service", ["service_id", "at"], unique=False)

    op.create_table(
        "puq_backups_chore",
        sa.Column("name", sa.String(length=190), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("ran_at", MOMENT, nullable=True),
        sa.Column("owner", sa.String(length=190), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_puq_backups_chore")),
    )
    op.create_table(
        "puq_backups_mail",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=190), nullable=False),
        sa.Column("service_id", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("folder", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=255), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("wake_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_puq_backups_mail")),
        sa.UniqueConstraint("event", name=op.f("uq_puq_backups_mail_event")),
    )
    with op.batch_alter_table("puq_backups_mail", schema=None) as batch_op:
        batch_op.create_index("ix_puq_backups_mail_due", ["state", "wake_at"], unique=False)

    op.create_table(
        "puq_backups_server",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("hosts", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("token_id", sa.String(length=190), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.String(length=2000), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_puq_backups_server")),
        sa.UniqueConstraint("hosts", "port", "token_id", name=op.f("uq_puq_backups_server_hosts_port_token_id")),
    )
    op.create_table(
        "puq_backups_service",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("server_id", sa.String(length=64), nullable=False),
        sa.Column("vmid", sa.Integer(), nullable=False),
        sa.Column("active_vmid", sa.Integer(), nullable=True),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("identity", sa.String(length=120), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("terminated_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("client", sa.JSON(), nullable=False),
        sa.Column("package", sa.JSON(), nullable=False),
        sa.Column("quota", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("schedule", sa.JSON(), nullable=False),
        sa.Column("slots_from", MOMENT, nullable=True),
        sa.Column("next_run_at", MOMENT, nullable=True),
        sa.Column("next_run_date", sa.String(length=10), nullable=True),
        sa.Column("vm_name", sa.String(length=255), nullable=False),
        sa.Column("vm_status", sa.String(length=16), nullable=False),
        sa.Column("vm_lock", sa.String(length=32), nullable=False),
        sa.Column("vm_seen_at", MOMENT, nullable=True),
        sa.Column("trouble", sa.JSON(), nullable=True),
        sa.Column("restore_failed", sa.String(length=64), nullable=True),
        sa.Column("action_until", MOMENT, nullable=True),
        sa.Column("action_owner", sa.String(length=190), nullable=True),
        sa.ForeignKeyConstraint(
            ["server_id"], ["puq_backups_server.id"], name=op.f("fk_puq_backups_service_server_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_puq_backups_service")),
        sa.UniqueConstraint("server_id", "active_vmid", name=op.f("uq_puq_backups_service_server_id_active_vmid")),
        sa.UniqueConstraint("token", name=op.f("uq_puq_backups_service_token")),
    )
    with op.batch_alter_table("puq_backups_service", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_puq_backups_service_client_id"), ["client_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_puq_backups_service_next_run_at"), ["next_run_at"], unique=False)

    op.create_table(
        "puq_backups_storage",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("server_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=True),
        sa.Column("retention", sa.String(length=190), nullable=True),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("synced_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["server_id"], ["puq_backups_server.id"], name=op.f("fk_puq_backups_storage_server_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_puq_backups_storage")),
        sa.UniqueConstraint("server_id", "name", "node", name=op.f("uq_puq_backups_storage_server_id_name_node")),
    )
    op.create_table(
        "puq_backups_backup",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("server_id", sa.String(length=64), nullable=False),
        sa.Column("operation_id", sa.String(length=64), nullable=True),
        sa.Column("volid", sa.String(length=255), nullable=False),
        sa.Column("storage", sa.String(length=128), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("vmid", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("note", sa.String(length=255), nullable=False),
        sa.Column("slot_date", sa.String(length=10), nullable=True),
        sa.Column("local_date", sa.String(length=10), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("disks", sa.Integer(), nullable=False),
        sa.Column("verification", sa.String(length=16), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.Column("gone_since", MOMENT, nullable=True),
        sa.Column("missing_at", MOMENT, nullable=True),
        sa.Column("removed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["server_id"], ["puq_backups_server.id"], name=op.f("fk_puq_backups_backup_server_id")
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["puq_backups_service.id"], name=op.f("fk_puq_backups_backup_service_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_puq_backups_backup")),
        sa.UniqueConstraint("server_id", "volid", name=op.f("uq_puq_backups_backup_server_id_volid")),
    )
    with op.batch_alter_table("puq_backups_backup", schema=None) as batch_op:
        batch_op.create_index("ix_puq_backups_backup_service", ["service_id", "created_at"], unique=False)

    op.create_table(
        "puq_backups_operation",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("slot_date", sa.String(length=10), nullable=True),
        sa.Column("backup_id", sa.String(length=64), nullable=True),
        sa.Column("note", sa.String(length=255), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=190), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=True),
        sa.Column("reason", sa.JSON(), nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lock", sa.String(length=64), nullable=True),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("storage", sa.String(length=128), nullable=False),
        sa.Column("intent", sa.JSON(), nullable=True),
        sa.Column("upid", sa.String(length=255), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("wake_at", MOMENT, nullable=False),
        sa.Column("rung_at", MOMENT, nullable=True),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("deadline_at", MOMENT, nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("lease_owner", sa.String(length=190), nullable=True),
        sa.ForeignKeyConstraint(
            ["service_id"], ["puq_backups_service.id"], name=op.f("fk_puq_backups_operation_service_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_puq_backups_operation")),
        sa.UniqueConstraint("lock", name=op.f("uq_puq_backups_operation_lock")),
        sa.UniqueConstraint("service_id", "slot_date", name=op.f("uq_puq_backups_operation_service_id_slot_date")),
    )
    with op.batch_alter_table("puq_backups_operation", schema=None) as batch_op:
        batch_op.create_index("ix_puq_backups_operation_due", ["state", "wake_at"], unique=False)
        batch_op.create_index("ix_puq_backups_operation_service", ["service_id", "created_at"], unique=False)


def downgrade() -> None:
    # A table takes its indexes with it; MariaDB lets nobody drop one by itself that a foreign key needs.
    for name in ("operation", "backup", "storage", "service", "server", "mail", "chore", "audit"):
        op.drop_table(f"puq_backups_{name}")
