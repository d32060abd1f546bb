"""Who is in a segment, who was at a past moment, and the feed of entries and exits."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from customers.models import Customer
from rapport.api.pagination import CursorPagination
from rapport.errors import DomainError, NotFound
from segments import querysets
from segments.api import serializers
from segments.models import Membership, Segment
from segments.services import history

READ = {"scopes": {"GET": "segments:read"}, "permissions": {"GET": "segments.view_segment"}}
AT = OpenApiParameter("at", datetime, description="As of this moment of the past, UTC unless said")


class MomentRefused(DomainError):
    """A moment that has not come yet."""

    code = "moment_to_come"


class SegmentMembers(generics.ListAPIView):
    """Members of one segment: at present the last to enter first, at a past moment by id."""

    scopes, permissions = READ.values()
    serializer_class = serializers.MemberSerializer

    @extend_schema(parameters=[AT])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A stay holds from its entry, included, to its exit, excluded."""
        at = _moment(request)
        if at is None:
            return super().get(request, *args, **kwargs)
        return self._past(request, at)

    def get_queryset(self) -> QuerySet[Membership]:
        if getattr(self, "swagger_fake_view", False):
            return Membership.objects.none()
        segment = generics.get_object_or_404(Segment, key=self.kwargs["key"])
        return Membership.objects.filter(segment=segment)

    def _past(self, request: Request, at: datetime) -> Response:
        segment = generics.get_object_or_404(Segment, key=self.kwargs["key"])
        pages = CursorPagination()
        size = pages.get_page_size(request) or pages.page_size
        after = _whole(request.query_params.get("after", "0"))
        stays = history.members_at(segment, at, after=after, most=size + 1)
        following = None
        if len(stays) > size:
            stays = stays[:size]
            address = request.build_absolute_uri()
            following = replace_query_param(address, "after", stays[-1].customer_id)
        results = [asdict(stay) for stay in stays]
        shown = serializers.MemberSerializer(results, many=True).data
        return Response({"next": following, "previous": None, "results": shown})


class SegmentMember(APIView):
    """Whether one customer is in a segment, or was at a past moment."""

    scopes, permissions = READ.values()

    @extend_schema(parameters=[AT], responses=serializers.StaySerializer)
    def get(self, request: Request, key: str, customer_id: int) -> Response:
        """A stay holds from its entry, included, to its exit, excluded."""
        segment = generics.get_object_or_404(Segment, key=key)
        generics.get_object_or_404(Customer, pk=customer_id)
        at = _moment(request)
        found: Any
        if at is None:
            at, found = (
                timezone.now(),
                Membership.objects.filter(segment=segment, customer_id=customer_id).first(),
            )
        else:
            found = history.stay_at(segment, customer_id, at)
        shown = {
            "is_member": found is not None,
            "entered_at": found and found.entered_at,
            "rule_version": found and found.rule_version,
            "at": at,
        }
        return Response(serializers.StaySerializer(shown).data)


class CustomerSegments(APIView):
    """The segments one customer is in, by name."""

    scopes, permissions = READ.values()

    @extend_schema(responses=serializers.CustomerSegmentSerializer(many=True))
    def get(self, request: Request, customer_id: int) -> Response:
        customer = generics.get_object_or_404(Customer, pk=customer_id)
        stays = querysets.of_customer(customer)
        return Response(serializers.CustomerSegmentSerializer(stays, many=True).data)


class Changes(APIView):
    """Every entry and exit, each once, to be followed for ever."""

    scopes = {"GET": "segments:read"}
    permissions = {"GET": "segments.view_membershipchange"}

    @extend_schema(parameters=[serializers.FeedSerializer], responses=serializers.ChangesSerializer)
    def get(self, request: Request) -> Response:
        """The changes after ``cursor``; keep the new cursor when they are dealt with.

        Nothing is stepped over, also where transactions commit in another order than they began;
        such a change comes in a later page with a smaller id.
        """
        asked = serializers.FeedSerializer(data=_lists(request))
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        page = history.read(
            _cursor(given),
            most=given["page_size"],
            segment_ids=_segment_ids(given.get("segment")),
            kinds=[given["kind"]] if "kind" in given else (),
            causes=given.get("cause", ()),
            since=given.get("since"),
        )
        shown = {
            "results": [asdict(one) for one in page.changes],
            "cursor": page.cursor.encode(),
            "has_more": page.has_more,
        }
        return Response(serializers.ChangesSerializer(shown).data)


def _cursor(given: dict[str, Any]) -> history.Cursor:
    if given.get("cursor"):
        return history.Cursor.decode(given["cursor"])
    return history.now_cursor() if given["start"] == "now" else history.Cursor()


def _segment_ids(keys: list[str] | None) -> list[int] | None:
    """Ids of the segments with these keys; a key that is none is refused."""
    if not keys:
        return None
    known = dict(Segment.objects.filter(key__in=keys).values_list("key", "pk"))
    unknown = sorted(set(keys) - known.keys())
    if unknown:
        raise NotFound(f"There is no segment {', '.join(map(repr, unknown))}.")
    return sorted(known.values())


def _lists(request: Request) -> dict[str, Any]:
    """The query as data: names that may come several times are lists."""
    several = ("segment", "cause")
    found: dict[str, Any] = {
        name: value for name, value in request.query_params.items() if name not in several
    }
    for name in several:
        if name in request.query_params:
            found[name] = request.query_params.getlist(name)
    return found


def _moment(request: Request) -> datetime | None:
    asked = serializers.AtSerializer(data=request.query_params)
    asked.is_valid(raise_exception=True)
    at: datetime | None = asked.validated_data.get("at")
    if at is not None and at > timezone.now():
        raise MomentRefused(f"The moment {at.isoformat()} is still to come; expected a past one.")
    return at


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
