"""Facts to look into, for operators; they are written by services alone."""

from django.contrib import admin

from customers.models import (
    Consent,
    Customer,
    Event,
    Identity,
    Order,
    OrderLine,
    Product,
    Review,
    Suppression,
)
from rapport.admin import ReadOnlyAdmin


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "email", "country", "source", "happened_at", "erased_at")
    search_fields = ("id__exact", "email__iexact")
    ordering = ("-happened_at", "-id")


@admin.register(Identity)
class IdentityAdmin(ReadOnlyAdmin):
    list_display = ("kind", "source", "value", "customer_id", "recorded_at")
    search_fields = ("value__exact",)
    ordering = ("-id",)
    raw_id_fields = ("customer",)


@admin.register(Product)
class ProductAdmin(ReadOnlyAdmin):
    list_display = ("external_id", "name", "kind", "price", "currency", "is_available", "source")
    list_filter = ("kind", "is_available")
    search_fields = ("external_id", "name")
    ordering = ("name", "id")


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ("external_id", "kind", "status", "total", "currency", "customer_id", "source")
    search_fields = ("external_id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("customer",)


@admin.register(OrderLine)
class OrderLineAdmin(ReadOnlyAdmin):
    list_display = ("order_id", "position", "product_id", "quantity", "unit_price", "discount")
    search_fields = ("order__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("order", "product")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("name", "customer_id", "source", "message_id", "happened_at", "recorded_at")
    search_fields = ("customer__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("customer",)


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    list_display = ("external_id", "rating", "title", "customer_id", "product_id", "happened_at")
    search_fields = ("external_id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("customer", "product")


@admin.register(Consent)
class ConsentAdmin(ReadOnlyAdmin):
    list_display = ("customer_id", "channel", "topic", "is_granted", "source", "happened_at")
    search_fields = ("customer__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("customer",)


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin):
    list_display = ("hint", "channel", "reason", "source", "happened_at")
    list_filter = ("reason", "channel")
    search_fields = ("hint", "address_sha256__exact")
    ordering = ("-id",)
