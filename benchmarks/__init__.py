"""Every claim of speed and accuracy, one file a claim: ``python -m benchmarks`` runs them all and prints one table."""
