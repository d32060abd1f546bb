"""What is kept of each scoring of everybody: how scores are spread, and where top shares begin.
The only module that writes ScoreSummary.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from segments.models import ModelRun, ScoreSummary
from segments.services.spread import Spread

COLUMNS = ["run", "n", "mean", "bands", "edges", "counts", "cuts"]
# As `top_share` says: the smallest value that fewer than this share of all are above.
CUT = """SELECT t.value FROM segments_score t WHERE t.name = %(name)s ORDER BY t.value DESC
OFFSET (SELECT greatest(ceil(%(share)s * count(*)) - 1, 0)::bigint
    FROM segments_score t WHERE t.name = %(name)s) LIMIT 1"""
# Of two that ask first the later one takes what the earlier one wrote.
KEEP = """UPDATE segments_scoresummary SET cuts = cuts || jsonb_build_object(%(key)s, %(value)s)
WHERE id = %(id)s AND NOT cuts ? %(key)s"""


def write(run: ModelRun, spread: Spread, names: list[str], *, now: datetime) -> None:
    """Say how the scores of each name are spread; that nobody was scored is worth a row as well.

    Again at the same moment it takes the place of the row there was.
    """
    found = spread.rows()
    nobody: dict[str, Any] = {"n": 0, "mean": None, "bands": {}, "edges": [], "counts": []}
    ScoreSummary.objects.filter(name__in=names, as_of=now).delete()
    ScoreSummary.objects.bulk_create(
        ScoreSummary(name=name, run=run, as_of=now, **found.get(name, nobody)) for name in names
    )


def cut(name: str, share: Decimal) -> float | None:
    """The least value that is among the top share of these scores; None where there are none.

    Worked out once a scoring of everybody and then kept: whatever single scores do meanwhile, the
    same number decides for everyone, whenever she is asked about.
    """
    newest = ScoreSummary.objects.filter(name=name).order_by("-as_of")
    key = f"{share.normalize():f}"
    kept = newest.values_list("pk", "cuts").first()
    if kept is not None and key in kept[1]:
        return float(kept[1][key])
    with connection.cursor() as cursor:
        cursor.execute(CUT, {"name": name, "share": share})
        row = cursor.fetchone()
        if row is None or kept is None:
            return row[0] if row else None
        cursor.execute(KEEP, {"id": kept[0], "key": key, "value": row[0]})
    cuts: dict[str, float] = newest.values_list("cuts", flat=True).get(pk=kept[0])
    return float(cuts[key])
