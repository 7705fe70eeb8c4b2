"""Terms between offers: tier pools and bundles, among the offers that anybody can buy."""

from __future__ import annotations

from collections.abc import Iterator

from teikei.errors import Problem
from teikei.study.draft import Draft
from teikei.tables.messages import number_text, show
from teikei.tables.source import Row


def _buyable(draft: Draft) -> dict[str, Row]:
    """Offers that some company can buy: no benchmark, and not of a site that sells to none of them."""
    closed = {site for site, row in draft.by_key("sites", "site").items() if "none" in (row["sourceable_by"] or ())}
    return {
        name: row
        for name, row in draft.by_key("offers", "offer").items()
        if row["status"] != "benchmark" and row["site"] not in closed
    }


def offers_of_a_tier_pool_agree(draft: Draft) -> Iterator[Problem]:
    """Offers whose quantities count together start their tiers alike, are of one class, and price all units alike."""
    if {"tiers", "modules"} & draft.damaged:
        return
    starts = {
        offer: sorted(row["from_quantity"] for row in rows if row["from_quantity"] is not None)
        for offer, rows in draft.grouped("tiers", "offer").items()
    }
    class_of = {name: row["class"] for name, row in draft.by_key("modules", "module").items()}
    first: dict[tuple[str, str], str] = {}
    for name, row in _buyable(draft).items():
        if not row["tier_pool"] or row["site"] is None:
            continue
        other = first.setdefault((row["site"], row["tier_pool"]), name)
        theirs = draft.by_key("offers", "offer")[other]
        both = f"{name} and {other} share tier pool {row['tier_pool']}"
        if starts.get(other, []) != starts.get(name, []):
            mine, yours = (", ".join(map(number_text, starts.get(one, []))) for one in (name, other))
            yield row.error(
                "tier_pool",
                f"{both} but their tiers start elsewhere ({mine}; {yours}): give both the same from_quantity",
            )
        elif class_of.get(row["module"]) != class_of.get(theirs["module"]):
            yield row.error("tier_pool", f"{both} but are of different classes: give each class a pool of its own")
        elif row["discount_kind"] == "incremental":
            yield row.error(
                "discount_kind",
                f"offer {name} stands in tier pool {row['tier_pool']}: an incremental price in a pool has no definite "
                "last unit; use all_units",
            )


def bundles_can_be_bought(draft: Draft) -> Iterator[Problem]:
    """A bundle names offers, of one supplier, and each can be bought by somebody."""
    offers, buyable = draft.by_key("offers", "offer"), _buyable(draft)
    for row in draft["bundles"]:
        names = row["offers"] or []
        named = [offers[name] for name in names if name in offers]
        suppliers = dict.fromkeys(offer["supplier"] for offer in named if offer["supplier"])
        closed = [name for name in dict.fromkeys(names) if name in offers and name not in buyable]
        if not names and "offers" not in row.unread:
            yield row.error("offers", "the bundle names no offer: name those that must all be bought, separated by ;")
        if len(suppliers) > 1:
            yield row.error("offers", f"the bundle names offers of {', '.join(suppliers)}: expected one supplier")
        if closed:
            yield row.error(
                "offers",
                f"nobody can buy {', '.join(closed)} (benchmark, or a site that sells to none): the bundle cannot be "
                "reached",
            )


def energy_is_known_where_it_is_priced(draft: Draft) -> Iterator[Problem]:
    """A price per kWh needs the gross energy of the module it is for."""
    modules = draft.by_key("modules", "module")
    for row in draft["offers"]:
        module = modules.get(row["module"])
        if module is None or row["price_unit"] != "kwh" or "gross_energy_kwh" in module.unread:
            continue
        if not module["gross_energy_kwh"]:
            yield module.error(
                "gross_energy_kwh",
                f"found {show(module['gross_energy_kwh'])}, but offer {row['offer']} is priced per kWh: give the "
                "module's gross energy",
            )


CHECKS = (offers_of_a_tier_pool_agree, bundles_can_be_bought, energy_is_known_where_it_is_priced)
