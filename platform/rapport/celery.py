"""The Celery app, and the whole schedule in one dictionary."""

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rapport.settings")

app = Celery("rapport")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.beat_schedule = {
    # Campaigns whose hour has come; a missed tick is caught up by the next, for rows are claimed.
    "launch due campaigns": {"task": "campaigns.tasks.launch_due", "schedule": 5.0},
    # Messages left behind by a crash become unknown, and idle campaigns get their senders back.
    "sweep deliveries": {"task": "campaigns.tasks.sweep", "schedule": 5.0},
    # Steps of flows whose moment has come; what a missed tick leaves is due at the next.
    "advance flows": {
        "task": "campaigns.tasks.advance_flows",
        "schedule": 2.0,
        "options": {"expires": 10.0},
    },
    # Who enters and leaves flows, from the ledgers; bells make it sooner, no tick misses anybody.
    "watch flows": {
        "task": "campaigns.tasks.watch_flows",
        "schedule": 5.0,
        "options": {"expires": 10.0},
    },
    # Orders that came in belong to the messages before them; repeats change nothing.
    "attribute orders": {"task": "campaigns.tasks.attribute", "schedule": 60.0},
    # Clicks are judged once their message is quiet; a missed tick counts them later.
    "settle visits": {
        "task": "campaigns.tasks.settle_visits",
        "schedule": 3.0,
        "options": {"expires": 10.0},
    },
    # Who wished to hear nothing for a while; a missed tick ends the pause a minute later.
    "end pauses": {"task": "campaigns.tasks.end_pauses", "schedule": 60.0},
    # What a provider said of a message not written down yet; the next tick makes good a missed one.
    "place arrivals": {
        "task": "campaigns.tasks.place_arrivals",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    },
    # What providers said in vain is shown for a month; a missed night shows it longer.
    "forget old arrivals": {
        "task": "campaigns.tasks.forget_old_arrivals",
        "schedule": crontab(hour="2", minute="35"),
    },
    # Planned looks at running experiments, and shares that follow what works; a look that was
    # missed is not made up for, the next one spends what it may by then.
    "measure campaigns": {
        "task": "campaigns.tasks.measure",
        "schedule": 600.0,
        "options": {"expires": 600.0},
    },
    # What only the clock changes, and what a lost bell did not tell. Late means late, never wrong.
    "sweep segments": {
        "task": "segments.tasks.sweep",
        "schedule": 3.0,
        "options": {"expires": 10.0},  # each sweeps all that is due
    },
    # Rebuilds of new and edited segments that no worker has taken up; a missed tick delays them.
    "find lost rebuilds": {"task": "segments.tasks.find_lost_work", "schedule": 30.0},
    # Columns that too much has changed since are made anew; a missed tick leaves it to the next.
    "keep the mirror": {
        "task": "segments.tasks.keep_mirror",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    # A new copy each night, before the proof reads it; what a service forgot to touch shows there.
    "make the mirror": {
        "task": "segments.tasks.keep_mirror",
        "args": (True,),
        "schedule": crontab(hour="2", minute="10"),
    },
    # Every membership worked out anew from the facts; a missed night leaves the last proof.
    "verify segments": {
        "task": "segments.tasks.verify",
        "schedule": crontab(hour="2", minute="20"),
    },
    # Names of events and traits that the builder completes; a missed tick leaves them a bit older.
    "refresh suggestions": {"task": "segments.tasks.refresh_suggestions", "schedule": 600.0},
    # Other systems hear who entered and left; a missed tick is made good by the next.
    "tell webhooks": {
        "task": "segments.tasks.tell_webhooks",
        "schedule": 2.0,
        "options": {"expires": 10.0},  # behind a busy worker, one of them is enough
    },
    # What was told is kept for `webhooks.KEEP_DAYS`; a missed night keeps it longer.
    "forget old webhooks": {
        "task": "segments.tasks.forget_old_webhooks",
        "schedule": crontab(hour="2", minute="50"),
    },
    # Scores of customers whose facts changed; what a missed tick leaves the next one finds.
    "score touched customers": {
        "task": "segments.tasks.score_touched",
        "schedule": 2.0,
        "options": {"expires": 10.0},
    },
    # Before the training, which takes up what has drifted; a missed night tells of it a day later.
    "watch models": {
        "task": "segments.tasks.watch",
        "schedule": crontab(hour="3", minute="0"),
    },
    # At night the shop is quiet; a missed night leaves yesterday's models serving.
    "retrain": {"task": "segments.tasks.retrain", "schedule": crontab(hour="3", minute="10")},
    # Answers to repeated API calls are kept a week, as promised; a missed night keeps them longer.
    "forget old answers": {
        "task": "rapport.tasks.forget_old_answers",
        "schedule": crontab(hour="2", minute="40"),
    },
    # Messages that could not become facts are shown for a month; a missed night shows them longer.
    "forget rejected messages": {
        "task": "customers.tasks.forget_rejected_messages",
        "schedule": crontab(hour="2", minute="45"),
    },
    # What a slow writer wrote for a customer merged meanwhile; a missed tick is caught up by the
    # next, for fifteen minutes.
    "sweep merged customers": {"task": "customers.tasks.sweep_merged", "schedule": 60.0},
    # Merges stand once their lists are dropped; a missed night keeps them undoable a day longer.
    "forget old merges": {
        "task": "customers.tasks.forget_old_merges",
        "schedule": crontab(hour="2", minute="55"),
    },
    # Long work whose process died says so instead of running for ever.
    "mark lost runs": {"task": "rapport.tasks.mark_lost_runs", "schedule": 60.0},
}
