"""Bells of customers, rung on commit.  Receivers only enqueue; a lost ring costs seconds."""

from django.dispatch import Signal

# customer_ids: list[int], at most BATCH_IDS of them; cause: "event" | "import" | "consent" | "edit"
customers_changed = Signal()

# cause, as above: so many changed that asking everybody again is cheaper
base_changed = Signal()

BATCH_IDS = 1_000
RING_EACH_UP_TO = 5_000  # customers; above it base_changed rings once instead
