"""Drops what is fixed and what binds nothing from a program, so that what is left falls into its true parts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

Vector = npt.NDArray[np.float64]
