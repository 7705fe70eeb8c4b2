"""Keep runs so that nothing is half done: one folder a run, written beside and renamed."""
