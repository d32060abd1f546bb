"""How lists of facts can be narrowed."""

import django_filters as filters

from customers.models import Consent, Customer, Event, Order, Product, Review


class Happened(filters.FilterSet):
    happened_after = filters.IsoDateTimeFilter(field_name="happened_at", lookup_expr="gte")
    happened_before = filters.IsoDateTimeFilter(field_name="happened_at", lookup_expr="lt")


class CustomerFilter(Happened):
    email = filters.CharFilter(field_name="email", lookup_expr="iexact")
    external_id = filters.CharFilter(method="by_external_id")
    changed_after = filters.IsoDateTimeFilter(field_name="changed_at", lookup_expr="gte")

    class Meta:
        model = Customer
        fields = ("country", "language", "source")

    def by_external_id(self, queryset, _name: str, value: str):
        return queryset.filter(identities__kind="external", identities__value=value)


class ProductFilter(filters.FilterSet):
    class Meta:
        model = Product
        fields = ("source", "external_id", "kind", "category", "brand", "is_available")


class OrderFilter(Happened):
    customer_id = filters.NumberFilter(field_name="customer_id")

    class Meta:
        model = Order
        fields = ("source", "external_id", "kind", "status", "coupon_code")


class EventFilter(Happened):
    customer_id = filters.NumberFilter(field_name="customer_id")

    class Meta:
        model = Event
        fields = ("source", "name")


class ReviewFilter(Happened):
    customer_id = filters.NumberFilter(field_name="customer_id")

    class Meta:
        model = Review
        fields = ("source", "rating")


class ConsentFilter(Happened):
    customer_id = filters.NumberFilter(field_name="customer_id")

    class Meta:
        model = Consent
        fields = ("channel", "topic", "is_granted")
