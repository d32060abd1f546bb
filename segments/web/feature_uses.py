"""Which serving models use which feature, for the catalogue of features."""

from django.urls import reverse

from rapport.web.dashboard import Link
from segments.models import ModelRun
from segments.web.features import run_label

SERVING = (ModelRun.State.LIVE, ModelRun.State.FALLBACK)


def uses() -> dict[str, list[Link]]:
    """The cards of models that serve now, by the features these name; one query."""
    found: dict[str, list[Link]] = {}
    runs = ModelRun.objects.filter(state__in=SERVING).only("kind", "subject", "card")
    serving: dict[tuple[str, str], ModelRun] = {}
    for run in runs.order_by("-state", "-id"):  # live before rules of thumb, and the newest first
        serving.setdefault((run.kind, run.subject), run)
    for run in serving.values():
        for feature in run.card.get("features", []):
            link = Link(run_label(run), reverse("model", args=[run.pk]))
            found.setdefault(feature["name"], []).append(link)
    return found
