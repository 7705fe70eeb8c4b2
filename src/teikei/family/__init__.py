"""Which e-axles could a whole line-up share? ``design_families`` lays out members, judges each in every car by the
simulation and its thermal network, and finds the Pareto front of cost, energy, mass, margin and number of members;
``write_families`` draws it and writes the modules as study rows.
"""

from teikei.family.design import Families, design_families, write_families
from teikei.family.designs import Choices

__all__ = ["Choices", "Families", "design_families", "write_families"]
