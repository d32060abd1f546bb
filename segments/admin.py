"""Conclusions to look into, for operators; they are written by services alone."""

from django.contrib import admin

from rapport.admin import ReadOnlyAdmin
from segments.models import Cluster, Membership, MembershipChange, ModelRun, Score, Segment


@admin.register(Segment)
class SegmentAdmin(ReadOnlyAdmin):
    list_display = ("name", "key", "state", "members_count", "rule_version", "refreshed_at")
    list_filter = ("state", "is_ready_made")
    search_fields = ("key", "name")


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    list_display = ("segment_id", "customer_id", "entered_at", "rule_version")
    search_fields = ("customer__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("segment", "customer")


@admin.register(MembershipChange)
class MembershipChangeAdmin(ReadOnlyAdmin):
    list_display = ("segment_id", "customer_id", "kind", "cause", "happened_at", "rule_version")
    list_filter = ("kind", "cause")
    search_fields = ("customer__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("segment", "customer")


@admin.register(ModelRun)
class ModelRunAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "kind", "state", "method", "n_customers", "as_of", "promoted_at")
    list_filter = ("kind", "state")
    search_fields = ("id__exact", "method")
    ordering = ("-id",)


@admin.register(Cluster)
class ClusterAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "run_id", "key", "state", "size", "decided_at")
    list_filter = ("state",)
    search_fields = ("name", "proposed_name")
    ordering = ("-run_id", "-size", "-id")


@admin.register(Score)
class ScoreAdmin(ReadOnlyAdmin):
    list_display = ("name", "customer_id", "value", "band", "run_id", "as_of")
    list_filter = ("name", "band")
    search_fields = ("customer__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("customer", "run")
