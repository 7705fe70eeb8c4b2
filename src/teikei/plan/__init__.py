"""Which modules to develop and share, which car gets which, whom to buy from: for every coalition at every rung."""
