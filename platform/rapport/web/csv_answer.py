"""Answer with a CSV file that is written while it is sent, however long it is."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import StreamingHttpResponse


class _Echo:
    """A file whose lines are handed on instead of kept."""

    def write(self, line: str) -> str:
        return line


def streamed(
    rows: Iterable[Sequence[Any]], *, name: str, lineterminator: str = "\r\n"
) -> StreamingHttpResponse:
    """The rows as a file of this name.  Cells that people wrote are made safe by the caller."""
    writer = csv.writer(_Echo(), lineterminator=lineterminator)
    lines = (writer.writerow(row) for row in rows)
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
