"""Does this vehicle with these modules do its job (range, acceleration, grade, charging), and at what energy use?

``performance(study, catalogue)`` runs every candidate configuration of every car through its cycles and manoeuvres.
"""

from teikei.simulate.performance import performance
from teikei.simulate.types import Performance

__all__ = ["Performance", "performance"]
