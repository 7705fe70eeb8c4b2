"""Who gains what, is it stable, and what do law and confidentiality let us say?

Shares by every rule on a game of coalition values, with the core test and the coalition that would rather leave.
"""

from teikei.split.allocation import allocate
from teikei.split.deal_terms import terms
from teikei.split.files import read_game, split_file
from teikei.split.rule_shares import rules
from teikei.split.types import Allocation, CoalitionTable, Game

__all__ = ["Allocation", "CoalitionTable", "Game", "allocate", "read_game", "rules", "split_file", "terms"]
