"""Endpoints that belong to no app: jobs."""

from rest_framework import generics, serializers

from rapport.models import Run


class JobSerializer(serializers.ModelSerializer):
    done_share = serializers.FloatField(read_only=True, allow_null=True, help_text="0 to 1")

    class Meta:
        model = Run
        fields = (
            "id",
            "kind",
            "title",
            "state",
            "stage",
            "done",
            "total",
            "done_share",
            "message",
            "error",
            "result",
            "created_at",
            "started_at",
            "finished_at",
        )


class JobList(generics.ListAPIView):
    """Long jobs, the newest first."""

    scopes = {"GET": "jobs:read"}
    permissions = {"GET": "rapport.view_run"}
    queryset = Run.objects.all()
    serializer_class = JobSerializer
    filterset_fields = ("kind", "state")


class JobDetail(generics.RetrieveAPIView):
    """One job: how far it is, and how it ended."""

    scopes = {"GET": "jobs:read"}
    permissions = {"GET": "rapport.view_run"}
    queryset = Run.objects.all()
    serializer_class = JobSerializer
