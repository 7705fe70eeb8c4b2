"""Buying together: commodities, what the companies spend on them, how fast it is joined."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.tables.messages import number_text


def a_class_is_one_commodity(draft: Draft) -> Iterator[Problem]:
    """What the plan buys of a class is counted in one commodity."""
    first: dict[str, str] = {}
    for row in draft["commodities"]:
        name, class_name = row["commodity"], row["class"]
        if class_name and class_name in first:
            yield row.error(
                "class", f"class {class_name} is already commodity {first[class_name]}: it would count twice"
            )
        elif class_name and name:
            first[class_name] = name


def commodities_start_above_the_baseline(draft: Draft) -> Iterator[Problem]:
    """Nothing is bought together at the lowest rung; a commodity whose class no rung pools is never bought together."""
    rungs = [row for row in draft["rungs"] if row["position"] is not None]
    lowest = min((row["position"] for row in rungs), default=None)
    baseline = {row["rung"] for row in rungs if row["position"] == lowest}
    pooled = {row["class"] for row in rungs if row["procurement"] not in (None, "none")}
    for row in draft["commodities"]:
        if row["from_rung"] in baseline:
            yield row.error("from_rung", f"nothing is bought together at {row['from_rung']}, the lowest rung")
        if row["class"] and not row["from_rung"] and row["class"] not in pooled:
            yield row.warning("class", f"no rung pools the procurement of {row['class']}: it is never bought together")
        if row["alignment_share"] and not row["dispersion"]:
            yield row.warning("dispersion", "prices align, but the gap between them is 0: alignment saves nothing")


def spend_has_one_figure(draft: Draft) -> Iterator[Problem]:
    """A row of spend gives money per car or by the year, for a commodity that the plan does not buy itself."""
    classes = {row["commodity"]: row["class"] for row in draft["commodities"]}
    owners = {row["programme"]: row["company"] for row in draft["programmes"]}
    buyers: dict[str, set[str]] = {}
    for row in draft["volumes"]:
        buyers.setdefault(row["programme"], set()).add(row["company"])
    for row in draft["spend"]:
        given = [name for name in ("per_car", "million_a_year") if row[name] is not None]
        if len(given) != 1:
            said = (
                "both per_car and million_a_year are given" if given else "neither per_car nor million_a_year is given"
            )
            yield row.error("per_car", f"{said}: give one of them")
        if classes.get(row["commodity"]):
            yield row.error(
                "commodity",
                f"the plan itself buys {row['commodity']} (class {classes[row['commodity']]}): leave the row out, "
                "it would count twice",
            )
        programme, company = row["programme"], row["company"]
        if programme and company and programme in owners and company not in buyers.get(programme, {owners[programme]}):
            yield row.error("company", f"{company} has no cars of {programme}: give the company whose cars they are")


def the_ramp_does_not_fall(draft: Draft) -> Iterator[Problem]:
    """What has been joined stays joined."""
    rows = [row for row in draft["ramp"] if None not in (row["years_after"], row["share"])]
    for below, above in pairwise(sorted(rows, key=lambda row: float(row["years_after"]))):
        if above["share"] < below["share"]:
            yield above.error(
                "share",
                f"found {number_text(above['share'])} after {number_text(above['years_after'])} years, less than "
                f"{number_text(below['share'])} after {number_text(below['years_after'])}: joint spend stays joint",
            )


def contracts_are_renegotiated_while_they_run(draft: Draft) -> Iterator[Problem]:
    """A date of renegotiation after the contract's end changes nothing."""
    for row in draft["existing"]:
        stated, end = row["renegotiated"], row["contract_end"]
        if None not in (stated, end) and stated > end:
            yield row.warning("renegotiated", f"{number_text(stated)} is after the contract's end, {number_text(end)}")


CHECKS = (
    a_class_is_one_commodity,
    commodities_start_above_the_baseline,
    spend_has_one_figure,
    the_ramp_does_not_fall,
    contracts_are_renegotiated_while_they_run,
)
