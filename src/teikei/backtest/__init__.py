"""What would teikei have said of alliances whose outcome is known?

``backtest`` plans the small studies of ``examples/backtest`` over samples of their inputs, computes the benchmarks
that need no study, and sets what was reported beside the answer. What was fixed beforehand: docs/backtests.md.
"""

from teikei.backtest.run import backtest, figures_text, verdict

__all__ = ["backtest", "figures_text", "verdict"]
