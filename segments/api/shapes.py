"""The shapes of what is learnt, in the API: decisions, drift, spreads, forecasts, the matrix."""

from rest_framework import serializers

from segments.models import (
    Cluster,
    DriftCheck,
    ForecastPoint,
    LearntApproval,
    ModelRun,
    Score,
    ScoreChange,
    ScoreSummary,
)


class ApprovalSerializer(serializers.ModelSerializer):
    approved_by = serializers.StringRelatedField()

    class Meta:
        model = LearntApproval
        fields = ("kind", "approved_by", "approved_at", "note")


class ApproveSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(ModelRun.Kind.choices)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=1_000)


class DecisionNoteSerializer(serializers.Serializer):
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=1_000)


class RollBackSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(ModelRun.Kind.choices)


class DriftCheckSerializer(serializers.ModelSerializer):
    class Meta:
        model = DriftCheck
        fields = (
            "id",
            "run_id",
            "kind",
            "name",
            "checked_at",
            "statistic",
            "threshold",
            "n_reference",
            "n_now",
            "is_alarm",
            "words",
            "detail",
        )


class ScoreSummarySerializer(serializers.ModelSerializer):
    class Meta:
        model = ScoreSummary
        fields = ("id", "name", "run_id", "as_of", "n", "mean", "bands", "edges", "counts")


class ScoreChangeSerializer(serializers.ModelSerializer):
    """A step from one band to another; an empty band is no score."""

    class Meta:
        model = ScoreChange
        fields = ("name", "band_before", "band_after", "happened_at", "run_id")


class ScoreSaidSerializer(serializers.ModelSerializer):
    """A score with its interval and its reasons, which are observations and not causes."""

    is_rule_of_thumb = serializers.SerializerMethodField()

    class Meta:
        model = Score
        fields = (
            "name",
            "value",
            "low",
            "high",
            "band",
            "reasons",
            "as_of",
            "run_id",
            "is_rule_of_thumb",
        )

    def get_is_rule_of_thumb(self, score: Score) -> bool:
        return score.run.state == ModelRun.State.FALLBACK


class CustomerScoresSerializer(serializers.Serializer):
    """What the serving models say of one customer, and how that changed, the newest first."""

    scores = ScoreSaidSerializer(many=True)
    changes = ScoreChangeSerializer(many=True)


class ClusterSerializer(serializers.ModelSerializer):
    segment = serializers.SlugRelatedField(slug_field="key", read_only=True, default=None)

    class Meta:
        model = Cluster
        fields = (
            "id",
            "run_id",
            "key",
            "name",
            "proposed_name",
            "note",
            "state",
            "size",
            "profile",
            "merged_into_id",
            "decided_at",
            "segment",
        )


class AcceptClusterSerializer(DecisionNoteSerializer):
    name = serializers.CharField(max_length=120)


class RenameClusterSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120)


class MergeClustersSerializer(AcceptClusterSerializer):
    clusters = serializers.ListField(
        child=serializers.IntegerField(min_value=1), min_length=2, max_length=50, help_text="Ids"
    )


class ForecastPointSerializer(serializers.ModelSerializer):
    class Meta:
        model = ForecastPoint
        fields = (
            "id",
            "run_id",
            "subject_kind",
            "subject",
            "measure",
            "week_start",
            "expected",
            "low",
            "high",
            "baseline",
        )


class CellSerializer(serializers.Serializer):
    """One cell; post its ``cell`` to make a segment of it."""

    cell = serializers.CharField()
    name = serializers.CharField()
    band = serializers.CharField()
    share = serializers.IntegerField(help_text="0: the fifth of most value; 1: the half; 2: others")
    n = serializers.IntegerField()
    expected = serializers.FloatField(help_text="Revenue in a year, of all in the cell")
    rule = serializers.DictField()


class MatrixSerializer(serializers.Serializer):
    """Customers by risk of leaving and value."""

    n = serializers.IntegerField()
    as_of = serializers.DateTimeField(allow_null=True)
    cuts = serializers.ListField(child=serializers.FloatField(allow_null=True))
    cells = CellSerializer(many=True)


class MakeSegmentSerializer(serializers.Serializer):
    cell = serializers.CharField(max_length=200, help_text="matrix:high:0, grid:1:2, both:a:b")
