"""One sample through the whole line, without a report: a few figures and decisions come back.

What the samples of one process have in common is computed once: catalogue and simulation are kept by the content of
the tables that feed them, so that a sample that moves prices or volumes only is not simulated again.
"""

from __future__ import annotations

import hashlib
import pickle
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import polars as pl

from teikei import develop, market, modules, plan, simulate, split
from teikei.errors import NoPlanError, StudyError
from teikei.modules.types import Catalogue
from teikei.plan.types import Plan, Plans
from teikei.simulate.types import Performance
from teikei.study import Study
from teikei.sweep.inputs import sampled_study
from teikei.sweep.types import Options, Outcome, Sample, Uncertainty

RULE: Final = "shapley"

# Columns that only the plan, the split and the market read. A test moves each and finds the simulation unchanged.
NOT_SIMULATED: Final[Mapping[str, tuple[str, ...]]] = {
    "modules": ("nre", "tooling", "sunk_for", "available_to"),
    "families": ("nre", "tooling", "application_nre", "application_tooling", "sunk_for", "life_years"),
    "classes": (
        "k_family_nre", "k_family_nre_same_bloc", "coordination_one_off", "coordination_engineers", "divergence_rate",
        "divergence_offset_factor", "switching_cost", "switching_months", "warranty_share",
    ),
    "existing": ("contract_end", "unit_price", "committed_units", "cancellation_cost", "revalidation_cost"),
    "programmes": ("car_value", "lost_margin"),
    "volumes": ("units",),
}  # fmt: skip
SETTINGS_NOT_SIMULATED: Final = (
    "discount_rate", "inventory_rate", "safety_weeks", "engineering_rate_per_hour", "engineer_hours_per_year",
    "alliance_one_off", "nre_profile", "residual_rule", "lost_margin_share", "late_buyers_kept", "work_begins",
)  # fmt: skip
_SIMULATED_TABLES: Final = (
    "programmes", "versions", "generations", "requirements", "volumes", "families", "modules", "existing", "classes",
)  # fmt: skip


Kept = Mapping[tuple[str, str], Plan]


def evaluate(
    study: Study, uncertainty: Uncertainty, options: Options, sample: Sample, kept: Kept | None = None
) -> Outcome:
    """What one sample comes to; a study without a plan, or a fault, is an outcome with a sentence, not an exception.

    figures: ``saving/RUNG`` (grand coalition against all alone), ``gap/RUNG`` (what the solver leaves open of it),
    ``cost/COALITION/RUNG``, ``share/RUNG/COMPANY`` (its saving, Shapley value), ``ev_share/RUNG/YEAR``,
    ``ev_change/RUNG/YEAR``, ``lever/RUNG/LEVER``; million of the study's currency, fractions. decisions:
    ``shared/RUNG`` modules developed or bought as one drawing for two blocs or more, ``awarded/RUNG`` suppliers.
    kept: plans to price instead of planning; then ``over/RUNG`` counts the sites and plants that would have to deliver
    more than they can, and there are neither gaps nor levers.
    """
    began = time.perf_counter()
    try:
        drawn = sampled_study(study, uncertainty, dict(sample.quantiles), sample.scenario)
        figures, decisions = _line(drawn, options) if kept is None else _kept_line(drawn, options, kept)
        status, message = "done", ""
    except (StudyError, NoPlanError) as error:
        figures, decisions, status, message = {}, {}, "no plan", str(error)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # a sample must not end the sweep; its sentence is in the table of samples
        figures, decisions, status, message = {}, {}, "fault", f"{type(error).__name__}: {error}"
    return Outcome(status, message, figures, decisions, time.perf_counter() - began)


def _line(study: Study, options: Options) -> tuple[dict[str, float], dict[str, tuple[str, ...]]]:
    catalogue = modules.catalogue(study)
    performance = _simulated(study, catalogue)
    plans = _planned(study, catalogue, performance, options)
    figures = dict(_plan_figures(study, plans))
    figures |= _shares(study, plans)
    for rung, lever, value in _levers(study, plans):
        figures[f"lever/{rung}/{lever}"] = value
    if options.market:
        figures |= _market(study, catalogue, plans, options)
    return figures, _decisions(study, plans)


def _planned(study: Study, catalogue: Catalogue, performance: Performance, options: Options) -> Plans:
    """The plans of a run, with the late starts of their schedules."""
    plans = plan.solve(study, catalogue, performance, rungs=options.rungs)
    return develop.plans_as_scheduled(study, catalogue, performance, plans)


def plans_to_keep(blob: bytes) -> Kept:
    """The plans of the study as it stands, without their tables: what every sample prices where plans are kept."""
    study, _, options, _ = _unpacked(blob)
    catalogue = modules.catalogue(study)
    plans = _planned(study, catalogue, _simulated(study, catalogue), options)
    evaluated = {key: one for key, one in plans.by_key.items() if one.status != "not evaluated"}
    return {key: replace(one, tables={}) for key, one in evaluated.items()}


def _kept_line(study: Study, options: Options, kept: Kept) -> tuple[dict[str, float], dict[str, tuple[str, ...]]]:
    """Designs and award shares as they were planned, at the sample's prices, rates and volumes."""
    catalogue = modules.catalogue(study)
    priced, over = {}, {}
    for key, one in kept.items():
        found = plan.reprice(study, catalogue, one, study["volumes"])
        priced[key] = replace(found, bound=found.value, gap=0.0, status="gap")
        over[key] = sum("would deliver" in message for message in found.messages)
    texts = ("coalition", "rung", "from_rung", "company", "lever", "method")
    none = pl.DataFrame(schema={**dict.fromkeys(texts, pl.String), "value": pl.Float64})
    plans = Plans(priced, none, none, ())
    figures = {name: value for name, value in _plan_figures(study, plans) if not name.startswith("gap/")}
    for one in _grand(study, plans)[1:]:
        figures[f"over/{one.rung}"] = float(over[(one.coalition, one.rung)])
    figures |= _shares(study, plans)
    if options.market:
        figures |= _market(study, catalogue, plans, options)
    return figures, _decisions(study, plans)


def _shares(study: Study, plans: Plans) -> dict[str, float]:
    shares = split.allocate(study, plans).shares
    rows = shares.filter((pl.col("kind") == "saving") & (pl.col("rule") == RULE))
    return {f"share/{rung}/{name}": value for rung, name, value in rows.select("rung", "company", "value").iter_rows()}


def _grand(study: Study, plans: Plans) -> list[Plan]:
    """Evaluated plans of all companies together, lowest rung first."""
    name = study.coalition_name(study.companies)
    names = [coalition for coalition, _ in plans.by_key]
    grand = name if name in names else max(names, key=lambda other: other.count("+"))
    found = [plans.by_key.get((grand, rung)) for rung in study.rung_names]
    return [one for one in found if one is not None and one.status != "not evaluated"]


def _plan_figures(study: Study, plans: Plans) -> Iterator[tuple[str, float]]:
    for (coalition, rung), one in plans.by_key.items():
        if one.status != "not evaluated":
            yield f"cost/{coalition}/{rung}", one.value
    first, *upper = _grand(study, plans)
    for one in upper:
        yield f"saving/{one.rung}", first.value - one.value
        yield f"gap/{one.rung}", one.gap + first.gap


def _levers(study: Study, plans: Plans) -> list[tuple[str, str, float]]:
    """Saving of each step of the ladder by lever, companies added up."""
    coalition = _grand(study, plans)[0].coalition
    rows = plans.savings.filter((pl.col("method") == "order") & (pl.col("coalition") == coalition))
    return list(rows.group_by("rung", "lever", maintain_order=True).agg(pl.col("value").sum()).iter_rows())


def _market(study: Study, catalogue: Catalogue, plans: Plans, options: Options) -> dict[str, float]:
    def reprice(one: Plan, volumes: pl.DataFrame) -> Plan:
        return plan.reprice(study, catalogue, one, volumes)

    outcome = market.predict(study, plans, reprice=reprice, draws=options.market_draws, paths=1)
    found: dict[str, float] = {}
    rows = outcome.summary.filter(pl.col("scenario") != "merger")
    columns = ("rung", "year", "ev_share", "ev_share_change")
    for rung, year, share, change in rows.select(columns).iter_rows():
        if share is not None:
            found[f"ev_share/{rung}/{year}"] = share
        if change is not None and rung != study.baseline_rung:
            found[f"ev_change/{rung}/{year}"] = change
    return found


def _decisions(study: Study, plans: Plans) -> dict[str, tuple[str, ...]]:
    company = dict(study["programmes"].select("programme", "company").iter_rows())
    bloc = {member: name for name, members in study.blocs.items() for member in members}
    found: dict[str, tuple[str, ...]] = {}
    for one in _grand(study, plans):
        used: dict[tuple[str, str], set[str]] = {}
        parts = one.tables["configurations"].filter(~pl.col("existing"))
        for module, group, programme in parts.select("module", "developing_group", "programme").iter_rows():
            used.setdefault((module, group), set()).add(bloc[company[programme]])
        shared = {module for (module, _), blocs in used.items() if len(blocs) > 1}
        awards = one.tables["awards"].filter((pl.col("quantity") > 0) & (pl.col("supplier") != ""))
        found[f"shared/{one.rung}"] = tuple(sorted(shared))
        found[f"awarded/{one.rung}"] = tuple(sorted(awards["supplier"].unique().to_list()))
    return found


def simulation_key(study: Study) -> str:
    """Hash of everything in a study that catalogue and simulation of feasibility can read."""
    digest = hashlib.sha256(study.settings.model_dump_json(exclude=set(SETTINGS_NOT_SIMULATED)).encode())
    digest.update(repr((study["volumes"]["units"] > 0).to_list()).encode())  # a car nobody buys has no slot
    for name in _SIMULATED_TABLES:
        table = study[name]
        table = table.drop(*(column for column in NOT_SIMULATED.get(name, ()) if column in table.columns))
        digest.update(name.encode())
        digest.update(repr(table.schema).encode())
        for row in table.iter_rows():
            digest.update(repr(row).encode())
    return digest.hexdigest()


class _Carried:
    """A study and its catalogue on their way through the cache, equal when they simulate alike."""

    def __init__(self, study: Study, catalogue: Catalogue):
        self.study, self.catalogue, self.key = study, catalogue, simulation_key(study)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Carried) and other.key == self.key


@lru_cache(maxsize=4)
def _simulate(carried: _Carried) -> Performance:
    return simulate.performance(carried.study, carried.catalogue)


def _simulated(study: Study, catalogue: Catalogue) -> Performance:
    return _simulate(_Carried(study, catalogue))


@lru_cache(maxsize=2)
def _unpacked(blob: bytes) -> tuple[Study, Uncertainty, Options, Kept | None]:
    study, uncertainty, options, kept = pickle.loads(blob)  # noqa: S301  made by ``packed`` in the coordinating process
    return study, uncertainty, options, kept


def packed(study: Study, uncertainty: Uncertainty, options: Options, kept: Kept | None = None) -> bytes:
    """What every sample of a sweep has in common, as bytes that a worker unpacks once."""
    bare = Study(study.settings, study.tables, study.path, {}, study.input_hashes, (), study.scenario)
    return pickle.dumps((bare, uncertainty, options, kept), protocol=5)


def evaluate_chunk(blob: bytes, samples: tuple[Sample, ...]) -> list[tuple[dict[str, Any], float]]:
    """What a worker does: outcomes of some samples as plain data, and the seconds of each."""
    study, uncertainty, options, kept = _unpacked(blob)
    outcomes = [evaluate(study, uncertainty, options, sample, kept) for sample in samples]
    return [(outcome.as_json(), outcome.seconds) for outcome in outcomes]
