"""The facts of Online Retail, for tests and measurements; copies differ, so it checks its own."""

from pathlib import Path

import numpy as np
import pandas as pd

from customers.features.facts import Facts, facts

LINES, TOTAL = 541_909, 9_747_747.934


def load(path: Path) -> Facts:
    """Invoices as orders, credit notes as refunds; lines of goods that were bought.

    Raises
    ------
    ValueError
        The copy has not the check values of the file.
    """
    lines = pd.read_csv(path, dtype={"InvoiceNo": str, "StockCode": str})
    lines["amount"] = lines["Quantity"] * lines["UnitPrice"]
    found = len(lines), round(float(lines["amount"].sum()), 3)
    if found != (LINES, TOTAL):
        raise ValueError(f"{path.name} has lines and total {found}, not those of the file")
    lines = lines[lines["CustomerID"].notna()]
    lines["recorded_at"] = pd.to_datetime(lines["InvoiceDate"], utc=True).dt.as_unit("us")
    lines["order_id"] = lines["InvoiceNo"].str.lstrip("CA").astype(int)
    orders = lines.groupby("order_id", as_index=False).agg(
        customer_id=("CustomerID", "first"),
        placed_at=("recorded_at", "min"),
        amount=("amount", "sum"),
        invoice=("InvoiceNo", "first"),
    )
    orders["kind"] = np.where(orders["invoice"].str.startswith("C"), "refund", "sale")
    orders = orders.assign(
        customer_id=orders["customer_id"].astype(int),
        recorded_at=orders["placed_at"],
        discount=0.0,
    )
    goods = lines[(lines["Quantity"] > 0) & lines["StockCode"].str.match(r"\d{5}")]
    goods = goods.assign(
        product_id=goods["StockCode"].astype("category").cat.codes, quantity=goods["Quantity"]
    )
    return facts(orders, goods)
