"""The release list as a form: fields with words instead of JSON, and back; JSON stays for what a form cannot say."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from teikei.errors import StudyError
from teikei.room.items import (
    Drivers,
    OwnShareBand,
    RequirementPriceBand,
    SavingAtLeast,
    SavingBand,
    Schedule,
    Settlement,
    Specification,
    TierIndex,
    Timeline,
)
from teikei.room.release_list import ReleaseList, parse_list

RULES: Final = ("shapley", "nucleolus", "equal_saving", "proportional_to_standalone")
FORMS: Final = ("equal split", "own contract on joint terms", "price per kit")
LARGEST: Final = 1e15  # of any figure in a list
_TEXTS: Final = (
    "specification", "drivers", "timeline", "saving_band", "saving_at_least", "requirement_price_band",
    "own_share_band", "rule", "settlement_form", "settlement_unit", "settlement_date", "smallest_interval_million",
    "smallest_interval_units", "what_ifs", "known_volumes", "known_saving", "volume_shape", "price_share",
    "requirement_million",
)  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """What the common frame offers to a list.

    offers: offer -> (its tier breaks, units of the breaks per piece); programmes: those with volumes -> (company, level
    in cars a year: the mean of its years on sale in the frame).
    """

    rungs: tuple[str, ...]
    classes: tuple[str, ...]
    companies: tuple[str, ...]
    modules: Mapping[str, tuple[str, ...]]
    currency: str
    offers: Mapping[str, tuple[tuple[float, ...], float]] = field(default_factory=dict)
    programmes: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    def public(self) -> dict[str, Any]:
        """What every member may know of the frame: public columns only."""
        return {
            "rungs": list(self.rungs),
            "classes": list(self.classes),
            "companies": list(self.companies),
            "modules": {name: list(own) for name, own in self.modules.items()},
            "currency": self.currency,
            "programmes": {name: company for name, (company, _) in self.programmes.items()},
        }


def from_public(known: Mapping[str, Any]) -> Frame:
    """The frame as ``public`` wrote it."""
    modules = {name: tuple(own) for name, own in known.get("modules", {}).items()}
    names = ("rungs", "classes", "companies")
    rungs, classes, companies = (tuple(known.get(name, ())) for name in names)
    programmes = {name: (str(company), 0.0) for name, company in known.get("programmes", {}).items()}
    return Frame(rungs, classes, companies, modules, str(known.get("currency", "")), programmes=programmes)


def read_frame(path: Path) -> Frame:
    """Rungs, classes, modules and joint offers of a study without errors."""
    from teikei.room.joint_study import level, years_on_sale
    from teikei.study import load

    study = load(path)
    volumes, scenario = study["volumes"], study.settings.volume_scenario
    levels = {
        name: (company, level(volumes, name, scenario, years_on_sale(volumes, name, scenario)))
        for name, company in study["programmes"].select("programme", "company").iter_rows()
        if name in set(volumes["programme"].to_list())
    }
    units = dict(study["classes"].select("class", "quantity_unit").iter_rows())
    modules: dict[str, list[str]] = {}
    per_piece: dict[str, float] = {}
    for module, class_name, gross in study["modules"].select("module", "class", "gross_energy_kwh").iter_rows():
        modules.setdefault(class_name, []).append(module)
        per_piece[module] = (gross or 0.0) / 1e6 if units.get(class_name) == "kwh" else 1.0  # tiers of packs are in GWh
    breaks: dict[str, list[float]] = {}
    for offer, start in study["tiers"].select("offer", "from_quantity").sort("offer", "from_quantity").iter_rows():
        breaks.setdefault(offer, []).append(float(start))
    offers = {
        offer: (tuple(breaks[offer]), per_piece[module])
        for offer, module, buyer in study["offers"].select("offer", "module", "buyer").iter_rows()
        if len(breaks.get(offer, [])) > 1 and per_piece.get(module, 0.0) > 0 and (buyer or "any") == "any"
    }
    return Frame(
        study.rung_names,
        tuple(study["classes"]["class"].to_list()),
        study.companies,
        {name: tuple(own) for name, own in modules.items()},
        study.settings.currency,
        offers,
        levels,
    )


def must_fit(release_list: ReleaseList, frame: Frame) -> None:
    """Raises StudyError where a list names what the common frame does not have, or tiers that no supplier gave."""
    wrong = []
    if frame.rungs and release_list.rung not in frame.rungs:
        wrong.append(f"the frame has no rung {release_list.rung!r}; it has {', '.join(frame.rungs)}")
    wrong += [
        f"the frame has no company {name!r}; it has {', '.join(frame.companies)}"
        for name in release_list.companies
        if frame.companies and name not in frame.companies
    ]
    for item in release_list.items:
        if isinstance(item, Specification | Drivers | Timeline) and frame.classes:
            wrong += [f"the frame has no module class {one!r}" for one in item.classes if one not in frame.classes]
        if isinstance(item, TierIndex) and frame.offers:
            for schedule in item.schedules:
                known = frame.offers.get(schedule.offer)
                if known is None:
                    wrong.append(f"the frame has no joint offer {schedule.offer!r} with tiers")
                elif not set(schedule.breaks) <= {0.0, *known[0]}:
                    breaks = "; ".join(f"{one:g}" for one in known[0])
                    wrong.append(f"the tier breaks of {schedule.offer} are not its supplier's: {breaks}")
    if wrong:
        raise StudyError("; ".join(wrong))


def values_of(release_list: ReleaseList | None, frame: Frame, companies: Sequence[str]) -> dict[str, Any]:
    """What the fields hold at first: of a list, or of a blank one for the companies."""
    found: dict[str, Any] = {**dict.fromkeys(_TEXTS, ""), "classes": set(), "tiers": {}, "blank": release_list is None}
    if release_list is None:
        own = dict(zip(companies, frame.companies, strict=False))
        by_name = {company: name for company in companies for name in frame.companies if name.casefold() == company}
        rung = frame.rungs[-1] if frame.rungs else ""
        known = "; ".join(
            f"{name}: {0.5 * cars:.0f} - {1.5 * cars:.0f}" for name, (_, cars) in frame.programmes.items()
        )
        start = {"what_ifs": "1", "known_volumes": known, "volume_shape": "frame", "price_share": "0"}
        return {**found, "rung": rung, "members": {**own, **by_name}, **start}
    found |= {
        "rung": release_list.rung,
        "members": {member: "; ".join(own) for member, own in release_list.members.items()},
        "smallest_interval_million": _text([release_list.smallest_interval_million]),
        "smallest_interval_units": _text([release_list.smallest_interval_units]),
        "what_ifs": str(release_list.what_ifs),
        "known_volumes": "; ".join(
            f"{name}: {low:g} - {up:g}" for name, (low, up) in release_list.known_volumes.items()
        ),
        "known_saving": _text(release_list.known_saving or ()),
        "volume_shape": release_list.volume_shape,
        "price_share": f"{100 * release_list.smallest_interval_price_share:g}",
        "requirement_million": _text(
            [] if (one := release_list.smallest_interval_requirement_million) is None else [one]
        ),
    }
    thresholds = []
    for item in release_list.items:
        match item:
            case Specification() | Drivers() | Timeline():
                found[item.kind] = True
                found["classes"] |= set(item.classes)
            case TierIndex():
                found["tiers"] = {one.offer: _text(one.breaks) for one in item.schedules}
            case SavingAtLeast():
                thresholds.append(item.threshold)
            case OwnShareBand():
                found["own_share_band"], found["rule"] = _text(item.edges), item.rule
            case SavingBand() | RequirementPriceBand():
                found[item.kind] = _text(item.edges)
            case Settlement():
                found["settlement_form"], found["settlement_unit"] = item.form, _text([item.unit_million])
                found["settlement_date"] = item.not_before.isoformat()
    return {**found, "saving_at_least": _text(thresholds)}


def _text(numbers: Sequence[float]) -> str:
    return "; ".join(f"{number:.12g}" for number in numbers)


def list_of(form: Mapping[str, str], frame: Frame, before: ReleaseList | None = None) -> ReleaseList:
    """The release list that a filled form says; raises StudyError with every point to mend.

    before: the list that is changed; its members stay, and so do the units of its tier schedules.
    """
    members = {
        key.removeprefix("member_"): [name.strip() for name in text.split(";") if name.strip()]
        for key, text in form.items()
        if key.startswith("member_") and text.strip()
    }
    if before is not None:
        members = {member: list(own) for member, own in before.members.items()}
    return parse_list(json.dumps({**_head(form), "members": members, "items": _items(form, frame, before)}))


def _head(form: Mapping[str, str]) -> dict[str, Any]:
    return {
        "rung": form.get("rung", ""),
        "smallest_interval_million": _number(form, "smallest_interval_million", "promised width, saving"),
        "smallest_interval_units": _number(form, "smallest_interval_units", "promised width, volume"),
        "what_ifs": _whole(form, "what_ifs", "number of what-if runs"),
        "known_volumes": _known_volumes(form.get("known_volumes", "")),
        "known_saving": _numbers(form, "known_saving", "what is known of the joint saving") or None,
        "volume_shape": form.get("volume_shape") or "frame",
        "smallest_interval_price_share": sum(_numbers(form, "price_share", "promised width, prices")) / 100.0,
        "smallest_interval_requirement_million": next(
            iter(_numbers(form, "requirement_million", "promised width, prices of requirements")), None
        ),
    }


def _known_volumes(text: str) -> dict[str, list[float]]:
    """``P1: 20000 - 60000; P2: 5000 - 9000`` -> programme -> (from, to)."""
    found = {}
    for part in filter(None, (part.strip() for part in text.replace("\n", ";").split(";"))):
        name, _, ends = part.rpartition(":")
        numbers = [end.strip().replace(",", "") for end in ends.replace("–", "-").split("-")]
        try:
            low, high = (float(end) for end in numbers)
        except ValueError:
            raise StudyError("publicly known volumes: expected such as P1: 20000 - 60000; P2: 5000 - 9000") from None
        found[name.strip()] = [low, high]
    return found


def _items(form: Mapping[str, str], frame: Frame, before: ReleaseList | None) -> list[dict[str, Any]]:
    classes = [name for name in frame.classes if form.get(f"class_{name}")]
    items: list[dict[str, Any]] = []
    for kind in ("specification", "drivers", "timeline"):
        if form.get(kind):
            if not classes:
                raise StudyError("choose the module classes whose designs, drivers and timeline may pass")
            items.append({"kind": kind, "classes": classes})
    schedules = _schedules(form, frame, before)
    if schedules:
        items.append({"kind": "tier_index", "schedules": schedules})
    for kind, title in (
        ("saving_band", "bands of the joint saving"),
        ("own_share_band", "bands of the own share"),
        ("requirement_price_band", "bands of requirement prices"),
    ):
        if edges := _numbers(form, kind, title):
            items.append({"kind": kind, "edges": edges, **({"rule": form.get("rule", "")} if "own" in kind else {})})
    items += [
        {"kind": "saving_at_least", "threshold": one} for one in _numbers(form, "saving_at_least", "saving of at least")
    ]
    if form.get("settlement_form"):
        date = form.get("settlement_date", "")
        try:
            dt.date.fromisoformat(date)
        except ValueError:
            raise StudyError("settlement: choose the day from which it may be opened") from None
        unit = _number(form, "settlement_unit", "unit of the settlement")
        items.append({"kind": "settlement", "form": form["settlement_form"], "unit_million": unit, "not_before": date})
    return items


def _schedules(form: Mapping[str, str], frame: Frame, before: ReleaseList | None) -> list[dict[str, Any]]:
    known = {offer: units for offer, (_, units) in frame.offers.items()}
    for item in before.items if before is not None else ():
        if isinstance(item, TierIndex):
            known.update({one.offer: one.units_per_piece for one in item.schedules})
    found: list[Schedule] = []
    for key in form:
        if key.startswith("tier_") and form[key].strip():
            offer = key.removeprefix("tier_")
            breaks = tuple(_numbers(form, key, f"tier breaks of {offer}"))
            if offer not in known:
                raise StudyError(f"the frame has no joint offer {offer!r} with tiers")
            found.append(Schedule(offer=offer, breaks=breaks, units_per_piece=known[offer]))
    return [one.model_dump(mode="json") for one in found]


def _numbers(form: Mapping[str, str], key: str, title: str) -> list[float]:
    parts = [part.strip().replace(",", "") for part in form.get(key, "").split(";")]
    try:
        found = [float(part) for part in parts if part]
    except ValueError:
        found = [math.nan]
    if not all(math.isfinite(one) and abs(one) < LARGEST for one in found):
        raise StudyError(f"{title}: expected numbers with a semicolon between, such as 0; 100; 200")
    return found


def _whole(form: Mapping[str, str], key: str, title: str) -> int:
    found = _number(form, key, title)
    if not found.is_integer():
        raise StudyError(f"{title}: expected a whole number")
    return int(found)


def _number(form: Mapping[str, str], key: str, title: str) -> float:
    found = _numbers(form, key, title)
    if len(found) != 1:
        raise StudyError(f"{title}: expected one number")
    return found[0]
