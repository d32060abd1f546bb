"""What the page of a campaign shows of its report; see templates/campaigns/_report.html."""

from typing import Any

from campaigns.services.figures import Report
from campaigns.web import lift
from rapport.web import words

RAILS = {
    "unsubscribe": "Unsubscribed",
    "complaint": "Complained",
    "bounce": "Bounced",
}
VERDICTS = {
    "within": "within its limit",
    "broken": "above its limit",
    "unknown": "not shown yet",
}


def context(report: Report) -> dict[str, Any]:
    """The charts of the report and the rows of its tables."""
    drawn = [lift.one(report), lift.looks(report)]
    return {
        "charts": [chart for chart in drawn if chart],
        "lift_rows": _lifts(report),
        "rails": _rails(report),
    }


def _lifts(report: Report) -> list[dict[str, str]]:
    """Each metric with its plain and its adjusted interval."""
    found = []
    for one in report.lifts:
        scale, decimals = lift.SCALE[one.metric], 2
        row = {
            "name": lift.NAMES[one.metric],
            "decides": "decides" if one.metric == report.metric else "",
            "explained": words.percent(one.explained_share),
        }
        for way, each in (("plain", one.plain), ("adjusted", one.adjusted)):
            row[way] = (
                f"{words.number(each.difference * scale, decimals)} "
                f"({words.number(each.low * scale, decimals)} to "
                f"{words.number(each.high * scale, decimals)})"
                if each
                else words.NOTHING
            )
        found.append(row)
    return found


def _rails(report: Report) -> list[dict[str, str]]:
    return [
        {
            "name": RAILS[one.name],
            "rate": f"{words.percent(one.guard.rate, 2)} of {words.number(one.n)}",
            "high": words.percent(one.guard.high, 2),
            "limit": words.percent(one.guard.limit, 2),
            "verdict": VERDICTS[one.guard.verdict],
            "is_broken": "yes" if one.guard.verdict == "broken" else "",
        }
        for one in report.guards
    ]
