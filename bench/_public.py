"""Public data sets as frames and facts; copies differ, so each is asserted by its check values."""

import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
DATA = ROOT.parent / "shared" / "data"
CDNOW_END = pd.Timestamp("1997-09-30")
WEEK_DAYS = 7.0
HOLDOUT_WEEKS = 39


def cdnow(folder: Path, name: str) -> pd.DataFrame:
    """CDNOW's customers at the end of 39 weeks, in weeks, and what they did in the next 39."""
    is_sample = name == "CDNOW_sample.txt"
    columns = ["customer", "day", "cds", "amount"]
    days = pd.read_csv(
        folder / "cdnow" / name,
        sep=r"\s+",
        header=None,
        names=["master", *columns] if is_sample else columns,
        skiprows=0 if is_sample else 1,
        dtype=str,
    )
    days["day"] = pd.to_datetime(days["day"], format="%Y%m%d")
    days["amount"] = days["amount"].astype(float)
    days = days.groupby(["customer", "day"], as_index=False)["amount"].sum()
    seen, later = days[days["day"] <= CDNOW_END], days[days["day"] > CDNOW_END]
    groups = seen.groupby("customer")
    first, last = groups["day"].min(), groups["day"].max()
    repeats = seen[seen["day"] > seen["customer"].map(first)]
    table = pd.DataFrame(
        {
            "frequency": groups.size() - 1,
            "recency": (last - first).dt.days / WEEK_DAYS,
            "age": (CDNOW_END - first).dt.days / WEEK_DAYS,
            "repeat_spend": repeats.groupby("customer")["amount"].mean(),
            "purchases": groups.size(),
            "mean_spend": groups["amount"].mean(),
        }
    )
    table["later"] = later.groupby("customer").size().reindex(table.index).fillna(0)
    table["later_spend"] = later.groupby("customer")["amount"].mean()
    found = len(table), int(table["later"].sum())
    expected = (2_357, 1_882) if is_sample else (23_570, 19_684)
    if found != expected:
        raise ValueError(f"{name} has customers and later purchases {found}, expected {expected}")
    return table


def online_retail(folder: Path):
    """The facts of Online Retail: invoices as orders, credit notes as refunds."""
    from tests.published import online_retail

    return online_retail.load(folder / "online_retail" / "online_retail.csv.gz")
