"""What happens to prices, sales, profit, rivals and the EV share?

``predict`` calibrates a random-coefficient nested logit on the study's products and moments, turns the plans' variable
costs into Bertrand-Nash prices year by year, and says what follows, with bands. ``equilibrium``, ``invert_shares`` and
``marginal_cost`` are its engine, for any market.
"""

from teikei.market.fit import calibrate
from teikei.market.home import lacking
from teikei.market.inputs import MarketInputError
from teikei.market.inversion import invert_shares
from teikei.market.prediction import predict
from teikei.market.price_equilibrium import Equilibrium, MarketWarning, equilibria, equilibrium, marginal_cost
from teikei.market.respond import price_and_sell
from teikei.market.types import MarketOutcome

__all__ = [
    "Equilibrium",
    "MarketInputError",
    "MarketOutcome",
    "MarketWarning",
    "calibrate",
    "equilibria",
    "equilibrium",
    "invert_shares",
    "lacking",
    "marginal_cost",
    "predict",
    "price_and_sell",
]
