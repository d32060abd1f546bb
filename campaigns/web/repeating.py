"""How often a campaign runs, as people say it: into the five fields of cron and back into words."""

import re
from typing import Any

from django import forms

DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
# cron counts from Sunday = 0
WEEKDAYS = [(str((place + 1) % 7), name) for place, name in enumerate(DAYS)]
DAILY, WORKDAYS, WEEKLY, MONTHLY, OWN = "daily", "workdays", "weekly", "monthly", "own"
EVERY = [
    (DAILY, "Every day"),
    (WORKDAYS, "Monday to Friday"),
    (WEEKLY, "On days of the week"),
    (MONTHLY, "On a day of the month"),
    (OWN, "As I write it (cron)"),
]
PLAIN = re.compile(r"(\d{1,2}) (\d{1,2}) (\*|\d{1,2}) \* (\*|[\d,-]+)")
WORKDAYS_CRON = "1-5"


class RepeatForm(forms.Form):
    """When a recurring campaign runs."""

    every = forms.ChoiceField(label="How often", choices=EVERY, initial=WEEKLY, required=False)
    at = forms.TimeField(
        label="At",
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    weekdays = forms.MultipleChoiceField(
        label="On",
        choices=WEEKDAYS,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    month_day = forms.IntegerField(
        label="Day of the month",
        min_value=1,
        max_value=28,
        required=False,
        help_text="1 to 28, for every month has these.",
    )
    cron = forms.CharField(
        label="Repetition",
        max_length=120,
        required=False,
        help_text="Minute, hour, day of the month, month, day of the week: “0 9 * * 1”.",
    )

    def recurrence(self) -> str:
        """What was chosen, as cron; missing parts are told at their field."""
        given = self.cleaned_data
        every, at = given.get("every") or WEEKLY, given.get("at")
        if every == OWN:
            return str(given.get("cron", "")).strip()
        if at is None:
            self.add_error("at", "Choose the time of day.")
            return ""
        clock = f"{at.minute} {at.hour}"
        if every == DAILY:
            return f"{clock} * * *"
        if every == WORKDAYS:
            return f"{clock} * * {WORKDAYS_CRON}"
        if every == MONTHLY:
            if not given.get("month_day"):
                self.add_error("month_day", "Choose the day of the month, 1 to 28.")
            return f"{clock} {given.get('month_day') or 1} * *"
        if not given.get("weekdays"):
            self.add_error("weekdays", "Choose at least one day.")
        return f"{clock} * * {','.join(sorted(given.get('weekdays') or ['1']))}"


def values_of(recurrence: str) -> dict[str, Any]:
    """What `RepeatForm` shows of a cron line."""
    if not recurrence:
        return {"every": WEEKLY, "at": "09:00", "weekdays": ["1"]}
    found = PLAIN.fullmatch(recurrence.strip())
    own = {"every": OWN, "cron": recurrence, "at": "09:00", "weekdays": ["1"]}
    if found is None:
        return own
    minute, hour, day, weekdays = found.groups()
    shown: dict[str, Any] = {"at": f"{int(hour):02}:{int(minute):02}"}
    if day != "*":
        return {**shown, "every": MONTHLY, "month_day": int(day)} if weekdays == "*" else own
    if weekdays == "*":
        return {**shown, "every": DAILY}
    if weekdays == WORKDAYS_CRON:
        return {**shown, "every": WORKDAYS}
    chosen = [str(int(one) % 7) for one in weekdays.split(",") if one.isdecimal()]
    return {**shown, "every": WEEKLY, "weekdays": chosen} if "-" not in weekdays else own


def words(recurrence: str) -> str:
    """A cron line as a person says it.

    >>> words("0 9 * * 1"), words("30 18 * * *"), words("0 8 1 * *"), words("5 * * * *")
    ('Mondays at 09:00', 'Every day at 18:30', 'On day 1 of each month at 08:00', 'By “5 * * * *”')
    """
    if not recurrence:
        return "Not chosen yet"
    shown = values_of(recurrence)
    if shown["every"] == OWN:
        return f"By “{recurrence}”"
    when = {
        DAILY: "Every day",
        WORKDAYS: "Monday to Friday",
        MONTHLY: f"On day {shown.get('month_day')} of each month",
    }.get(shown["every"])
    names = dict(WEEKDAYS)
    on = when or ", ".join(names[day] for day in shown["weekdays"] if day in names)
    return f"{on} at {shown['at']}"
