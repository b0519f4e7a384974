"""An index that answers by itself which save of a rater's is the newest of each assignment, and whether they agreed."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("event_of_rater", "event", ["rater", "kind", "assignment", "id"])
    op.drop_index("event_of_assignment", "event")


def downgrade() -> None:
    raise NotImplementedError("answers are never thrown away: restore a backup instead")
