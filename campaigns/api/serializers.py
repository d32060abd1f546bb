"""The shapes of campaigns and messages in the API."""

from rest_framework import serializers

from campaigns.models import Campaign, Message, Variant
from campaigns.services import plans, variants
from customers.models.consent import Channel
from segments.models import Segment


class VariantSerializer(serializers.ModelSerializer):
    """One version of what a step says; what is empty is as in the campaign."""

    blocks = serializers.JSONField(required=False, allow_null=True)
    translations = serializers.DictField(child=serializers.DictField(), required=False)

    class Meta:
        model = Variant
        fields = ("id", *variants.FIELDS)


class TriggerSerializer(serializers.Serializer):
    """Who enters a campaign, and when."""

    on = serializers.ChoiceField(choices=plans.TRIGGERS)
    segment = serializers.CharField(required=False, help_text="Key of the segment")
    event = serializers.CharField(required=False, help_text="Name of the event")
    where = serializers.ListField(
        child=serializers.DictField(), required=False, help_text="What its properties must be"
    )


class CampaignSerializer(serializers.ModelSerializer):
    included = serializers.SlugRelatedField(
        "key", many=True, queryset=Segment.objects.all(), required=False
    )
    excluded = serializers.SlugRelatedField(
        "key", many=True, queryset=Segment.objects.all(), required=False
    )
    other_channels = serializers.ListField(
        child=serializers.CharField(max_length=10),
        required=False,
        help_text=f"Of {', '.join(Channel.values)}",
    )
    blocks = serializers.JSONField(required=False, allow_null=True)
    translations = serializers.DictField(
        child=serializers.DictField(),
        required=False,
        help_text="By language: subject, preheader, body, blocks, text",
    )
    trigger = TriggerSerializer(required=False, allow_null=True)
    variants = VariantSerializer(
        many=True, required=False, help_text="Given, they replace all there are"
    )

    class Meta:
        model = Campaign
        read_only_fields = (
            "state",
            "state_reason",
            "scaled_at",
            "scheduled_at",
            "launched_at",
            "finished_at",
            "created_at",
            "changed_at",
        )
        fields = ("id", *plans.FIELDS, "included", "excluded", "variants", *read_only_fields)


class LaunchSerializer(serializers.Serializer):
    at = serializers.DateTimeField(required=False, help_text="Absent: now")


class PauseSerializer(serializers.Serializer):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300, default="")


class RetrySerializer(serializers.Serializer):
    reason = serializers.CharField(help_text="Why they failed, such as tries_exhausted")
    although_it_may_have_arrived = serializers.BooleanField(
        required=False, default=False, help_text="Needed for messages whose state is unknown"
    )


class RetriedSerializer(serializers.Serializer):
    planned = serializers.IntegerField(help_text="Messages that will be sent again")


class MessageSerializer(serializers.ModelSerializer):
    class Meta:
        model = Message
        fields = (
            "id",
            "customer_id",
            "step",
            "occasion",
            "variant",
            "channel",
            "state",
            "reason",
            "detail",
            "cost",
            "tries",
            "planned_at",
            "due_at",
            "sent_at",
            "finished_at",
        )
