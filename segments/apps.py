"""Conclusions about customers."""

from django.apps import AppConfig

from customers.signals import base_changed, customers_changed
from rapport import bells


def enqueue_refresh(sender: object, customer_ids: list[int], cause: str, **_: object) -> None:
    from segments.tasks import refresh_customers

    bells.enqueue(refresh_customers, customer_ids, cause)


def enqueue_refresh_all(sender: object, cause: str, **_: object) -> None:
    from segments.tasks import refresh_all

    bells.enqueue(refresh_all, cause)


class SegmentsConfig(AppConfig):
    name = "segments"

    def ready(self) -> None:
        from segments import privacy

        privacy.register()
        customers_changed.connect(enqueue_refresh, dispatch_uid="segments.refresh")
        base_changed.connect(enqueue_refresh_all, dispatch_uid="segments.refresh_all")
