"""Answers are matched to the messages they answer, and foretold better than by the average rate."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from customers.features.facts import Facts, facts
from segments.recipes import answers, response

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def orders(rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["customer_id", "placed_at"])
    frame["placed_at"] = pd.to_datetime(frame["placed_at"], utc=True).dt.as_unit("us")
    return frame.assign(
        order_id=np.arange(len(frame)), recorded_at=frame["placed_at"], amount=10.0, discount=0.0,
        kind="sale",
    )  # fmt: skip


def with_events(found: Facts, rows) -> Facts:
    frame = pd.DataFrame(rows, columns=["customer_id", "name", "happened_at"])
    frame["happened_at"] = pd.to_datetime(frame["happened_at"], utc=True).dt.as_unit("us")
    frame["name"] = frame["name"].astype("category")
    return found.with_events(frame.assign(recorded_at=frame["happened_at"]))


def ago(days: float, hour: float = 0) -> datetime:
    return NOW - timedelta(days=days) + timedelta(hours=hour)


def small() -> Facts:
    return with_events(
        facts(orders([(1, ago(300)), (2, ago(38)), (3, ago(29)), (4, ago(200))])),
        [
            (1, "email_sent", ago(40)), (1, "email_clicked", ago(39)),  # answered by a click
            (2, "email_sent", ago(40)),  # answered by an order
            (3, "email_sent", ago(40)),  # the order came after eleven days
            (1, "email_sent", ago(30)), (1, "email_sent", ago(28)),
            (1, "email_clicked", ago(27)),  # answers the later of the two
            (1, "sms_sent", ago(28)),  # a click on an e-mail is none on a text message
            (4, "email_sent", ago(3)), (4, "email_clicked", ago(2)),  # others may still answer
        ],
    )  # fmt: skip


def shop(*, customers=400, rates=(0.02, 0.6), seed=3) -> Facts:
    """Weekly e-mails; half answer rarely and half often, at 9 or, every tenth, at 21 o'clock."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(1, customers + 1):
        hour = 21 if customer % 10 == 0 else 9
        for week in range(1, 21):
            sent = ago(7 * week + 2)
            rows.append((customer, "email_sent", sent))
            if rng.random() < rates[customer % 2]:
                later = sent + timedelta(days=int(rng.integers(1, 5)), hours=hour, minutes=20)
                rows.append((customer, "email_clicked", later))
    return with_events(facts(orders([(one, ago(300)) for one in range(1, customers + 1)])), rows)


def test_a_click_or_an_order_answers_the_last_message_before_it():
    found = answers.table(small(), NOW)

    assert found["email_sent"].to_dict() == {1: 3, 2: 1, 3: 1}
    assert found["email_answered"].to_dict() == {1: 2, 2: 1, 3: 0}
    assert found["sms_sent"].to_dict() == {1: 1, 2: 0, 3: 0}
    assert found["sms_answered"].sum() == 0


def test_what_comes_later_is_not_seen():
    before = answers.table(small(), ago(39.5))

    assert before.empty  # sent half a day ago: nobody can tell yet
    assert answers.table(small(), ago(20))["email_answered"].to_dict() == {1: 2, 2: 1, 3: 0}


def test_hours_are_those_of_the_customers_own_clock():
    found = with_events(
        facts(orders([(1, ago(90)), (2, ago(90)), (3, ago(90))])),
        [(who, name, moment)
         for who in (1, 2, 3)
         for name, moment in (("email_sent", ago(20)), ("email_clicked", ago(20, 7.5)))],
    )  # fmt: skip
    people = pd.DataFrame(
        {"time_zone": pd.Categorical(["Europe/Berlin", "America/New_York", "Mars/Olympus"])},
        index=pd.Index([1, 2, 3], name="customer_id"),
    )
    table = answers.table(found, NOW, people)

    assert table.loc[1, "answers_09h"] == 1  # half past nine in summer
    assert table.loc[2, "answers_03h"] == 1
    assert table.loc[3, "answers_07h"] == 1  # a zone that nobody knows is UTC
    assert table[list(answers.HOURS)].to_numpy().sum() == 3


def test_it_foretells_answers_better_than_the_average_rate():
    judged = response.train(shop(), NOW)
    (comparison,) = judged.comparisons

    assert not judged.is_fallback
    assert comparison.difference.high < 0
    assert judged.metrics["log_loss_email"].value < judged.baseline["log_loss_email"].value
    assert judged.metrics["auc_email"].value > 0.75
    assert "text messages to learn from" in judged.card["missing"]  # of the other channel
    again = response.train(shop(), NOW, live=judged.judged_estimator)
    assert [one.against for one in again.comparisons] == ["baseline", "live run"]
    assert again.comparisons[1].difference.value == pytest.approx(0)


def test_everybody_written_to_gets_a_score_with_reasons_that_add_up():
    found = shop()
    estimator = response.train(found, NOW).estimator
    rows = pd.concat(response.blocks(estimator, response.table(found, NOW)))
    email = rows[rows["name"] == "response_email"].set_index("customer_id")

    assert len(email) == 400
    assert (email["low"] < email["value"]).all()
    assert (email["value"] < email["high"]).all()
    assert set(email["band"]) == {"low", "medium", "high"} or set(email["band"]) == {"low", "high"}
    for text, value in zip(email["reasons"], email["value"], strict=True):
        told = json.loads(text)
        assert sum(one["contribution"] for one in told) == pytest.approx(logit(value), abs=1e-3)
        assert "e-mails" in told[0]["words"]
    assert not (rows["name"] == "response_sms").any()


def test_the_hour_is_told_only_of_those_who_differ_from_the_shop():
    found = shop()
    estimator = response.train(found, NOW).estimator
    rows = pd.concat(response.blocks(estimator, response.table(found, NOW)))
    hours = rows[rows["name"] == "best_hour"]

    assert set(hours["value"]) == {21.0}
    assert (hours["customer_id"] % 10 == 0).all()
    assert len(hours) >= 15  # of 40; those who hardly answer stay with the shop
    told = json.loads(hours["reasons"].iloc[0])[0]["words"]
    assert "links around 21 o'clock; the shop's customers answer most around 9" in told


def test_thin_data_leave_usual_rates_and_say_how_many_messages_are_needed():
    judged = response.train(small(), NOW)
    found = pd.concat(response.blocks(judged.estimator, response.table(small(), NOW)))
    email = found[found["name"] == "response_email"].set_index("customer_id")["value"]

    assert judged.is_fallback
    assert "more e-mails to learn from" in judged.summary
    assert email[1] > email[2] > email[3]  # moved by the own answers all the same
    assert 0.03 < email[3] < 0.06


@pytest.mark.parametrize("rows", [[], [(1, ago(100))]], ids=["nobody", "nobody was written to"])
def test_a_shop_that_wrote_to_nobody_gets_a_sentence(rows):
    judged = response.train(facts(orders(rows)), NOW)

    assert judged.is_fallback
    assert judged.n_customers == 0
    assert (
        sum(map(len, response.blocks(judged.estimator, response.table(facts(orders(rows)), NOW))))
        == 0
    )
