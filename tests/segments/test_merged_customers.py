"""Segments follow a merge and its undoing, however they are asked."""

import pytest
from django.db import connection

from customers.models import Customer
from customers.services import identity
from segments.rules import parse, to_sql
from segments.rules.evaluate import evaluate
from segments.services import mirror, people
from tests.makers import NOW, make_customer, make_order

pytestmark = pytest.mark.django_db(transaction=True)
RULES = {
    1: parse.parse(
        {
            "version": 1,
            "where": {"type": "orders", "measure": "count", "op": ">=", "value": 2},
        }
    ),
    2: parse.parse(
        {
            "version": 1,
            "where": {"type": "field", "field": "country", "op": "=", "value": "FR"},
        }
    ),
}


def members():
    """Who is in each segment, by the mirror, by SQL and by the Python reader, which must agree."""
    by_mirror = mirror.verdicts(RULES, NOW).members
    everyone = people.load(list(Customer.objects.values_list("pk", flat=True)))
    found = {}
    for key, rule in RULES.items():
        query = to_sql.to_sql(rule, NOW)
        by_sql = sorted(pk for (pk,) in rows(query))
        assert by_mirror[key].tolist() == by_sql
        assert sorted(p.id for p in everyone if evaluate(rule, p, NOW)) == by_sql
        found[key] = set(by_sql)
    return found


def rows(query):
    with connection.cursor() as cursor:
        cursor.execute(query.text, query.params)
        return cursor.fetchall()


def test_mirror_statement_and_reader_agree_on_a_merge_and_on_its_undoing(settings, tmp_path):
    settings.MIRROR_FROM_CUSTOMERS = 1
    settings.RAPPORT_HOME = tmp_path
    ada, twin = make_customer("ada"), make_customer("twin")
    make_order(ada), make_order(twin)
    before = members()
    assert before == {1: set(), 2: {ada.pk, twin.pk}}

    merge = identity.merge(ada.pk, twin.pk, rule="person", now=NOW)
    assert members() == {1: {ada.pk}, 2: {ada.pk}}

    identity.undo(merge, now=NOW, user=None)
    assert members() == before
    mirror._views.clear()
