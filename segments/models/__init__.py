"""Conclusions: judged models, their scores and clusters, segments and lists and who is in them."""

from segments.models.learning import Cluster, ModelArtefact, ModelRun, Score
from segments.models.lists import CustomerList, ListMember
from segments.models.seen import SeenValue
from segments.models.segments import Membership, MembershipChange, Recheck, Segment
from segments.models.watching import (
    DriftCheck,
    ForecastPoint,
    LearntApproval,
    ScoreChange,
    ScoreSummary,
)
from segments.models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint

__all__ = [
    "Cluster",
    "CustomerList",
    "DriftCheck",
    "ForecastPoint",
    "LearntApproval",
    "ListMember",
    "Membership",
    "MembershipChange",
    "ModelArtefact",
    "ModelRun",
    "Recheck",
    "Score",
    "ScoreChange",
    "ScoreSummary",
    "SeenValue",
    "Segment",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
]
