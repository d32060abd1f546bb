"""What each kind of import file holds, and how PostgreSQL checks and casts each column.

A text is right when it has the *shape* of its type and can be *cast*.  Shapes are tests that cost a
tenth of a regular expression; a cast fails on what only looks right (30 February).
"""

from dataclasses import dataclass, field
from itertools import product
from zoneinfo import available_timezones

from babel import Locale
from babel.core import get_global
from psycopg2.extensions import adapt

DIGITS = "0123456789"
ENGLISH = Locale("en")
CURRENCIES = sorted(set(map(str, ENGLISH.currencies)) & set(get_global("all_currencies")))
NO_COUNTRIES = {"AC", "CP", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
COUNTRIES = sorted(
    code
    for code in map(str, ENGLISH.territories)
    if len(code) == 2 and code.isalpha() and code not in NO_COUNTRIES
)
ZONES = sorted(available_timezones())


def literal(value: object) -> str:
    """``value`` as SQL text; for constants of ours, never for what a user typed."""
    quoted = adapt(value)
    if hasattr(quoted, "encoding"):
        quoted.encoding = "utf-8"
    return quoted.getquoted().decode().replace("%", "%%")


def one_of(values: list[str]) -> str:
    return "(" + ", ".join(literal(value) for value in values) + ")"


def _time_shapes() -> list[str]:
    clocks = ["00:00", "00:00:00", *("00:00:00." + "0" * digits for digits in range(1, 7))]
    zones = [sign + zone for sign in "+-" for zone in ("00", "0000", "00:00")]
    zones = ["", "Z", " Z", *zones, *(f" {zone}" for zone in zones)]
    moments = ("".join(parts) for parts in product(("0000-00-00",), "T ", clocks, zones))
    return ["0000-00-00", *moments]


TIME_SHAPES = one_of(_time_shapes())
EMAIL = (
    r"^[a-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&''*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$"
).replace("%", "%%")


@dataclass(frozen=True)
class Type:
    """How a text becomes a value: SQL with ``{x}`` for the text."""

    meaning: str  # ends the sentence "is not …" in a reject file
    shape: str
    cast: str = "{x}"
    sure: str = "true"  # where this holds, the cast cannot fail
    target: str = "text"


def text(most: int) -> Type:
    return Type(f"a text of at most {most} characters", f"length({{x}}) <= {most}")


def choice(*options: str) -> Type:
    return Type(
        f"one of {', '.join(options)}", f"lower({{x}}) IN {one_of(list(options))}", "lower({x})"
    )


def code(meaning: str, options: list[str]) -> Type:
    return Type(meaning, f"upper({{x}}) IN {one_of(options)}", "upper({x})")


IDENTIFIER = Type(
    "a text of 1 to 120 characters",
    "(octet_length({x}) <= 120 OR length({x}) <= 120)"
    " AND ({x} COLLATE \"C\" >= '!' OR btrim({x}, E' \\t') <> '')",
)
# The two spellings that nearly all files have are told by LIKE, at a tenth of the cost.
TIME = Type(
    "a time like 2026-01-31T18:30:00Z between 1900 and tomorrow",
    "({x} LIKE '____-__-__T__:__:__Z' OR {x} LIKE '____-__-__ __:__:__'"
    f" OR translate({{x}}, '{DIGITS}', '0000000000') IN {TIME_SHAPES})"
    " AND left({x}, 10) COLLATE \"C\" BETWEEN '1900-01-01' AND %(latest)s",
    "{x}::timestamptz",
    f"translate({{x}}, '{DIGITS}', '0000000000') IN {TIME_SHAPES}"
    " AND substr({x}, 6, 2) BETWEEN '01' AND '12' AND substr({x}, 9, 2) BETWEEN '01' AND '28'"
    " AND substr({x}, 12, 2) < '24' AND substr({x}, 15, 2) < '60' AND substr({x}, 18, 2) < '60'"
    " AND length({x}) <= 20 AND translate(substr({x}, 11), '+-', '') = substr({x}, 11)",
    "timestamptz",
)
DATE = Type(
    "a date like 1984-05-31 between 1900 and tomorrow",
    "translate({x}, '123456789', '000000000') = '0000-00-00'"
    " AND {x} COLLATE \"C\" BETWEEN '1900-01-01' AND %(latest)s",
    "{x}::date",
    "substr({x}, 6, 2) BETWEEN '01' AND '12' AND substr({x}, 9, 2) BETWEEN '01' AND '28'",
    "date",
)
# Shapes of numbers name the characters; that these make a number is for the cast to say.
INTEGER = Type(
    "a whole number between -2147483648 and 2147483647",
    "{x} !~ '[^0-9-]'",
    "{x}::int4",
    "length({x}) <= 9 AND {x} ~ '^-?[0-9]+$'",
    "int4",
)
POSITION = Type(
    "a whole number from 1 to 999999999",
    f"translate({{x}}, '{DIGITS}', '') = '' AND length({{x}}) <= 9 AND ltrim({{x}}, '0') <> ''",
    "{x}::int4",
    target="int4",
)
NUMBER = Type(
    "a number with at most 10 digits before and 4 after the point",
    "{x} !~ '[^0-9.-]' AND ({x} NOT LIKE '%%._____%%' OR rtrim({x}, '0') NOT LIKE '%%._____%%')",
    "{x}::numeric(14,4)",
    "length({x}) <= 10 AND {x} ~ '^-?[0-9]+([.][0-9]+)?$'",
    "numeric",
)
BOOLEAN = Type(
    "true or false",
    "lower({x}) IN ('true', 'false', 't', 'f', 'yes', 'no', 'y', 'n', '1', '0')",
    "(lower({x}) IN ('true', 't', 'yes', 'y', '1'))",
    target="boolean",
)
STARS = Type("1, 2, 3, 4 or 5", "{x} IN ('1', '2', '3', '4', '5')", "{x}::int2", target="int2")
OBJECT = Type("a JSON object", "ltrim({x}, E' \\t\\n') LIKE '{{%%'", "{x}::jsonb", "false", "jsonb")
ADDRESS = Type("an IP address", "{x} !~ '[^0-9a-fA-F.:]'", "host({x}::inet)::inet", "false", "inet")
EMAIL_ADDRESS = Type(
    "an e-mail address",
    f"lower(btrim({{x}})) ~ '{EMAIL.replace('{', '{{').replace('}', '}}')}'"
    " AND length({x}) <= 254 AND strpos(btrim({x}), '@') <= 65",
    "lower(btrim({x}))",
)
PHONE = Type(
    "a phone number like +33123456789",
    "translate({x}, ' ()./-', '') ~ '^\\+[1-9][0-9]{{6,14}}$'",
    "translate({x}, ' ()./-', '')",
)
LANGUAGE = Type(
    "a language like en or pt-BR",
    "length({x}) <= 12 AND {x} ~ '^[A-Za-z]{{2,3}}([-_][A-Za-z0-9]{{2,8}})*$'",
    "replace({x}, '_', '-')",
)
ZONE = Type("a time zone like Europe/Paris", f"{{x}} IN {one_of(ZONES)}")
CURRENCY = code("a currency code like EUR", CURRENCIES)
COUNTRY = code("a country code like FR", COUNTRIES)
CHANNEL = choice("email", "sms", "push", "in_app")


@dataclass(frozen=True)
class Column:
    """One column of an import file."""

    name: str
    type: Type
    required: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of import file.  ``more`` is the JSON column that keeps unknown columns."""

    name: str
    columns: tuple[Column, ...]
    more: str = ""
    either: tuple[str, ...] = ()  # at least one of these must hold a value
    checks: tuple[tuple[str, str, str], ...] = field(default=())  # column, SQL of a fault, reason

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def missing(self, found: list[str] | set[str]) -> list[str]:
        """What the kind asks for and ``found`` has not, in words."""
        lacking = [column.name for column in self.columns if column.required]
        lacking = [name for name in lacking if name not in found]
        if self.either and not set(self.either) & set(found):
            lacking.append(" or ".join(self.either))
        return lacking


def _columns(required: dict[str, Type], optional: dict[str, Type]) -> tuple[Column, ...]:
    needed = [Column(name, type_, required=True) for name, type_ in required.items()]
    return (*needed, *(Column(name, type_) for name, type_ in optional.items()))


CUSTOMERS = Kind(
    "customers",
    _columns(
        {"external_id": IDENTIFIER},
        {
            "email": EMAIL_ADDRESS,
            "phone": PHONE,
            "first_name": text(120),
            "last_name": text(120),
            "language": LANGUAGE,
            "time_zone": ZONE,
            "country": COUNTRY,
            "birth_date": DATE,
            "happened_at": TIME,
            "recorded_at": TIME,
            "traits": OBJECT,
        },
    ),
    more="traits",
)
PRODUCTS = Kind(
    "products",
    _columns(
        {"external_id": IDENTIFIER},
        {
            "name": text(300),
            "kind": choice("goods", "service", "adjustment"),
            "category": text(120),
            "brand": text(120),
            "price": NUMBER,
            "currency": CURRENCY,
            "url": text(500),
            "image_url": text(500),
            "is_available": BOOLEAN,
            "happened_at": TIME,
            "recorded_at": TIME,
            "properties": OBJECT,
        },
    ),
    more="properties",
)
ORDERS = Kind(
    "orders",
    _columns(
        {
            "order_id": IDENTIFIER,
            "happened_at": TIME,
            "currency": CURRENCY,
            "product_id": IDENTIFIER,
            "quantity": INTEGER,
            "unit_price": NUMBER,
        },
        {
            "customer_id": IDENTIFIER,
            "kind": choice("sale", "refund", "adjustment"),
            "status": choice("paid", "refunded", "cancelled"),
            "coupon_code": text(60),
            "order_discount": NUMBER,
            "country": COUNTRY,
            "position": POSITION,
            "title": text(300),
            "line_discount": NUMBER,
            "product_kind": choice("goods", "service", "adjustment"),
            "recorded_at": TIME,
            "properties": OBJECT,
        },
    ),
    more="properties",
)
EVENTS = Kind(
    "events",
    _columns(
        {"name": text(120), "happened_at": TIME},
        {
            "message_id": text(100),
            "customer_id": IDENTIFIER,
            "anonymous_id": text(254),
            "recorded_at": TIME,
            "properties": OBJECT,
        },
    ),
    more="properties",
    either=("customer_id", "anonymous_id"),
)
REVIEWS = Kind(
    "reviews",
    _columns(
        {"external_id": IDENTIFIER, "happened_at": TIME},
        {
            "customer_id": IDENTIFIER,
            "product_id": IDENTIFIER,
            "rating": STARS,
            "is_recommended": BOOLEAN,
            "title": text(300),
            "text": text(100_000),
            "recorded_at": TIME,
        },
    ),
)
CONSENT = Kind(
    "consent",
    _columns(
        {"channel": CHANNEL, "is_granted": BOOLEAN, "happened_at": TIME},
        {
            "customer_id": IDENTIFIER,
            "email": EMAIL_ADDRESS,
            "topic": text(40),
            "proof_text": text(10_000),
            "proof_url": text(500),
            "proof_ip": ADDRESS,
            "recorded_at": TIME,
        },
    ),
    either=("customer_id", "email"),
)
KINDS = {kind.name: kind for kind in (CUSTOMERS, PRODUCTS, ORDERS, EVENTS, REVIEWS, CONSENT)}
