"""Lists of customers: read, change, put people on and take them off, bring files in."""

import time
from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, parsers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.collect import uploads
from rapport.api.auth import person
from rapport.api.idempotency import idempotent
from rapport.api.views import JobSerializer
from segments.api import serializers
from segments.models import CustomerList, ListMember
from segments.services import lists as service

CHANGE = {
    "scopes": {"POST": "lists:write"},
    "permissions": {"POST": "segments.change_customerlist"},
}


class Lists(generics.ListAPIView):
    """Lists of customers, the newest first, or a new one."""

    scopes = {"GET": "lists:read", "POST": "lists:write"}
    permissions = {"GET": "segments.view_customerlist", "POST": "segments.add_customerlist"}
    queryset = CustomerList.objects.all()
    serializer_class = serializers.ListSerializer
    filterset_fields = ("kind",)

    @extend_schema(
        request=serializers.NewListSerializer, responses={201: serializers.ListSerializer}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Make an empty list; a static one is kept by hand, an imported one by whole files."""
        given = serializers.NewListSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        found = service.create(**given.validated_data, user=person(request), now=timezone.now())
        return Response(self.get_serializer(found).data, status=status.HTTP_201_CREATED)


class ListDetail(generics.RetrieveAPIView):
    """One list, by its key."""

    scopes = {"GET": "lists:read", "PATCH": "lists:write", "DELETE": "lists:write"}
    permissions = {
        "GET": "segments.view_customerlist",
        "PATCH": "segments.change_customerlist",
        "DELETE": "segments.delete_customerlist",
    }
    queryset = CustomerList.objects.all()
    serializer_class = serializers.ListSerializer
    lookup_field = "key"

    @extend_schema(request=serializers.ListChangeSerializer, responses=serializers.ListSerializer)
    @idempotent
    def patch(self, request: Request, key: str) -> Response:
        """Change its name or description."""
        given = serializers.ListChangeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        found = service.edit(
            self.get_object(), **given.validated_data, user=person(request), now=timezone.now()
        )
        return Response(self.get_serializer(found).data)

    def delete(self, request: Request, key: str) -> Response:
        """Remove the list for good; refused while a segment in use names it."""
        service.delete(self.get_object(), user=person(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ListMembers(generics.ListAPIView):
    """Who is on a list, the last to come first."""

    scopes = {"GET": "lists:read", **CHANGE["scopes"]}
    permissions = {"GET": "segments.view_customerlist", **CHANGE["permissions"]}
    serializer_class = serializers.ListMemberSerializer

    def get_queryset(self) -> QuerySet[ListMember]:
        if getattr(self, "swagger_fake_view", False):
            return ListMember.objects.none()
        return ListMember.objects.filter(list=_list(self.kwargs["key"]))

    @extend_schema(
        request=serializers.ListPeopleSerializer, responses=serializers.ListChangedSerializer
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        """Put up to 1,000 customers on the list; who is on it already stays as they are."""
        return _changed(request, key, service.add)


class ListMembersRemove(APIView):
    """Take customers off a list."""

    scopes, permissions = CHANGE.values()

    @extend_schema(
        request=serializers.ListPeopleSerializer, responses=serializers.ListChangedSerializer
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        """Take up to 1,000 customers off the list; who is not on it is no fault."""
        return _changed(request, key, service.remove)


class ListImport(APIView):
    """Bring a CSV file into a list."""

    scopes, permissions = CHANGE.values()
    parser_classes = (parsers.MultiPartParser,)

    @extend_schema(
        request={"multipart/form-data": serializers.ListFileSerializer},
        responses={202: JobSerializer},
    )
    def post(self, request: Request, key: str) -> Response:
        """Start the import; the answer is the job.  The same file again changes nothing.

        A static list gains the people of the file, an imported one has them alone afterwards.
        """
        given = serializers.ListFileSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        found, file = _list(key), given.validated_data["file"]
        upload = uploads.keep(
            file.chunks(),
            name=file.name,
            kind="list",
            source=given.validated_data["source"],
            now=time.time(),
        )
        run = service.start_import(found, upload, user=person(request))
        return Response(JobSerializer(run).data, status=status.HTTP_202_ACCEPTED)


def _list(key: str) -> CustomerList:
    return generics.get_object_or_404(CustomerList, key=key)


def _changed(request: Request, key: str, change: Any) -> Response:
    given = serializers.ListPeopleSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    done = change(
        _list(key),
        given.validated_data["customers"],
        source=given.validated_data["source"],
        user=person(request),
        now=timezone.now(),
    )
    return Response(serializers.ListChangedSerializer(asdict(done)).data)
