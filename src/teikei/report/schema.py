"""What the report expects of each stored table: columns with kind and unit, and the question the table answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

_KINDS: Final[dict[str, Any]] = {
    "text": pl.String,
    "million": pl.Float64,
    "number": pl.Float64,
    "fraction": pl.Float64,
    "year": pl.Int64,
    "boolean": pl.Boolean,
}


@dataclass(frozen=True, slots=True)
class TableShape:
    """One stored table: what it answers, and its columns as name -> kind."""

    name: str
    answers: str
    columns: Mapping[str, str]

    def dtype(self, column: str) -> Any:
        """The polars type the report reads the column as."""
        return _KINDS[self.columns[column]]


# name | what it answers | column:kind (kind defaults to text)
_DESCRIPTION: Final = """
cost_by_rung | present cost of each coalition at each rung, with the solver's proven bound | coalition rung \
value:million bound:million gap:million status
cost_breakdown | what the cost consists of | coalition rung company programme year:year item value:million
savings_by_lever | why a rung saves against the rung before it; penalties are negative | coalition rung from_rung \
company lever value:million method
savings_by_programme | the same savings car by car and year by year | coalition rung from_rung company programme \
year:year lever value:million method
programmes | the vehicle programmes | programme company title segment status status_date
published | savings that these companies have published themselves | target value:million bound by announced status \
scope difference source
rungs | what each rung pools and develops together | rung position:number class procurement development_shared:boolean
configurations | which module each programme gets | coalition rung programme generation class module quantity:number \
existing:boolean family developing_group
module_designs | the modules to be designed and their ratings | coalition rung class family variant
module_uses | which programme drives each shared module, and what it costs the others | coalition rung module \
programme axle driving_requirement margin:number overdesign:number unit
awards | who supplies what, where and when | coalition rung supplier site item year:year quantity:number \
unit_price:number spend:million price_basis
performance | what each programme must reach and reaches | coalition rung programme procedure required:number \
effective:number reached:number unit margin:number requirement version status kind missed:number \
missed_cost:number generation
near_misses | configurations that are refused by less than the simulation can tell | programme generation \
version modules requirement procedure floor:number reached:number unit short:number simulation_error:number
requirement_prices | what giving up one step of a requirement would save | coalition rung programme procedure \
step saving_alliance:million saving_owner:million kind
lateness | what late starts of production cost | coalition rung programme generation quarters:number \
lost_units:number cost:million due margin:number found_by
schedule_milestones | which starts of production are met | coalition rung programme generation due reached \
late_quarters:number cause chain
schedule_summary | how good the schedule found is | coalition rung objects:number hours:number \
engineering_cost:million late_quarters:number late_bound:number cost_bound:million status
schedule_fixes | what would help a start of production that cannot be met | coalition rung programmes fix detail \
cost:million late_quarters:number break_even_per_car:number
schedule_what_ifs | what time is worth, designs as planned | coalition rung what_if late_quarters:number \
late_quarters_then:number gain:million
schedule_load | how full each company's engineers are | coalition rung company skill quarter hours:number \
capacity:number
decision_calendar | the last date to decide and to freeze each development | coalition rung object level programme \
generation due go_ahead_by freeze_by planned_freeze missed:boolean
schedule | who develops what and when | coalition rung task object company start end hours:number
shares | who gets what under each rule | rung rule company kind value:million lower:million upper:million
core | whether a split gives every group at least what it has alone | rung nonempty:boolean \
least_core_epsilon:million rule in_core:boolean leaves leaves_by:million certain:boolean
baselines | how a share moves with the company's claim about its stand-alone cost | rung company rule shift:number \
claim:million reported:number derived:number assumption:number bought_reported:fraction bought_derived:fraction \
bought_assumption:fraction
shares_by_year | who gets what of the saving of each year | rung rule company year:year value:million
shares_by_lever | who gets what of each lever | rung method rule company lever value:million
contract_terms | what each company pays and bears under each form of contract | rung form company alone:million \
attributed:million agreed:million transfer:million outcome:million price_per_car:number fee_per_car:number lead kit
contract_notes | what the contracts were made from | text
stress | who is hurt when a partner falls short, leaves, or the world differs | rung case form company \
planned_gain:million gain:million change:million hurt:boolean exit_payment:million compensation:million basis
transfers | who pays whom, by year and form of contract | rung form year:year from_company to_company \
value_nominal:million
screens | competition-law screens: amber and red lights with the figure behind them | rung screen region year:year \
figure:number threshold:number light source subject question band
law_precedents | cases that an authority let pass, with their figures | case authority year:year \
selling_share:fraction buying_share:fraction common_cost:fraction conditions answer confidence source
market_outcome | prices and sales of every model | coalition rung scenario year:year region product company \
price:number units:number share:fraction lower:fraction upper:fraction
market_summary | EV share and sales of the alliance and its rivals | coalition rung scenario year:year region \
ev_share:fraction ev_share_median:fraction ev_share_lower:fraction ev_share_upper:fraction ev_share_change:fraction \
ev_share_change_lower:fraction ev_share_change_upper:fraction alliance_ev_units:number rival_ev_units:number \
alliance_profit_change:number pass_through:number consumer_surplus_change:number
kept | what prices pass on of a saving, what changed sales bring, and what companies keep | rung company region \
volume_basis cost_saving:million passed_on:million volume_effect:million fixed:million kept:million
profit_game | what each group of companies earns beyond what its members earn alone | rung coalition value:million \
variable_profit:million fixed:million lower:million upper:million saving:million several:boolean core
plan_against_forecast | cars planned beside those the market expects | programme region year:year planned:number \
forecast:number note
fleet | what pools reach under fleet rules, and what missing costs | coalition rung pool region year:year rule unit \
cars:number value:number target:number shadow_price:number cost:million one_more_electric:number note
market_moments | how well the demand model meets the figures it was fitted to | moment target:number model:number \
deviation:number weight:number
market_levers | what moves the EV share of the report year, one thing at a time | lever ev_share:fraction \
change:fraction change_lower:fraction change_upper:fraction
market_walk | variable profit on the companies' plug-ins from before to after | rung step value:number
market_diversion | who gains and who loses sales | rung scenario company powertrain units_change:number
market_elasticities | how buyers react to the price of each model | product company powertrain own_price:number
market_history | EV share in the past | region year:year ev_share:fraction
market_convergence | how exactly each equilibrium was solved | case residual:number iterations:number \
converged:boolean
unit_costs | variable cost per car, part by part | coalition rung company programme year:year item units:number \
variable_cost:number
integrated_rival | from an own car to the same car built as an integrated rival would, part by part | programme step \
item value:number
commonality | how much the cars have in common | coalition rung index value:number
assembly | which plant builds which car | coalition rung programme generation plant year:year units:number \
capacity:number company planned:boolean
captive_use | what companies' own suppliers lose, and what that costs | coalition rung owner supplier site class \
year:year committed:number taken:number lost:number cost:million
plant_use | how full each site is | coalition rung site year:year quantity:number capacity:number unit
plants | how full each plant of the companies' own is | coalition rung owner plant step:number year:year \
capacity:number output:number use:fraction
sources | where each figure comes from and what kind of evidence it is | table row column source confidence
references | publisher, title and date of each source | source publisher title date address confidence note
evidence | how much of the cost rests on which kind of evidence | item confidence value:million
business_case | what each company pays by year, alone and together | rung form company year:year cost_alone:million \
cost_joint:million saving:million cumulative_at_own_rate:million own_supplier_margin_change:million \
profit_change:million idle_plant_alone:million idle_plant_joint:million
switching_costs | what leaving each contract in force costs | programme generation company class module supplier \
contract_end:number cancellation_cost:million revalidation_cost:million switching_cost:million \
switching_months:number total:million plan_switches:boolean
quote_sheet | what to ask suppliers to quote | class module ratings year:year quantity:number
mandate | what each company can ask for and where it should walk away | rung company baseline:million target:million \
target_lower:million target_upper:million walk_away:million others_walk_away:million
warnings | what the stages warned of | text
explanations | odd results explained | text
"""


def _parse() -> dict[str, TableShape]:
    shapes = {}
    for line in _DESCRIPTION.strip().splitlines():
        name, answers, columns = (part.strip() for part in line.split("|"))
        pairs = (column.partition(":") for column in columns.split())
        shapes[name] = TableShape(name, answers, {column: kind or "text" for column, _, kind in pairs})
    return shapes


SHAPES: Final[Mapping[str, TableShape]] = _parse()
