"""The number of clusters is the most telling of those that hold."""

import pytest

from segments.evaluation.estimate import Estimate
from segments.evaluation.stability import Silhouette
from segments.recipes.groups import Choice, choose


def choice(
    k: int,
    *,
    stable=0.95,
    silhouette=0.3,
    null=0.2,
    least=0.05,
    worth: float | None = 0.1,
    method="k-means",
    noise=0.0,
):
    return Choice(
        k=k,
        stability=Estimate(stable, None, None, 500),
        silhouette=Silhouette(
            Estimate(silhouette, None, None, 500), Estimate(null, None, None, 500)
        ),
        least_share=least,
        worth=worth,
        method=method,
        noise_share=noise,
    )


@pytest.mark.parametrize(
    "unsound",
    [{"stable": 0.89}, {"silhouette": 0.19}, {"silhouette": 0.23}, {"least": 0.02}, {"noise": 0.3}],
    ids=str,
)
def test_what_does_not_hold_is_not_chosen_however_telling(unsound):
    assert choose([choice(3), choice(8, worth=0.4, **unsound)]).k == 3


def test_the_most_telling_wins_and_ties_go_to_fewer():
    assert choose([choice(3, worth=0.10), choice(4, worth=0.30), choice(5, worth=0.305)]).k == 4
    assert choose([choice(3, worth=0.30), choice(4, worth=0.29)]).k == 3


def test_the_live_number_stays_while_it_is_nearly_as_good():
    choices = [choice(4, worth=0.30), choice(6, worth=0.26, stable=0.85)]

    assert choose(choices).k == 4
    assert choose(choices, live_k=6).k == 6
    assert choose([choice(4, worth=0.30), choice(6, worth=0.20)], live_k=6).k == 4
    assert choose([choice(4, worth=0.30), choice(6, worth=0.29, stable=0.7)], live_k=6).k == 4
    assert choose(choices, live_k=8).k == 4


def test_without_a_past_the_farthest_above_shuffled_columns_wins():
    assert choose([choice(3, worth=None), choice(4, worth=None, silhouette=0.4)]).k == 4


def test_where_nothing_holds_the_most_stable_without_a_tiny_cluster_is_taken():
    choices = [choice(3, stable=0.6), choice(4, stable=0.7), choice(5, stable=0.8, least=0.01)]

    assert choose(choices).k == 4


def test_another_method_is_taken_where_it_tells_more_and_ties_go_to_k_means():
    ward = choice(3, worth=0.302, method="hierarchical (Ward)")

    assert choose([choice(4, worth=0.30), ward]).method == "k-means"
    assert choose([choice(4, worth=0.20), ward]) is ward
    assert choose([choice(4, worth=0.30), ward], live_k=3).k == 4  # the live one was k-means
    assert choose([choice(4, worth=0.30), ward], live_k=3, live_method=ward.method) is ward


def test_each_that_was_not_chosen_says_why():
    chosen = choice(4, worth=0.30)
    others = {
        "Refits agree by 0.50 only": choice(4, stable=0.5),
        "Its smallest cluster has 1.0% of customers": choice(4, least=0.01),
        "stands 0.02 above shuffled": choice(4, silhouette=0.22),
        "leaves 60% of customers in no cluster": choice(4, noise=0.6),
        "one group only": choice(1),
        "tells less about the next 90 days: 0.100": choice(3, worth=0.1),
        "than k-means, which is simpler": choice(4, worth=0.301, method="Gaussian mixture"),
        "with more clusters": choice(5, worth=0.301),
        "live clusters are nearly as good": choice(5, worth=0.35),
    }

    assert chosen.why_not(chosen) == ""
    for words, other in others.items():
        assert words in other.why_not(chosen)
        assert other.as_json(chosen)["why_not"] == other.why_not(chosen)
