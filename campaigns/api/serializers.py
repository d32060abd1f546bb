"""The shapes of campaigns and messages in the API."""

from rest_framework import serializers

from campaigns.models import Campaign, Message, Offer
from segments.models import Segment


class OfferSerializer(serializers.ModelSerializer):
    class Meta:
        model = Offer
        fields = (
            "id",
            "name",
            "kind",
            "share",
            "amount",
            "currency",
            "code_prefix",
            "valid_days",
            "created_at",
        )
        read_only_fields = ("created_at",)


class CampaignSerializer(serializers.ModelSerializer):
    included = serializers.SlugRelatedField("key", many=True, queryset=Segment.objects.all())
    excluded = serializers.SlugRelatedField(
        "key", many=True, queryset=Segment.objects.all(), required=False
    )

    class Meta:
        model = Campaign
        fields = (
            "id",
            "name",
            "state",
            "state_reason",
            "objective",
            "channel",
            "topic",
            "included",
            "excluded",
            "offer",
            "subject",
            "preheader",
            "body",
            "sender_name",
            "sender_email",
            "holdout_share",
            "attribution_days",
            "scheduled_at",
            "launched_at",
            "finished_at",
            "created_at",
            "changed_at",
        )
        read_only_fields = (
            "state",
            "state_reason",
            "channel",
            "scheduled_at",
            "launched_at",
            "finished_at",
            "created_at",
            "changed_at",
        )


class LaunchSerializer(serializers.Serializer):
    at = serializers.DateTimeField(required=False, help_text="Absent: now")


class PauseSerializer(serializers.Serializer):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300, default="")


class MessageSerializer(serializers.ModelSerializer):
    class Meta:
        model = Message
        fields = (
            "id",
            "customer_id",
            "channel",
            "state",
            "reason",
            "detail",
            "tries",
            "planned_at",
            "due_at",
            "sent_at",
            "finished_at",
        )
