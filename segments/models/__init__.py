"""Conclusions: judged models, their scores and clusters, segments and who is in them."""

from segments.models.learning import Cluster, ModelArtefact, ModelRun, Score
from segments.models.segments import Membership, MembershipChange, Segment

__all__ = [
    "Cluster",
    "Membership",
    "MembershipChange",
    "ModelArtefact",
    "ModelRun",
    "Score",
    "Segment",
]
