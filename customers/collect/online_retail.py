"""The UCI Online Retail export: every row a line of an invoice of a British wholesaler, 2010-11.

Invoices beginning with C are refunds, those beginning with A adjust bad debt.  Times are read as
UTC, which in Britain they are within an hour.
"""

from customers.collect.presets import Preset

COUNTRIES = {
    "United Kingdom": "GB",
    "Germany": "DE",
    "France": "FR",
    "EIRE": "IE",
    "Spain": "ES",
    "Netherlands": "NL",
    "Belgium": "BE",
    "Switzerland": "CH",
    "Portugal": "PT",
    "Australia": "AU",
    "Norway": "NO",
    "Italy": "IT",
    "Finland": "FI",
    "Cyprus": "CY",
    "Sweden": "SE",
    "Austria": "AT",
    "Denmark": "DK",
    "Japan": "JP",
    "Poland": "PL",
    "Israel": "IL",
    "USA": "US",
    "Hong Kong": "HK",
    "Singapore": "SG",
    "Iceland": "IS",
    "Canada": "CA",
    "Greece": "GR",
    "Malta": "MT",
    "United Arab Emirates": "AE",
    "RSA": "ZA",
    "Lebanon": "LB",
    "Lithuania": "LT",
    "Brazil": "BR",
    "Czech Republic": "CZ",
    "Bahrain": "BH",
    "Saudi Arabia": "SA",
}  # "Channel Islands", "European Community" and "Unspecified" are no country
SERVICES = ("POST", "DOT", "C2", "PADS")  # postage, carriage, packing
ADJUSTMENTS = ("D", "M", "m", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK")


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


PRESET = Preset(
    name="online-retail",
    kind="orders",
    columns=(
        "InvoiceNo",
        "StockCode",
        "Description",
        "Quantity",
        "InvoiceDate",
        "UnitPrice",
        "CustomerID",
        "Country",
    ),
    expressions={
        "order_id": "{InvoiceNo}",
        "product_id": "{StockCode}",
        "title": "{Description}",
        "quantity": "{Quantity}",
        "happened_at": "{InvoiceDate}",
        "unit_price": "{UnitPrice}",
        "customer_id": "{CustomerID}",
        "currency": "'GBP'",
        "kind": "CASE left({InvoiceNo}, 1) WHEN 'C' THEN 'refund' WHEN 'A' THEN 'adjustment'"
        " ELSE 'sale' END",
        "country": "CASE {Country} "
        + " ".join(f"WHEN '{name}' THEN '{code}'" for name, code in COUNTRIES.items())
        + " END",
        # a voucher is a promise, not goods to recommend
        "product_kind": f"CASE WHEN {{StockCode}} IN ({_listed(SERVICES)})"
        " OR {StockCode} LIKE 'gift_0001_%%' THEN 'service'"
        f" WHEN {{StockCode}} IN ({_listed(ADJUSTMENTS)}) THEN 'adjustment' ELSE 'goods' END",
    },
    extra={"country": "{Country}"},
)
