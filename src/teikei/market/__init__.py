"""What happens to prices, sales, profit, rivals and the EV share?"""

from teikei.market.equilibrium import Equilibrium, equilibrium, marginal_cost
from teikei.market.inputs import MarketInputError
from teikei.market.inversion import invert_shares
from teikei.market.types import MarketOutcome

__all__ = ["Equilibrium", "MarketInputError", "MarketOutcome", "equilibrium", "invert_shares", "marginal_cost"]
