"""Measure a night: train all models, score everybody, refresh segments; then touched customers.

``python bench/retrain.py`` takes 50,000 customers, 500,000 orders and 250,000 events; ``--full``
twenty times that.  Everything happens on a database of its own that is gone afterwards.

The limit is what scikit-learn and SciPy alone take for the fits of the same run: the time inside
their own ``fit``, on arrays that are ready.  The first night trains from nothing; the second has a
champion for each kind, and scores to replace.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import _embedded
import numpy as np
from features import AS_OF, fill, peak_mib
from realtime import PEOPLE, execute, fill_events, seconds

SMALL, FULL = 50_000, 1_000_000
ORDERS_EACH, EVENTS_EACH = 10, 5
NIGHTS = 2
TOUCHED = 200  # customers timed one by one
BATCH, BATCHES = 100, 5
TARGET_RATIO, TARGET_MIB, TARGET_MS = 2.0, 6_144, 50.0


def invent(customers: int) -> None:
    """A shop by COPY; people with consent, products with a category, no scores."""
    then = AS_OF - timedelta(days=1_100)
    fill(customers, customers * ORDERS_EACH)
    execute([PEOPLE[0], PEOPLE[1], PEOPLE[3]], customers=customers, then=then)
    fill_events(customers, customers * EVENTS_EACH)
    tables = ("customers_order", "customers_orderline")  # loaded with ids of their own
    execute([f"SELECT setval('{one}_id_seq', max(id)) FROM {one}" for one in tables])
    execute(["VACUUM ANALYZE"])


# --- what the libraries take by themselves --------------------------------------------------------


class Bare:
    """Seconds inside the libraries' own fits, by stage; a fit within a fit counts once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.stage = ""
        self._depth = threading.local()

    def timed(self, work: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(work)
        def outermost(*given: Any, **more: Any) -> Any:
            if getattr(self._depth, "n", 0):
                return work(*given, **more)
            self._depth.n = 1
            began = time.perf_counter()
            try:
                return work(*given, **more)
            finally:
                self._depth.n = 0
                took = time.perf_counter() - began
                self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + took

        return outermost

    def listen(self) -> None:
        """Time every fit from now on; before anything of ours is imported."""
        import scipy.cluster.hierarchy
        import scipy.optimize
        from sklearn.utils import all_estimators

        for name in ("minimize", "minimize_scalar"):
            setattr(scipy.optimize, name, self.timed(getattr(scipy.optimize, name)))
        linkage = scipy.cluster.hierarchy.linkage
        setattr(scipy.cluster.hierarchy, "linkage", self.timed(linkage))  # noqa: B010
        for _name, estimator in all_estimators():
            for word in ("fit", "fit_transform", "fit_predict"):
                if word in vars(estimator):
                    setattr(estimator, word, self.timed(getattr(estimator, word)))


class Stages:
    """Seconds of each stage that a training tells of, and within scoring of making and swapping."""

    def __init__(self, bare: Bare) -> None:
        self.seconds: dict[str, float] = {}
        self._bare, self._began = bare, 0.0

    def listen(self) -> None:
        from rapport import runs
        from segments.services import scoring

        tell, swap, compute = runs.Progress.stage, scoring._swap, scoring.compute

        def stage(progress: Any, name: str, **more: Any) -> None:
            self.turn(name)
            tell(progress, name, **more)

        def within(words: str, work: Callable[..., Any]) -> Callable[..., Any]:
            def timed(*given: Any, **more: Any) -> Any:
                began = time.perf_counter()
                try:
                    return work(*given, **more)
                finally:
                    self._add(f"{self._bare.stage}, {words}", time.perf_counter() - began)

            return timed

        setattr(runs.Progress, "stage", stage)  # noqa: B010
        setattr(scoring, "_swap", within("of it the swap", swap))  # noqa: B010
        setattr(scoring, "compute", within("of it computing", compute))  # noqa: B010

    def turn(self, name: str) -> None:
        now = time.perf_counter()
        if self._bare.stage:
            self._add(self._bare.stage, now - self._began)
        self._bare.stage, self._began = name, now

    def _add(self, name: str, took: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + took


# --- what is measured, each in a process of its own -----------------------------------------------


def night(number: int) -> dict[str, Any]:
    """One retraining of everything, as a worker does it."""
    bare = Bare()
    bare.listen()
    import django

    django.setup()
    from segments.services import training

    stages = Stages(bare)
    stages.listen()
    as_of = AS_OF + timedelta(days=number)
    began = time.perf_counter()
    runs = training.retrain(as_of=as_of)
    total = time.perf_counter() - began
    stages.turn("")
    return {
        "total": total,
        "stages": stages.seconds,
        "bare": bare.seconds,
        "states": {run.kind: run.state for run in runs},
        "errors": {run.kind: run.error for run in runs if run.error},
        "peak_mib": peak_mib(),
    }


def touched(customers: int) -> dict[str, Any]:
    """Scoring customers who have just ordered: one by one, and a hundred at a time."""
    import django

    django.setup()
    from segments.services import membership
    from segments.services import touched as service

    now = AS_OF + timedelta(days=NIGHTS, hours=1)
    rng = np.random.default_rng(3)
    ids = [int(one) for one in rng.choice(customers, TOUCHED + BATCH * (BATCHES + 1)) + 1]
    service.score(ids[:BATCH], now=now)  # loads the estimators; plans
    refresh = membership.refresh
    asked: list[float] = []

    def timed_refresh(*given: Any, **more: Any) -> Any:
        began = time.perf_counter()
        try:
            return refresh(*given, **more)
        finally:
            asked.append(time.perf_counter() - began)

    setattr(membership, "refresh", timed_refresh)  # noqa: B010
    singles, batches = [], []
    for place in range(TOUCHED):
        one = [ids[BATCH + place]]
        moment = now + timedelta(seconds=1 + place)
        singles.append(seconds(lambda one=one, moment=moment: service.score(one, now=moment)))
    of_segments = list(asked)
    for place in range(BATCHES):
        first = TOUCHED + BATCH * (place + 1)
        some, moment = ids[first : first + BATCH], now + timedelta(hours=1 + place)
        batches.append(seconds(lambda some=some, moment=moment: service.score(some, now=moment)))
    p50, p95 = np.quantile(singles, [0.5, 0.95]) * 1e3
    return {
        "p50_ms": p50,
        "p95_ms": p95,
        "of_it_segments_p50_ms": float(np.median(of_segments)) * 1e3,
        "each_of_100_ms": float(np.median(batches)) * 1e3 / BATCH,
    }


def measure(customers: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    began = time.perf_counter()
    invent(customers)
    print(f"invented in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    for number in range(NIGHTS):
        found[f"night {number + 1}"] = _apart("night", number)
    found["touched"] = _apart("touched", customers)
    return found


def _apart(what: str, given: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", what, str(given)]
    lines = subprocess.check_output(command, env=os.environ).splitlines()
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def ratio(found: dict[str, Any]) -> float:
    """The whole night without reading the facts, over the libraries' own fits."""
    export = sum(took for name, took in found["stages"].items() if name.startswith("reading"))
    return (found["total"] - export) / max(sum(found["bare"].values()), 1e-9)


def trained_ratio(found: dict[str, Any]) -> float:
    """Only training, over the fits in it."""
    took = sum(s for name, s in found["stages"].items() if name.startswith("training"))
    bare = sum(s for name, s in found["bare"].items() if name.startswith("training"))
    return took / max(bare, 1e-9)


def show(customers: int, found: dict[str, Any]) -> None:
    orders, events = customers * ORDERS_EACH, customers * EVENTS_EACH
    print(f"{customers:,} customers, {orders:,} orders, {events:,} events")
    nights = [f"night {number + 1}" for number in range(NIGHTS)]
    print(f"{'stage, seconds':<48}" + "".join(f"{one:>12}{'bare fits':>11}" for one in nights))
    for stage in found[nights[-1]]["stages"]:
        row = f"{stage:<48}"
        for one in nights:
            took, bare = found[one]["stages"].get(stage, 0.0), found[one]["bare"].get(stage)
            row += f"{took:>12.2f}" + (f"{bare:>11.2f}" if bare is not None else " " * 11)
        print(row)
    for words, figure, target in (
        ("all", lambda one: f"{one['total']:.1f} s", ""),
        ("x bare fits, without the export", lambda one: f"{ratio(one):.2f}", TARGET_RATIO),
        ("training alone, x bare fits", lambda one: f"{trained_ratio(one):.2f}", TARGET_RATIO),
        ("peak MiB", lambda one: f"{one['peak_mib']:,}", TARGET_MIB),
    ):
        said = "".join(f"{figure(found[one]):>23}" for one in nights)
        print(f"{words:<37}{said}" + (f"   target {target:,.0f}" if target else ""))
    for name, took in found["touched"].items():
        print(f"touched customer, {name:<30}{took:>12.1f}   target {TARGET_MS:.0f}")
    for one in nights:
        print(one, found[one]["states"], found[one]["errors"] or "")
    figures = {one: {"ratio": ratio(found[one]), **found[one]} for one in nights}
    print(json.dumps({"customers": customers, "touched": found["touched"], **figures}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} customers")
    parser.add_argument("--customers", type=int, help="another size")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        work = {"night": night, "touched": touched}[given.measure[0]]
        print(json.dumps(work(int(given.measure[1]))))
        return
    customers = given.customers or (FULL if given.full else SMALL)
    with _embedded.servers():
        found = measure(customers)
    show(customers, found)


if __name__ == "__main__":
    main()
