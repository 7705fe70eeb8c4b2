"""Which e-axles, inverters, packs, chargers and platforms exist or could be designed; what do they weigh, lose, cost?

``catalogue(study)`` fills in every rating, mass and curve price by a named law, and lists the candidate configurations
of every car; ``family_grid`` makes new members of an e-axle family to put into its modules table.
"""

from teikei.modules.fill_catalogue import catalogue, lacking
from teikei.modules.scaling import Scaling, family_grid, scaled
from teikei.modules.types import Catalogue, EAxle, LossTable, Pack

__all__ = ["Catalogue", "EAxle", "LossTable", "Pack", "Scaling", "catalogue", "family_grid", "lacking", "scaled"]
