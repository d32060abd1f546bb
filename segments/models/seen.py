"""Words that facts hold, kept so that whoever builds a segment need not know them by heart."""

from django.db import models


class SeenValue(models.Model):
    """One word seen in the facts, and how often: the name of an event, of a trait, a country.

    Of values people carry, only those that several share are kept, and all are counted afresh.
    """

    kind = models.CharField(max_length=20)  # see `segments.services.suggest`
    of = models.CharField(max_length=200, blank=True)  # the event of a property, the trait of …
    value = models.CharField(max_length=300)
    times = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "of", "value"], name="one_row_per_seen_value")
        ]

    def __str__(self) -> str:
        return self.value
