"""Does this vehicle with these modules do its job (range, acceleration, grade, charging), and at what energy use?

``performance(study, catalogue)`` runs every candidate configuration of every car through its cycles and manoeuvres;
``batch(fleet, cycle)`` gives the energy totals of very many cars; ``simulate_vehicles`` and ``calibrate_vehicles`` work
on files of cars known by their road load. Importing this does not import the compiler: kernels load when first used.
"""

from teikei.simulate.cycles import Cycle, cycle, make_cycle
from teikei.simulate.files import calibrate_vehicles, simulate_vehicles
from teikei.simulate.fleet import Fleet, batch
from teikei.simulate.study_file import simulate_study
from teikei.simulate.study_performance import performance
from teikei.simulate.types import Performance

__all__ = [
    "Cycle",
    "Fleet",
    "Performance",
    "batch",
    "calibrate_vehicles",
    "cycle",
    "make_cycle",
    "performance",
    "simulate_study",
    "simulate_vehicles",
]
