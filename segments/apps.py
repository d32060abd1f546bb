"""Conclusions about customers."""

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.db.models.signals import post_migrate

from customers.signals import base_changed, customers_changed
from rapport import bells


def enqueue_refresh(sender: object, customer_ids: list[int], cause: str, **_: object) -> None:
    from segments.tasks import refresh_customers

    bells.enqueue(refresh_customers, customer_ids, cause)


def enqueue_refresh_all(sender: object, cause: str, **_: object) -> None:
    from segments.tasks import refresh_all

    bells.enqueue(refresh_all, cause)


def create_ready_made(apps: Apps = installed, **_: object) -> None:
    """Give a new installation its ready-made segments; runs after every migration.

    A flush, which sends the same signal, names no ``apps``.
    """
    from django.utils import timezone

    from segments.services import segments

    migrated = {model._meta.label for model in apps.get_models()}
    if {"segments.Segment", "rapport.AuditEntry"} <= migrated:  # not so while going back to zero
        segments.create_ready_made(now=timezone.now())


class SegmentsConfig(AppConfig):
    name = "segments"

    def ready(self) -> None:
        from customers.services import conclusions, identity
        from segments import privacy
        from segments.services import membership

        privacy.register()
        conclusions.register(membership.conclude)
        # Memberships and scores are computed again, for both customers of a merge are touched.
        identity.register_mover("segments", [("segments_listmember", "customer_id", ("list_id",))])
        self._join_pages()
        post_migrate.connect(create_ready_made, sender=self, dispatch_uid="segments.ready_made")
        customers_changed.connect(enqueue_refresh, dispatch_uid="segments.refresh")
        base_changed.connect(enqueue_refresh_all, dispatch_uid="segments.refresh_all")

    def _join_pages(self) -> None:
        """Add what segments knows to the pages of the apps above."""
        from customers.web import features, filters
        from rapport.web import dashboard, panels, search
        from segments.web import feature_uses, finders, home, webhooks
        from segments.web import panels as own

        may, may_score = "segments.view_segment", "segments.view_score"
        dashboard.register(home.segments, key="segments", order=30, permission=may)
        dashboard.register(home.models, key="models", order=40, permission="segments.view_modelrun")
        may_tell = "segments.view_webhookendpoint"
        dashboard.register(webhooks.home, key="webhooks", order=45, permission=may_tell)
        panels.register(own.scores, key="scores", order=30, permission=may_score)
        panels.register(own.segments, key="segments", order=40, permission=may)
        search.register(finders.segments, key="segments", permission=may)
        one = filters.Filter("segment", "Segment", may, finders.options, finders.members)
        filters.register(one)
        features.register_uses(feature_uses.uses)
