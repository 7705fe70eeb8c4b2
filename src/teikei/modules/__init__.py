"""Which e-axles, inverters, packs, chargers and platforms exist or could be designed; what do they weigh, lose, cost?"""
