"""Take an erased person out of what models keep, and have them trained anew without her.

What is kept of a training are sums, coefficients and counts, with two exceptions: density clusters
keep the feature rows of customers as reference points, and a clustering's card keeps points of its
map.  Neither has an id.  Her reference point is found by computing her row once more, and goes; the
map goes as a whole, until the next training draws one.
"""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from django.db import transaction
from django.db.models import Min

from customers.features.table import features
from customers.models import Event, Order
from customers.services import frames
from segments.models import ModelRun
from segments.services import artefacts, model_runs
from segments.services.artefacts import ArtefactRefused

CLOSE = 1e-6  # of scaled features: the same row computed twice
PARTS = ("serving", "judged")


def forget(customer_id: int) -> int:
    """Blank her rows in stored models and mark what learnt from her; how many rows were blanked.

    Call it while her facts are still hers: who was never learnt from marks nothing, and so a second
    call does neither.
    """
    since = _known_since(customer_id)
    if since is None:
        return 0
    with transaction.atomic():
        model_runs.note_erased(since=since)
        found = ModelRun.objects.filter(kind=ModelRun.Kind.CLUSTERS, as_of__gt=since)
        blanked = 0
        for run in found.filter(artefact__isnull=False).order_by("pk"):
            model_runs.blank_map(run)
            if "dbscan" in run.method.lower():
                blanked += _blank_reference(run, customer_id)
    return blanked


def _known_since(customer_id: int) -> datetime | None:
    firsts = [
        model.objects.filter(customer_id=customer_id).aggregate(at=Min("happened_at"))["at"]
        for model in (Order, Event)
    ]
    return min((at for at in firsts if at is not None), default=None)


def _blank_reference(run: ModelRun, customer_id: int) -> int:
    facts = frames.facts(known_at=run.as_of, customer_ids=[customer_id], with_events=True)
    row = features(facts, run.as_of)
    try:
        stored = {part: artefacts.load(run, part=part) for part in PARTS}
    except ArtefactRefused:  # nothing of it is ever used
        return 0
    blanked = sum(_without(estimator, row) for estimator in stored.values())
    if blanked:
        artefacts.store(run, stored["serving"], judged=stored["judged"])
    return blanked


def _without(estimator: Any, row: pd.DataFrame) -> int:
    """Drop the reference points that are this row; how many.  A split cluster keeps its whole."""
    dropped = 0
    for one in (estimator, *vars(estimator).values()) if len(row) and estimator is not None else ():
        if not hasattr(one, "references_"):
            continue
        is_hers = np.abs(one.references_ - one.scaler_.transform(row)).max(axis=1) < CLOSE
        if is_hers.all():  # its only point: it could not say anything without
            continue
        one.references_ = one.references_[~is_hers]
        one.reference_places_ = one.reference_places_[~is_hers]
        dropped += int(is_hers.sum())
    return dropped
