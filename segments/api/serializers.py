"""The shapes of segments, scores and models in the API."""

from rest_framework import serializers

from segments.models import (
    CustomerList,
    ListMember,
    Membership,
    MembershipChange,
    ModelRun,
    Score,
    Segment,
)
from segments.services.lists import ROWS_MOST


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


class PreviewSerializer(RuleSerializer):
    mode = serializers.ChoiceField(
        [("exact", "exact"), ("estimate", "estimate")],
        default="exact",
        help_text="An estimate comes at once from a sample, with its interval",
    )


class CheckSerializer(RuleSerializer):
    key = serializers.SlugField(
        required=False, help_text="Of the segment it is for, so that a circle through it is found"
    )


class FaultSerializer(serializers.Serializer):
    """Where a rule is wrong, and why."""

    path = serializers.CharField()
    reason = serializers.CharField()


class CheckedSerializer(serializers.Serializer):
    is_valid = serializers.BooleanField()
    sentence = serializers.CharField(help_text="As a marketer reads it; empty when not valid")
    faults = FaultSerializer(many=True, help_text="All of them at once")
    warnings = serializers.ListField(child=serializers.CharField())


class ClauseSerializer(serializers.Serializer):
    """One part of a rule, and what was found for one customer."""

    words = serializers.CharField()
    actual = serializers.CharField(allow_blank=True)
    holds = serializers.BooleanField()
    depth = serializers.IntegerField()
    changes_at = serializers.DateTimeField(
        allow_null=True, help_text="The earliest moment at which time alone could change it"
    )


class WhySerializer(serializers.Serializer):
    sentence = serializers.CharField()
    is_member = serializers.BooleanField(help_text="By the rule, now")
    entered_at = serializers.DateTimeField(
        allow_null=True, help_text="Of the stay, if there is one"
    )
    clauses = ClauseSerializer(many=True)
    as_of = serializers.DateTimeField()
    error = serializers.CharField(allow_blank=True)


class AtSerializer(serializers.Serializer):
    """A moment of the past."""

    at = serializers.DateTimeField(required=False)


class StaySerializer(serializers.Serializer):
    """Whether one customer is, or was, in a segment."""

    is_member = serializers.BooleanField()
    entered_at = serializers.DateTimeField(allow_null=True)
    rule_version = serializers.IntegerField(allow_null=True)
    at = serializers.DateTimeField()


class CustomerSegmentSerializer(serializers.Serializer):
    """A segment that a customer is in."""

    segment = serializers.SlugField(source="segment.key")
    name = serializers.CharField(source="segment.name")
    entered_at = serializers.DateTimeField()
    rule_version = serializers.IntegerField()


class FeedSerializer(serializers.Serializer):
    """What the feed is narrowed to."""

    cursor = serializers.CharField(required=False, help_text="That of the last answer")
    segment = serializers.ListField(
        child=serializers.SlugField(), required=False, help_text="Keys; may be given several times"
    )
    kind = serializers.ChoiceField(MembershipChange.Kind.choices, required=False)
    cause = serializers.ListField(
        child=serializers.ChoiceField(MembershipChange.Cause.choices), required=False
    )
    since = serializers.DateTimeField(required=False)
    start = serializers.ChoiceField(
        [("first", "first"), ("now", "now")],
        default="first",
        help_text="Where to begin without a cursor",
    )
    page_size = serializers.IntegerField(min_value=1, max_value=1_000, default=100)


class ChangeSerializer(serializers.Serializer):
    """One entry or exit."""

    id = serializers.IntegerField()
    segment = serializers.SlugField()
    customer_id = serializers.IntegerField()
    kind = serializers.ChoiceField(MembershipChange.Kind.choices)
    cause = serializers.ChoiceField(MembershipChange.Cause.choices)
    happened_at = serializers.DateTimeField()
    rule_version = serializers.IntegerField()


class ChangesSerializer(serializers.Serializer):
    """Some changes, and the cursor to ask with next: at once while there is more, else later."""

    results = ChangeSerializer(many=True)
    cursor = serializers.CharField()
    has_more = serializers.BooleanField()


class ListSerializer(serializers.ModelSerializer):
    class Meta:
        model = CustomerList
        fields = (
            "id",
            "key",
            "name",
            "description",
            "kind",
            "members_count",
            "created_at",
            "changed_at",
        )


class NewListSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120)
    key = serializers.SlugField(max_length=80, required=False)
    description = serializers.CharField(required=False, allow_blank=True, default="")
    kind = serializers.ChoiceField(CustomerList.Kind.choices, default=CustomerList.Kind.STATIC)


class ListChangeSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(required=False, allow_blank=True)


class ListMemberSerializer(serializers.ModelSerializer):
    class Meta:
        model = ListMember
        fields = ("customer_id", "added_at")


class HandleSerializer(serializers.Serializer):
    """Who: the first of these that is given decides."""

    id = serializers.IntegerField(required=False, min_value=1)
    external_id = serializers.CharField(required=False, max_length=254)
    email = serializers.CharField(required=False, max_length=254)
    phone = serializers.CharField(required=False, max_length=254)


class ListPeopleSerializer(serializers.Serializer):
    source = serializers.RegexField(
        r"^[\w.-]{1,40}$", required=False, default="", help_text="Of the external ids"
    )
    customers = serializers.ListField(
        child=HandleSerializer(), min_length=1, max_length=ROWS_MOST, help_text="1 to 1,000"
    )


class UnknownSerializer(serializers.Serializer):
    row = serializers.IntegerField(help_text="Its index in the call, from 0")
    field = serializers.CharField(allow_blank=True)
    value = serializers.CharField(allow_blank=True)
    reason = serializers.CharField()


class ListChangedSerializer(serializers.Serializer):
    """What became of the rows; unknown ones name their reason, all others are done."""

    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    unknown = UnknownSerializer(many=True)


class ListFileSerializer(serializers.Serializer):
    source = serializers.RegexField(r"^[\w.-]{1,40}$", default="shop")
    file = serializers.FileField(help_text="CSV with a header: external_id, email, phone or id")


class ScoreSerializer(serializers.ModelSerializer):
    class Meta:
        model = Score
        fields = (
            "customer_id",
            "name",
            "value",
            "low",
            "high",
            "band",
            "reasons",
            "as_of",
            "run_id",
        )


class ModelRunSerializer(serializers.ModelSerializer):
    class Meta:
        model = ModelRun
        fields = (
            "id",
            "kind",
            "subject",
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
            "retrain_because",
        )


class RetrainSerializer(serializers.Serializer):
    kinds = serializers.ListField(
        child=serializers.ChoiceField(ModelRun.Kind.choices), required=False, allow_empty=False
    )
