"""Whose facts changed in which transaction, so that copies can tell what they have not seen."""

from typing import Any

from django.db import models
from django.db.models.expressions import Func


class TransactionIdField(models.Field):
    """PostgreSQL's full transaction id (``xid8``), which never wraps; read as text."""

    def db_type(self, connection: Any) -> str:
        return "xid8"


class Touch(models.Model):
    """One transaction changed the facts of one customer, or of so many that none is named.

    Append-only, and written by that same transaction: so a reader who cannot see this row yet
    cannot see the facts either, and the other way round.
    """

    customer_id = models.BigIntegerField(null=True)  # null: anybody
    xid = TransactionIdField(
        db_default=Func(function="pg_current_xact_id", output_field=TransactionIdField())
    )
    touched_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "touches"
        indexes = [models.Index(fields=["xid"], name="touch_by_transaction")]

    def __str__(self) -> str:
        return f"{'anybody' if self.customer_id is None else self.customer_id} by {self.xid}"


class TouchReader(models.Model):
    """Somebody who still needs the touches of this transaction and of all later ones."""

    name = models.CharField(max_length=120, unique=True)
    needs_from = TransactionIdField()
    seen_at = models.DateTimeField()  # of one not seen for long nothing is kept any more

    def __str__(self) -> str:
        return self.name
