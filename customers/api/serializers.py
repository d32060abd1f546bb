"""The shapes of facts in the API."""

from rest_framework import serializers

from customers.models import Consent, Customer, Event, Identity, Order, OrderLine, Product, Review

ROWS_MOST = 1_000  # of one writing call


class IdentitySerializer(serializers.ModelSerializer):
    class Meta:
        model = Identity
        fields = ("kind", "source", "value")


class CustomerSerializer(serializers.ModelSerializer):
    identities = IdentitySerializer(many=True, read_only=True)

    class Meta:
        model = Customer
        fields = (
            "id",
            "source",
            "email",
            "phone",
            "first_name",
            "last_name",
            "language",
            "time_zone",
            "country",
            "birth_date",
            "traits",
            "identities",
            "happened_at",
            "recorded_at",
            "changed_at",
            "erased_at",
        )


class ProductSerializer(serializers.ModelSerializer):
    class Meta:
        model = Product
        fields = (
            "id",
            "source",
            "external_id",
            "name",
            "kind",
            "category",
            "brand",
            "price",
            "currency",
            "url",
            "image_url",
            "is_available",
            "properties",
            "happened_at",
            "recorded_at",
        )


class OrderLineSerializer(serializers.ModelSerializer):
    product = serializers.CharField(source="product.external_id", help_text="Its external id")

    class Meta:
        model = OrderLine
        fields = ("position", "product", "title", "quantity", "unit_price", "discount")


class OrderSerializer(serializers.ModelSerializer):
    lines = OrderLineSerializer(many=True, read_only=True)

    class Meta:
        model = Order
        fields = (
            "id",
            "source",
            "external_id",
            "customer_id",
            "kind",
            "status",
            "total",
            "discount",
            "currency",
            "coupon_code",
            "country",
            "properties",
            "lines",
            "happened_at",
            "recorded_at",
        )


class EventSerializer(serializers.ModelSerializer):
    class Meta:
        model = Event
        fields = (
            "id",
            "source",
            "message_id",
            "customer_id",
            "anonymous_id",
            "name",
            "properties",
            "happened_at",
            "recorded_at",
        )


class ReviewSerializer(serializers.ModelSerializer):
    class Meta:
        model = Review
        fields = (
            "id",
            "source",
            "external_id",
            "customer_id",
            "product_id",
            "rating",
            "is_recommended",
            "title",
            "text",
            "happened_at",
            "recorded_at",
        )


class ConsentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Consent
        fields = (
            "id",
            "customer_id",
            "channel",
            "topic",
            "is_granted",
            "source",
            "proof_text",
            "proof_url",
            "happened_at",
            "recorded_at",
        )


class WriteSerializer(serializers.Serializer):
    """Rows of one source.  Their columns are those of the import files, see docs/import.md."""

    source = serializers.RegexField(r"^[\w.-]{1,40}$", help_text="The storefront or connector")
    rows = serializers.ListField(
        child=serializers.DictField(), min_length=1, max_length=ROWS_MOST, help_text="1 to 1,000"
    )


class RejectionSerializer(serializers.Serializer):
    row = serializers.IntegerField(help_text="Its index in the call, from 0")
    field = serializers.CharField()
    value = serializers.CharField()
    reason = serializers.CharField()


class WrittenSerializer(serializers.Serializer):
    """What became of the rows; rejected ones name their reason, all others are stored."""

    inserted = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = RejectionSerializer(many=True)
