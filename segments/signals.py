"""Bells of segments, rung on commit.  Receivers only enqueue; a lost ring costs seconds."""

from django.dispatch import Signal

# segment_id: int, customer_ids: list[int], cause: str
entered = Signal()
exited = Signal()
