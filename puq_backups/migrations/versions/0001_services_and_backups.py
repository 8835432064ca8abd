"""Create the tables of servers, storages, services, operations and backups."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import DATETIME

from puq_backups.migrations.table_options import TABLE_OPTIONS

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Without fsp MariaDB drops the fraction of a second.
UTC_DATETIME = sa.DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Create the tables of servers, services, storages, backups and operations."""
    _create_server()
    _create_hidden_volume()
    _create_service()
    _create_storage()
    _create_backup()
    _create_operation()


def _create_server() -> None:
    op.create_table(
        "puq_backups_server",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("hosts", sa.String(255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("token_id", sa.String(190), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.String(2000), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_puq_backups_server"),
        sa.UniqueConstraint("hosts", "port", "token_id", name="uq_puq_backups_server_hosts_port_token_id"),
        **TABLE_OPTIONS,
    )


def _create_hidden_volume() -> None:
    op.create_table(
        "puq_backups_hidden_volume",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("server_id", sa.String(64), nullable=False),
        sa.Column("volid", sa.String(255), nullable=False),
        sa.Column("hidden_at", UTC_DATETIME, nullable=False),
        sa.Column("hidden_by", sa.String(190), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"], ["puq_backups_server.id"], name="fk_puq_backups_hidden_volume_server_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_puq_backups_hidden_volume"),
        sa.UniqueConstraint("server_id", "volid", name="uq_puq_backups_hidden_volume_server_id_volid"),
        **TABLE_OPTIONS,
    )


def _create_service() -> None:
    op.create_table(
        "puq_backups_service",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("server_id", sa.String(64), nullable=False),
        sa.Column("vmid", sa.Integer(), nullable=False),
        sa.Column("active_vmid", sa.Integer(), nullable=True),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("vm_identity", sa.String(120), nullable=False),
        sa.Column("machine", sa.String(190), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("terminated_at", UTC_DATETIME, nullable=True),
        sa.Column("created_at", UTC_DATETIME, nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("client", sa.JSON(), nullable=False),
        sa.Column("package", sa.JSON(), nullable=False),
        sa.Column("quota", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("schedule", sa.JSON(), nullable=False),
        sa.Column("slots_from", UTC_DATETIME, nullable=True),
        sa.Column("next_run_at", UTC_DATETIME, nullable=True),
        sa.Column("next_run_date", sa.String(10), nullable=True),
        sa.Column("protection", sa.String(16), nullable=False),
        sa.Column("protection_reason", sa.JSON(), nullable=True),
        sa.Column("protection_since", UTC_DATETIME, nullable=True),
        sa.Column("protection_changes_at", UTC_DATETIME, nullable=True),
        sa.Column("last_good_at", UTC_DATETIME, nullable=True),
        sa.Column("unprotected_told_at", UTC_DATETIME, nullable=True),
        sa.Column("vm_name", sa.String(255), nullable=False),
        sa.Column("vm_status", sa.String(16), nullable=False),
        sa.Column("vm_lock", sa.String(32), nullable=False),
        sa.Column("vm_seen_at", UTC_DATETIME, nullable=True),
        sa.Column("vm_lock_told_at", UTC_DATETIME, nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("problem_since", UTC_DATETIME, nullable=True),
        sa.Column("restore_failed", sa.String(64), nullable=True),
        sa.Column("vm_lease_until", UTC_DATETIME, nullable=True),
        sa.Column("vm_lease_owner", sa.String(190), nullable=True),
        sa.ForeignKeyConstraint(["server_id"], ["puq_backups_server.id"], name="fk_puq_backups_service_server_id"),
        sa.PrimaryKeyConstraint("id", name="pk_puq_backups_service"),
        sa.UniqueConstraint("server_id", "active_vmid", name="uq_puq_backups_service_server_id_active_vmid"),
        sa.UniqueConstraint("token", name="uq_puq_backups_service_token"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_puq_backups_service_client_id", "puq_backups_service", ["client_id"])
    op.create_index("ix_puq_backups_service_created_at", "puq_backups_service", ["created_at"])
    op.create_index("ix_puq_backups_service_counted", "puq_backups_service", ["status", "protection", "last_good_at"])
    op.create_index("ix_puq_backups_service_next_run_at", "puq_backups_service", ["next_run_at"])
    op.create_index("ix_puq_backups_service_problem_since", "puq_backups_service", ["problem_since"])
    op.create_index("ix_puq_backups_service_protection", "puq_backups_service", ["protection", "id"])
    op.create_index("ix_puq_backups_service_protection_changes_at", "puq_backups_service", ["protection_changes_at"])
    op.create_index("ix_puq_backups_service_restore_failed", "puq_backups_service", ["restore_failed"])
    op.create_index("ix_puq_backups_service_terminated", "puq_backups_service", ["status", "terminated_at"])


def _create_storage() -> None:
    op.create_table(
        "puq_backups_storage",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("server_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("nodes", sa.Text(), nullable=False),
        sa.Column("trouble", sa.String(16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("backup_count", sa.Integer(), nullable=True),
        sa.Column("backup_bytes", sa.BigInteger(), nullable=True),
        sa.Column("retention", sa.String(190), nullable=True),
        sa.Column("seen_at", UTC_DATETIME, nullable=False),
        sa.Column("active_at", UTC_DATETIME, nullable=True),
        sa.Column("unseen", sa.Boolean(), nullable=False),
        sa.Column("given_up_at", UTC_DATETIME, nullable=True),
        sa.Column("synced_at", UTC_DATETIME, nullable=True),
        sa.Column("last_asked", sa.String(255), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["server_id"], ["puq_backups_server.id"], name="fk_puq_backups_storage_server_id"),
        sa.PrimaryKeyConstraint("id", name="pk_puq_backups_storage"),
        sa.UniqueConstraint("server_id", "name", "node", name="uq_puq_backups_storage_server_id_name_node"),
        **TABLE_OPTIONS,
    )


def _create_backup() -> None:
    op.create_table(
        "puq_backups_backup",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("service_id", sa.String(64), nullable=False),
        sa.Column("server_id", sa.String(64), nullable=False),
        sa.Column("operation_id", sa.String(64), nullable=True),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("machine", sa.String(190), nullable=False),
        sa.Column("volid", sa.String(255), nullable=False),
        sa.Column("storage", sa.String(128), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("vmid", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("note", sa.String(255), nullable=False),
        sa.Column("slot_date", sa.String(10), nullable=True),
        sa.Column("local_date", sa.String(10), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("disks", sa.Integer(), nullable=False),
        sa.Column("verification", sa.String(16), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTC_DATETIME, nullable=False),
        sa.Column("expires_at", UTC_DATETIME, nullable=True),
        sa.Column("seen_at", UTC_DATETIME, nullable=True),
        sa.Column("gone_since", UTC_DATETIME, nullable=True),
        sa.Column("missing_at", UTC_DATETIME, nullable=True),
        sa.Column("removed_at", UTC_DATETIME, nullable=True),
        sa.Column("gone_at", UTC_DATETIME, nullable=True),
        sa.Column("released_at", UTC_DATETIME, nullable=True),
        sa.Column("binned_until", UTC_DATETIME, nullable=True),
        sa.Column("damaged_at", UTC_DATETIME, nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["server_id"], ["puq_backups_server.id"], name="fk_puq_backups_backup_server_id"),
        sa.ForeignKeyConstraint(["service_id"], ["puq_backups_service.id"], name="fk_puq_backups_backup_service_id"),
        sa.PrimaryKeyConstraint("id", name="pk_puq_backups_backup"),
        sa.UniqueConstraint("server_id", "volid", name="uq_puq_backups_backup_server_id_volid"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_puq_backups_backup_binned_until", "puq_backups_backup", ["binned_until"])
    op.create_index("ix_puq_backups_backup_removed_at", "puq_backups_backup", ["removed_at"])
    op.create_index("ix_puq_backups_backup_expires_at", "puq_backups_backup", ["expires_at"])
    op.create_index("ix_puq_backups_backup_of_service", "puq_backups_backup", ["service_id", "created_at"])


def _create_operation() -> None:
    op.create_table(
        "puq_backups_operation",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("service_id", sa.String(64), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("slot_date", sa.String(10), nullable=True),
        sa.Column("backup_id", sa.String(64), nullable=True),
        sa.Column("note", sa.String(255), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(190), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("step", sa.String(40), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=True),
        sa.Column("reason", sa.JSON(), nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("lock", sa.String(64), nullable=True),
        sa.Column("server_id", sa.String(64), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("storage", sa.String(128), nullable=False),
        sa.Column("intent", sa.JSON(), nullable=True),
        sa.Column("upid", sa.String(255), nullable=True),
        sa.Column("created_at", UTC_DATETIME, nullable=False),
        sa.Column("due_at", UTC_DATETIME, nullable=False),
        sa.Column("wake_at", UTC_DATETIME, nullable=False),
        sa.Column("enqueued_at", UTC_DATETIME, nullable=True),
        sa.Column("started_at", UTC_DATETIME, nullable=True),
        sa.Column("finished_at", UTC_DATETIME, nullable=True),
        sa.Column("deadline_at", UTC_DATETIME, nullable=True),
        sa.Column("lease_until", UTC_DATETIME, nullable=True),
        sa.Column("lease_owner", sa.String(190), nullable=True),
        sa.ForeignKeyConstraint(
            ["service_id"], ["puq_backups_service.id"], name="fk_puq_backups_operation_service_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_puq_backups_operation"),
        sa.UniqueConstraint("lock", name="uq_puq_backups_operation_lock"),
        sa.UniqueConstraint("service_id", "slot_date", name="uq_puq_backups_operation_service_id_slot_date"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_puq_backups_operation_due", "puq_backups_operation", ["state", "wake_at"])
    op.create_index("ix_puq_backups_operation_ended", "puq_backups_operation", ["state", "finished_at"])
    op.create_index("ix_puq_backups_operation_queue", "puq_backups_operation", ["state", "server_id", "node"])
    op.create_index("ix_puq_backups_operation_served", "puq_backups_operation", ["server_id", "node", "started_at"])
    op.create_index("ix_puq_backups_operation_service", "puq_backups_operation", ["service_id", "created_at"])


def downgrade() -> None:
    """Drop these tables with their rows."""
    # DROP TABLE drops the indexes too; MariaDB refuses to drop an index alone while a foreign key needs it.
    for name in ("operation", "backup", "storage", "service", "hidden_volume", "server"):
        op.drop_table(f"puq_backups_{name}")
