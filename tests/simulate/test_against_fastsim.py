"""Same vehicles, same cycles as FASTSim 3.1; its outputs are kept (benchmarks/fastsim_reference.py made them)."""

import pytest

from teikei.simulate.cycles import cycle
from teikei.simulate.fleet import plain
from tests.simulate.fastsim_model import at_the_terminals, fleet_of, reference

RECORDS = {(r["vehicle"], r["cycle"]): r for r in reference()}
ZOE = "2022 Renault Zoe ZE50 R135"


@pytest.mark.parametrize("name", ["udds", "hwfet"])
def test_wheel_energy_is_that_of_fastsim(name):
    for (_, cycle_name), record in RECORDS.items():
        if cycle_name == name:
            totals = plain(fleet_of({**record, "battery_efficiency": {"constant": 0.98}}), cycle(name))[0]
            assert totals[10] == pytest.approx(record["drag_j"] + record["rolling_j"], rel=1e-3)


@pytest.mark.parametrize("name", ["udds", "hwfet"])
def test_with_its_own_efficiencies_battery_energy_is_that_of_fastsim(name):
    record = RECORDS[(ZOE, name)]
    totals = plain(fleet_of(record), cycle(name))[0]
    assert totals[7] == pytest.approx(record["battery_energy_j"], rel=1e-3)


@pytest.mark.parametrize("key", RECORDS, ids=str)
def test_energy_at_the_terminals_is_that_of_fastsim_for_every_vehicle(key):
    """The same road load, efficiencies and rules (steps in the motor's efficiency where its file has them)."""
    ours, theirs = at_the_terminals(RECORDS[key])
    assert ours == pytest.approx(theirs, rel=1.5e-3)
