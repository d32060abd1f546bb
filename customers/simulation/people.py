"""Who the invented customers are, and whether they may be written to."""

import unicodedata
from dataclasses import dataclass

import numpy as np

from customers.simulation.catalogue import CATEGORIES
from customers.simulation.plan import BARGAIN, BEHAVIOURS, LOYAL, ONE_TIMER, Plan, of_behaviours
from customers.simulation.seasons import SEASONS, Clock

WITHOUT_EMAIL_SHARE = 0.03
BIRTH_DATE_SHARE = 0.55
ASKED_YES_SHARE = 0.79  # of those with an address
ASKED_NO_SHARE = 0.09  # the rest was never asked: no row
WITHDRAWN_SHARE = 0.085  # of those who said yes
CONSENT_SHARE = (1 - WITHOUT_EMAIL_SHARE) * ASKED_YES_SHARE * (1 - WITHDRAWN_SHARE)
YES_TEXT = "Yes, send me news and offers by e-mail. I can unsubscribe at any time."
NO_TEXT = "No, thank you."
WITHDRAWN_TEXT = "Unsubscribed on the preference page."

# country: (weight, language, time zones); the names below go by language
COUNTRIES: dict[str, tuple[float, str, tuple[str, ...]]] = {
    "DE": (18, "de", ("Europe/Berlin",)),
    "FR": (14, "fr", ("Europe/Paris",)),
    "GB": (12, "en", ("Europe/London",)),
    "US": (9, "en", ("America/New_York", "America/Chicago", "America/Denver", "America/Phoenix")),
    "ES": (7, "es", ("Europe/Madrid", "Atlantic/Canary")),
    "IT": (7, "it", ("Europe/Rome",)),
    "NL": (6, "nl", ("Europe/Amsterdam",)),
    "PL": (5, "pl", ("Europe/Warsaw",)),
    "AT": (4, "de", ("Europe/Vienna",)),
    "SE": (3, "sv", ("Europe/Stockholm",)),
    "PT": (3, "pt", ("Europe/Lisbon",)),
    "IE": (2, "en", ("Europe/Dublin",)),
    "CA": (2, "en", ("America/Toronto", "America/Vancouver")),
    "BR": (2, "pt", ("America/Sao_Paulo", "America/Manaus")),
    "MX": (2, "es", ("America/Mexico_City",)),
    "AU": (2, "en", ("Australia/Sydney", "Australia/Perth")),
    "IN": (1, "en", ("Asia/Kolkata",)),
    "ZA": (1, "en", ("Africa/Johannesburg",)),
}
GIVEN_NAMES: dict[str, str] = {
    "de": "Anna Jonas Lena Felix Marie Paul Klara Emil Greta Moritz Ida Anton Lotte Jakob Mia",
    "fr": "Chloé Louis Manon Hugo Inès Jules Léa Arthur Zoé Théo Alice Gabriel Rose Noé Élise",
    "en": "Amelia Jack Ruby Harry Grace Oscar Nora Leo Asha Ravi Maya Sam Tess Owen Priya",
    "es": "Lucía Mateo Elena Diego Carmen Pablo Alba Bruno Inés Marcos Noa Adrián Clara Iván Sol",
    "it": "Giulia Marco Sofia Luca Chiara Matteo Elisa Dario Alba Pietro Rosa Nico Vera Aldo Mara",
    "nl": "Sanne Daan Fleur Bram Lotte Sem Noor Thijs Eva Luuk Roos Finn Maud Joris Tess",
    "pl": "Zofia Jan Maja Antoni Hanna Filip Ola Szymon Ewa Tomek Iga Marek Lena Piotr Nina",
    "sv": "Alva Elias Saga Nils Ebba Axel Tyra Lucas Astrid Olle Freja Sixten Liv Arvid Stina",
    "pt": "Beatriz João Inês Tiago Marta Rui Joana Diogo Sara André Lia Vasco Eva Duarte Rita",
}
FAMILY_NAMES: dict[str, str] = {
    "de": "Apfelbach Birkenau Dornfeld Eichholz Grünwinkel Hügelin Kieselmann Lindgrund Moosberg",
    "fr": "Aubrelac Boisclair Champvert Doucerive Fontbelle Grandpré Hautbois Lavigneau Montfleur",
    "en": "Applewood Brookhurst Copperfold Dalewick Fernsby Goldmere Hartswell Inglethorpe Larkby",
    "es": "Almendral Brisaluna Campoverde Dosríos Fuentealba Granadilla Hierbabuena Olivera",
    "it": "Acquachiara Belcolle Campolieto Dolceriva Granpino Lagoverde Montesole Pratolino",
    "nl": "Appelgaard Beukenrode Duinzicht Groenveld Heidebloem Klaverwei Lindehof Waterkant",
    "pl": "Brzozak Dębnik Jabłonek Klonowik Lipowiec Malinowicz Olszynek Polanik Wierzbik",
    "sv": "Björklunda Ekvik Granmo Hasselby Insjö Lindhaga Mossdal Norrvik Sjöäng",
    "pt": "Amendoeira Bosqueverde Campolindo Figueiral Lagoazul Oliveirinha Pinhalva Riodouro",
}
DOMAINS = ("example.com", "example.com", "example.net", "example.org")
ACQUIRED_BY = ("search", "social", "friend", "price comparison", "market stall", "newsletter")
DEVICES = ("mobile", "desktop", "tablet")
PROOF_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")  # RFC 5737: kept for documentation


@dataclass(frozen=True)
class People:
    """One chunk of customers; every array has one entry a customer. Moments are seconds of 1970."""

    number: np.ndarray
    behaviour: np.ndarray  # index into BEHAVIOURS: the truth, never written to the shop's files
    rate: np.ndarray  # purchases a busy day while active, before any slowing
    leaving: np.ndarray  # probability to leave after a purchase
    buys: np.ndarray  # False: signed up and never bought
    favourite: np.ndarray  # index into CATEGORIES
    arrived: np.ndarray
    country: np.ndarray  # index into COUNTRIES
    zone: np.ndarray  # index into the country's time zones
    given: np.ndarray
    family: np.ndarray
    has_email: np.ndarray
    birth: np.ndarray  # datetime64[D], NaT where not told
    acquired: np.ndarray
    device: np.ndarray

    @property
    def size(self) -> int:
        return self.number.size


@dataclass(frozen=True)
class Consents:
    """Words given on e-mail, one entry a word."""

    customer: np.ndarray  # index in the chunk
    is_granted: np.ndarray
    is_withdrawal: np.ndarray
    moment: np.ndarray
    network: np.ndarray
    host: np.ndarray


def people(plan: Plan, chunk: int, clock: Clock, rng: np.random.Generator) -> People:
    """Draw the customers of one chunk."""
    number = plan.numbers(chunk)
    size = number.size
    behaviour = rng.choice(len(BEHAVIOURS), size, p=[each.share for each in BEHAVIOURS])
    shape = of_behaviours("rate_shape", behaviour)
    mean_rate = of_behaviours("orders_per_year", behaviour) / 365.25 * plan.pace
    a, b = np.array([each.leaving for each in BEHAVIOURS])[behaviour].T
    weights = np.array([each[0] for each in COUNTRIES.values()])
    country = rng.choice(len(COUNTRIES), size, p=weights / weights.sum())
    zones = np.array([len(each[2]) for each in COUNTRIES.values()])
    return People(
        number=number,
        behaviour=behaviour,
        rate=rng.gamma(shape, mean_rate / shape),
        leaving=rng.beta(a, b),
        buys=rng.random(size) < of_behaviours("bought_share", behaviour),
        favourite=rng.integers(0, len(CATEGORIES), size),
        arrived=_arrivals(plan, clock, behaviour, rng),
        country=country,
        zone=(rng.random(size) ** 2 * zones[country]).astype(int),  # the first is the likeliest
        given=rng.random(size),
        family=rng.random(size),
        has_email=rng.random(size) >= WITHOUT_EMAIL_SHARE,
        birth=_births(plan, size, rng),
        acquired=_acquired(behaviour, rng),
        device=rng.choice(len(DEVICES), size, p=(0.58, 0.34, 0.08)),
    )


def _arrivals(
    plan: Plan, clock: Clock, behaviour: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """New customers come at a steady pace in busy time: more of them in their season."""
    drawn = rng.random(behaviour.size)
    arrived = np.empty(behaviour.size, np.int64)
    for season in SEASONS:
        here = in_season(season, behaviour)
        whole = clock.busy_days(season, np.array([plan.end_second - 1]))
        arrived[here] = clock.moments(season, drawn[here] * whole)
    return arrived


def in_season(season: str, behaviour: np.ndarray) -> np.ndarray:
    """Which customers buy by ``season``."""
    return np.array([each.season == season for each in BEHAVIOURS])[behaviour]


def _births(plan: Plan, size: int, rng: np.random.Generator) -> np.ndarray:
    ages = 18 + rng.gamma(4.0, 6.5, size)
    today = np.datetime64(plan.end_second, "s").astype("datetime64[D]")
    births = today - (np.minimum(ages, 95) * 365.25).astype("timedelta64[D]")
    return np.where(rng.random(size) < BIRTH_DATE_SHARE, births, np.datetime64("NaT"))


def _acquired(behaviour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How they found the shop: a trait that says a little about behaviour, as in life."""
    weights = np.tile([30.0, 22, 14, 8, 14, 12], (len(BEHAVIOURS), 1))
    weights[LOYAL] = (24, 14, 30, 4, 10, 18)
    weights[ONE_TIMER] = (34, 32, 6, 14, 10, 4)
    weights[BARGAIN] = (22, 18, 8, 38, 6, 8)
    limits = weights.cumsum(axis=1) / weights.sum(axis=1, keepdims=True)
    return (rng.random(behaviour.size)[:, None] >= limits[behaviour]).sum(axis=1)


def consents(plan: Plan, crowd: People, rng: np.random.Generator) -> Consents:
    """Draw what was said on e-mail: yes or no at sign-up, and some withdrew later."""
    said = rng.random(crowd.size)
    yes = crowd.has_email & (said < ASKED_YES_SHARE)
    no = crowd.has_email & (said >= ASKED_YES_SHARE) & (said < ASKED_YES_SHARE + ASKED_NO_SHARE)
    withdrew = yes & (rng.random(crowd.size) < WITHDRAWN_SHARE)
    left = np.maximum(plan.end_second - 1 - crowd.arrived, 1)
    later = crowd.arrived + 1 + (rng.random(crowd.size) * left).astype(np.int64)
    customer = np.concatenate((np.flatnonzero(yes | no), np.flatnonzero(withdrew)))
    first = int((yes | no).sum())
    is_withdrawal = np.arange(customer.size) >= first
    moment = np.where(is_withdrawal, later[customer], crowd.arrived[customer])
    order = np.lexsort((is_withdrawal, customer))
    return Consents(
        customer=customer[order],
        is_granted=(yes[customer] & ~is_withdrawal)[order],
        is_withdrawal=is_withdrawal[order],
        moment=np.minimum(moment, plan.end_second - 1)[order],
        network=rng.integers(0, len(PROOF_NETWORKS), customer.size),
        host=rng.integers(1, 255, customer.size),
    )


def names(crowd: People) -> tuple[list[str], list[str]]:
    """Given and family names, in the order of the customers."""
    languages = [each[1] for each in COUNTRIES.values()]
    given = [GIVEN_NAMES[each].split() for each in languages]
    family = [FAMILY_NAMES[each].split() for each in languages]
    country = crowd.country.tolist()
    firsts = [
        given[c][int(u * len(given[c]))] for c, u in zip(country, crowd.given.tolist(), strict=True)
    ]
    lasts = [
        family[c][int(u * len(family[c]))]
        for c, u in zip(country, crowd.family.tolist(), strict=True)
    ]
    return firsts, lasts


def emails(crowd: People, firsts: list[str], lasts: list[str]) -> list[str]:
    """Addresses that nobody owns (RFC 2606), each once; empty for those who gave none."""
    ascii_names = {name: _ascii(name) for name in {*firsts, *lasts}}
    return [
        f"{ascii_names[first]}.{ascii_names[last]}.{number}@{DOMAINS[number % len(DOMAINS)]}"
        if has_email
        else ""
        for first, last, number, has_email in zip(
            firsts, lasts, crowd.number.tolist(), crowd.has_email.tolist(), strict=True
        )
    ]


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ł", "l")).encode("ascii", "ignore")
    return plain.decode().lower()
