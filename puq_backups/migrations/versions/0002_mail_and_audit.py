"""Create the tables of mails, mail templates, audit and periodic work."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import DATETIME

from puq_backups.migrations.table_options import TABLE_OPTIONS

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Without fsp MariaDB drops the fraction of a second.
UTC_DATETIME = sa.DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Create the tables of mails, templates, the audit and periodic work."""
    _create_audit()
    _create_chore()
    _create_email_template()
    _create_mail()
    _create_set_aside()
    _create_trouble()


def _create_audit() -> None:
    op.create_table(
        "puq_backups_audit",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("at", UTC_DATETIME, nullable=False),
        sa.Column("service_id", sa.String(64), nullable=True),
        sa.Column("operation_id", sa.String(64), nullable=True),
        sa.Column("actor", sa.String(190), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_puq_backups_audit"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_puq_backups_audit_action", "puq_backups_audit", ["action", "at"])
    op.create_index("ix_puq_backups_audit_actor", "puq_backups_audit", ["actor", "at"])
    op.create_index("ix_puq_backups_audit_at", "puq_backups_audit", ["at"])
    op.create_index("ix_puq_backups_audit_service", "puq_backups_audit", ["service_id", "at"])


def _create_chore() -> None:
    op.create_table(
        "puq_backups_chore",
        sa.Column("name", sa.String(190), nullable=False),
        sa.Column("due_at", UTC_DATETIME, nullable=False),
        sa.Column("last_run_at", UTC_DATETIME, nullable=True),
        sa.Column("last_error", sa.JSON(), nullable=True),
        sa.Column("lease_owner", sa.String(190), nullable=True),
        sa.Column("lease_until", UTC_DATETIME, nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_puq_backups_chore"),
        **TABLE_OPTIONS,
    )


def _create_email_template() -> None:
    op.create_table(
        "puq_backups_email_template",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("changed_at", UTC_DATETIME, nullable=False),
        sa.Column("changed_by", sa.String(190), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_puq_backups_email_template"),
        sa.UniqueConstraint("name", "locale", name="uq_puq_backups_email_template_name_locale"),
        **TABLE_OPTIONS,
    )


def _create_mail() -> None:
    op.create_table(
        "puq_backups_mail",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("event", sa.String(190), nullable=False),
        sa.Column("service_id", sa.String(64), nullable=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("folder", sa.String(64), nullable=False),
        sa.Column("recipient", sa.String(255), nullable=False),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(255), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("created_at", UTC_DATETIME, nullable=False),
        sa.Column("wake_at", UTC_DATETIME, nullable=False),
        sa.Column("sent_at", UTC_DATETIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_puq_backups_mail"),
        sa.UniqueConstraint("event", name="uq_puq_backups_mail_event"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_puq_backups_mail_created_at", "puq_backups_mail", ["created_at"])
    op.create_index("ix_puq_backups_mail_due", "puq_backups_mail", ["state", "wake_at"])
    op.create_index("ix_puq_backups_mail_of_state", "puq_backups_mail", ["state", "created_at"])


def _create_set_aside() -> None:
    op.create_table(
        "puq_backups_set_aside",
        sa.Column("work", sa.String(24), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("service_id", sa.String(64), nullable=True),
        sa.Column("reason", sa.JSON(), nullable=False),
        sa.Column("since", UTC_DATETIME, nullable=False),
        sa.Column("again_at", UTC_DATETIME, nullable=False),
        sa.PrimaryKeyConstraint("work", "key", name="pk_puq_backups_set_aside"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_puq_backups_set_aside_service_id", "puq_backups_set_aside", ["service_id"])


def _create_trouble() -> None:
    op.create_table(
        "puq_backups_trouble",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("server_id", sa.String(64), nullable=True),
        sa.Column("service_id", sa.String(64), nullable=True),
        sa.Column("reason", sa.JSON(), nullable=False),
        sa.Column("since", UTC_DATETIME, nullable=False),
        sa.Column("seen_at", UTC_DATETIME, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_puq_backups_trouble"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_puq_backups_trouble_server_id", "puq_backups_trouble", ["server_id"])
    op.create_index("ix_puq_backups_trouble_service_id", "puq_backups_trouble", ["service_id"])


def downgrade() -> None:
    """Drop these tables with their rows."""
    # DROP TABLE drops the indexes too; MariaDB refuses to drop an index alone while a foreign key needs it.
    for name in ("trouble", "set_aside", "mail", "email_template", "chore", "audit"):
        op.drop_table(f"puq_backups_{name}")
