"""A small valid study that has a row in every table, as texts, and how to write it to a folder."""

from __future__ import annotations

import csv
import io
from pathlib import Path

SETTINGS = """\
# A small study of two makers
format: 1
name: small
title: Two makers, one e-axle
price_year: 2026
base_year: 2026
first_year: 2027
last_year: 2029
nre_profile: [0.1, 0.3, 0.4, 0.2]
home_market: JP
report_year: 2029
"""

_TABLES = {
    "companies": """
company,title,bloc,source
Aoba,Aoba Motor,,S1
Midori,"Midori
Jidosha",,S1
""",
    "currencies": """
currency,rate,rate_date
JPY,1,2026
CNY,21.5,2026-06
""",
    "classes": """
class,title,quantity_unit,k_family_nre
e-axle,E-axle,piece,0.2
pack,Battery pack,kwh,0.2
charger,On-board charger,piece,0.2
""",
    "rungs": """
rung,position,class,procurement,development_shared,joint_plants
alone,0,e-axle,none,no,no
alone,0,pack,none,no,no
alone,0,charger,none,no,no
powertrain,1,e-axle,technical,yes,no
powertrain,1,pack,commercial,no,no
powertrain,1,charger,technical,yes,yes
""",
    "programmes": """
programme,company,title,segment,body_mass_kg,drag_coefficient,frontal_area_m2,f0_n,f1_n_per_mps,f2_n_per_mps2,road_load_mass_kg,tyre_radius_m
P1,Aoba,Kaze,kei,780,0.33,2.2,,,,,0.28
P2,Midori,Tsuki,C-SUV,1150,,,110,-0.4,0.42,1600,0.33
""",
    "versions": """
programme,version,share,drive
P1,std,1,fwd
P2,short,0.6,fwd
P2,long,0.4,awd
""",
    "generations": """
programme,generation,sop,facelift_year,eop_year
P1,G1,2024-04,2028,2029
P2,G1,2027-01,,2029
""",
    "requirements": """
programme,version,requirement,procedure,value,unit,speed_kmh
P1,all,range,wltc_japan,180,km,
P1,all,acceleration_0_100,max_time,14,s,
P2,long,range,wltc_class3b,420,km,
P2,all,continuous_grade,hold,6,percent,100
""",
    "volumes": """
programme,generation,company,plant,region,year,scenario,units
P1,G1,Aoba,Yama,JP,2027,base,30000
P1,G1,Aoba,Yama,JP,2028,base,32000
P1,G1,Aoba,Yama,JP,2029,base,31000
P2,G1,Midori,Kawa,EU,2027,base,20000
P2,G1,Midori,Kawa,EU,2028,base,25000
P2,G1,Midori,Kawa,EU,2029,base,25000
""",
    "car_plants": """
plant,country
Yama,JP
Kawa,JP
""",
    "families": """
family,class,title,nre,tooling,application_nre,application_tooling,sunk_for
EA_S,e-axle,Small e-axle,4000,1500,300,100,
EA_M,e-axle,Middle e-axle,6000,2500,400,150,Midori
PK_L,pack,LFP pack,3000,2000,400,100,
OBC,charger,Charger,800,200,50,10,
""",
    "modules": """
module,class,family,position,nre,tooling,segments,peak_power_kw,continuous_power_kw,peak_torque_nm,continuous_torque_nm,gear_ratio,max_speed_rpm,voltage_nominal_v,voltage_min_v,voltage_max_v,gross_energy_kwh,usable_energy_kwh,chemistry,series_cells,dc_charge_power_kw,ac_charge_power_kw,charger_efficiency
E1,e-axle,EA_S,any,600,200,kei,47,30,160,80,10,14000,350,280,400,,,,,,,
E2,e-axle,EA_M,any,700,300,C-SUV,110,60,270,120,9.5,15000,350,280,400,,,,,,,
B1,pack,PK_L,any,400,200,kei,,,,,,,350,290,400,25,23.5,lfp,108,50,,
B2,pack,PK_L,any,400,200,C-SUV,,,,,,,350,290,400,62,58,lfp,108,120,,
I1,charger,OBC,any,100,50,kei;C-SUV,,,,,,,,,,,,,,,6.6,0.93
""",
    "existing": """
programme,generation,version,class,position,company,module,supplier,site,contract_end,unit_price,committed_units,cancellation_cost
P1,G1,all,e-axle,front,Aoba,E1,Denki,Denki-JP,2028.5,165000,60000,500
""",
    "suppliers": """
supplier,title,operating_margin
Denki,Denki KK,0.05
Dian,Dian Ltd,0.08
""",
    "rebates": """
supplier,spend_from,rebate
Dian,0,0
Dian,20000,0.01
""",
    "equity": """
company,supplier,share,as_of
Aoba,Denki,0.25,2026-03
""",
    "sites": """
site,supplier,country,outsider_share,sourceable_by
Denki-JP,Denki,JP,0.2,any
Dian-CN,Dian,CN,0.5,Aoba;Midori
""",
    "capacities": """
site,from_year,capacity,unit
Denki-JP,2027,400000,pieces
Dian-CN,2027,40,gwh
""",
    "offers": """
offer,supplier,site,module,buyer,currency,price_unit,first_year,price_path,minimum_quantity
O1,Denki,Denki-JP,E1,any,JPY,piece,2027,,10000
O2,Denki,Denki-JP,E2,Aoba+Midori,JPY,piece,2027,,10000
K1,Dian,Dian-CN,B1,any,CNY,kwh,2027,cells,0.5
K2,Dian,Dian-CN,B2,any,CNY,kwh,2027,cells,0.5
""",
    "tiers": """
offer,from_quantity,unit_price
O1,0,170000
O1,50000,160000
O2,10000,240000
O2,100000,222000
K1,0.5,520
K1,2,500
K2,0.5,480
""",
    "price_paths": """
path,year,factor
cells,2027,1
cells,2028,0.95
cells,2029,0.9
""",
    "plants": """
plant,step,class,family,country,investment,grant,fixed_cost,variable_cost_per_kwh,ramp
LFP_JP,5,pack,PK_L,JP,60000,20000,4000,9000,0.5;0.9;1
""",
    "trade": """
origin,destination,part,duty,freight,lead_weeks
CN,JP,pack,0,600,4
CN,JP,e-axle,0,2500,4
JP,EU,car,0,150000,7
""",
    "local_content": """
origins,plant_country,region,part,from_year,minimum,penalty
JP;EU,JP,EU,pack,2027,0.6,0.1
""",
    "engineering": """
company,skill,hours_per_quarter
Aoba,motor,30000
Midori,motor,25000
""",
    "work": """
class,item,level,skill,hours,external_cost
e-axle,EA_S,family,motor,300000,
e-axle,EA_S,family,external,,1000
""",
    "tasks": """
task,scope,title,predecessors,quarters
T1,family,Concept,,2
T2,family,Design,T1,4
T3,family,Validation,T1;T2,3
""",
    "products": """
product,country,maker,programme,segment,powertrain,year,price,units,range_km,range_procedure,battery_kwh
Kaze,JP,Aoba,P1,kei,bev,2025,2600000,20000,180,wltc_japan,20
Tsuki,JP,Midori,,registered,hybrid,2025,3200000,30000,,,
Rival,JP,Other,,kei,ice,2025,1600000,900000,,,
""",
    "policy": """
product,country,year,subsidy,purchase_tax
Kaze,JP,2025,550000,0
""",
    "moments": """
moment,country,target,low,high
own_price_elasticity,JP,-3.5,-4,-3
""",
    "scenarios": """
scenario,step,title,table,where,column,operation,value
weak_yen,1,Weak yen,currencies,currency=CNY,rate,multiply,1.1
weak_yen,2,Weak yen,study,,discount_rate,set,0.07
kei_only,1,Without the SUV,programmes,programme=P2,in_scope,set,no
""",
    "ranges": """
table,row,column,low,high
families,EA_S,nre,3000,5500
currencies,CNY,rate,18,25
""",
    "rules": """
rule,scope,value
max_share_per_item,class:e-axle,0.7
local_supply,class:pack&country:JP,no
exclude_supplier,supplier:Dian,Aoba
""",
    "sources": """
source,publisher,title,date
S1,Aoba,Annual report,2026-03
""",
}


def small_tables() -> dict[str, list[list[str]]]:
    """Table -> rows of texts, header first."""
    return {name: list(csv.reader(io.StringIO(text.strip(), newline=""))) for name, text in _TABLES.items()}


def write_small(folder: Path, tables: dict[str, list[list[str]]] | None = None, settings: str = SETTINGS) -> Path:
    """Writes the small study (or altered tables) as study.yaml and CSV files, and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(settings, "utf-8")
    for name, rows in (tables or small_tables()).items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rows)
    return folder
