"""The shapes of segments, scores and models in the API."""

from rest_framework import serializers

from segments.models import Cluster, Membership, ModelRun, Score, Segment


class SegmentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Segment
        fields = (
            "id",
            "key",
            "name",
            "description",
            "rule",
            "rule_version",
            "state",
            "error",
            "is_ready_made",
            "members_count",
            "refreshed_at",
            "refresh_seconds",
            "created_at",
            "changed_at",
        )


class NewSegmentSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120)
    description = serializers.CharField(required=False, allow_blank=True, default="")
    key = serializers.SlugField(max_length=80, required=False)
    rule = serializers.DictField(help_text="See docs/segments.md")


class SegmentChangeSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(required=False, allow_blank=True)
    rule = serializers.DictField(required=False)


class RuleSerializer(serializers.Serializer):
    rule = serializers.DictField()


class MemberSerializer(serializers.ModelSerializer):
    """Who, by number; names and addresses need the scope of customers."""

    class Meta:
        model = Membership
        fields = ("customer_id", "entered_at", "rule_version")


class ScoreSerializer(serializers.ModelSerializer):
    class Meta:
        model = Score
        fields = ("customer_id", "name", "value", "band", "reasons", "as_of", "run_id")


class ClusterSerializer(serializers.ModelSerializer):
    class Meta:
        model = Cluster
        fields = ("id", "run_id", "key", "name", "proposed_name", "state", "size", "profile")


class ModelRunSerializer(serializers.ModelSerializer):
    class Meta:
        model = ModelRun
        fields = (
            "id",
            "kind",
            "state",
            "method",
            "summary",
            "as_of",
            "n_customers",
            "params",
            "metrics",
            "baseline",
            "card",
            "versions",
            "data_sha256",
            "error",
            "created_at",
            "finished_at",
            "promoted_at",
        )


class RetrainSerializer(serializers.Serializer):
    kinds = serializers.ListField(
        child=serializers.ChoiceField(ModelRun.Kind.choices), required=False, allow_empty=False
    )
