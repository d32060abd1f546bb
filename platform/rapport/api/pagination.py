"""Pages by cursor: stable while rows arrive, and as fast at the end as at the start."""

from rest_framework import pagination


class CursorPagination(pagination.CursorPagination):
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1_000
    ordering = "-id"
