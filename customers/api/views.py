"""Facts: lists to read, and a call to write up to 1,000 rows through the import services."""

from dataclasses import asdict
from typing import ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.api import filters, merges, serializers
from customers.models import Consent, Customer, Event, Order, Product, Review
from customers.services import privacy, records
from rapport.access import audit
from rapport.api.idempotency import idempotent


def _may(noun: str, model: str, change: str = "change_customer") -> dict:
    """Scopes of keys and permissions of people for reading and writing one noun."""
    return {
        "scopes": {"GET": f"{noun}:read", "POST": f"{noun}:write"},
        "permissions": {"GET": f"customers.view_{model}", "POST": f"customers.{change}"},
    }


class Facts(generics.ListAPIView):
    """List facts, the newest first, or write up to 1,000 of them."""

    kind: ClassVar[str] = ""  # the import's word
    scopes: ClassVar[dict] = {}
    permissions: ClassVar[dict] = {}

    @extend_schema(request=serializers.WriteSerializer, responses=serializers.WrittenSerializer)
    @idempotent
    def post(self, request: Request) -> Response:
        """Store rows of one source; a repeated row changes nothing, a bad one is named."""
        given = serializers.WriteSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        report = records.upsert(
            self.kind,
            given.validated_data["rows"],
            source=given.validated_data["source"],
            now=timezone.now(),
        )
        return Response(serializers.WrittenSerializer(asdict(report)).data)


class Customers(Facts):
    kind = "customers"
    queryset = Customer.objects.prefetch_related("identities")
    serializer_class = serializers.CustomerSerializer
    filterset_class = filters.CustomerFilter
    scopes, permissions = _may("customers", "customer").values()


class Products(Facts):
    kind = "products"
    queryset = Product.objects.all()
    serializer_class = serializers.ProductSerializer
    filterset_class = filters.ProductFilter
    scopes, permissions = _may("products", "product").values()


class Orders(Facts):
    kind = "orders"
    queryset = Order.objects.prefetch_related("lines__product")
    serializer_class = serializers.OrderSerializer
    filterset_class = filters.OrderFilter
    scopes, permissions = _may("orders", "order").values()


class Events(Facts):
    kind = "events"
    queryset = Event.objects.all()
    serializer_class = serializers.EventSerializer
    filterset_class = filters.EventFilter
    scopes, permissions = _may("events", "event").values()


class Reviews(Facts):
    kind = "reviews"
    queryset = Review.objects.all()
    serializer_class = serializers.ReviewSerializer
    filterset_class = filters.ReviewFilter
    scopes, permissions = _may("events", "review").values()


class Consents(Facts):
    kind = "consent"
    queryset = Consent.objects.all()
    serializer_class = serializers.ConsentSerializer
    filterset_class = filters.ConsentFilter
    scopes, permissions = _may("consent", "consent", "add_consent").values()


class CustomerDetail(generics.RetrieveAPIView):
    """One customer; the id of a merged one gives the survivor."""

    scopes = {"GET": "customers:read"}
    permissions = {"GET": "customers.view_customer"}
    queryset = Customer.objects.prefetch_related("identities")
    serializer_class = serializers.CustomerSerializer

    def get_object(self) -> Customer:
        return merges.surviving_object(self.get_queryset(), self.kwargs["pk"])


class _Known(APIView):
    """Something about one customer, who must exist."""

    queryset: QuerySet = Customer.objects.all()

    def customer(self, pk: int) -> Customer:
        return merges.surviving_object(self.queryset, pk)


class CustomerExport(_Known):
    """All personal data of one customer, as machine-readable JSON (GDPR, articles 15 and 20)."""

    scopes = {"GET": "customers:export"}
    permissions = {"GET": "customers.export_customer"}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, pk: int) -> Response:
        customer = self.customer(pk)
        audit(request.user, "customer.exported", f"customer {customer.pk}")
        return Response(privacy.export(customer.pk))


class CustomerErase(_Known):
    """Erase one customer (GDPR, article 17); the answer is the certificate."""

    scopes = {"POST": "customers:erase"}
    permissions = {"POST": "customers.erase_customer"}

    @extend_schema(request=None, responses={200: dict})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        certificate = privacy.erase(self.customer(pk).pk, user=request.user, now=timezone.now())
        return Response(asdict(certificate), status=status.HTTP_200_OK)
