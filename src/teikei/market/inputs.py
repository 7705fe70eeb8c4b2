"""Checks and shapes of the arrays that describe markets: everything that cannot be right is refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from teikei.errors import Problem, StudyError
from teikei.market.types import Array, IntArray


class MarketInputError(StudyError, ValueError):
    """The arrays of a market cannot be right. Remedy: mend the figure that the message names.

    product: place of the product that is meant, None where it is not one of them.
    """

    product: int | None = None


def refuse(place: str, message: str, product: int | None = None) -> MarketInputError:
    """The error for one refused input."""
    error = MarketInputError([Problem(f"market:{place}", message)])
    error.product = product
    return error


@dataclass(frozen=True)
class Market:
    """Checked arrays: leading axes flattened to T (or 1 where equal in every market), ready for the kernels.

    utility (T|1, J, I), slope and weight (T|1, I), nest (J,) 0 … N-1, keep (T|1, J): 1 - nest parameter,
    scale (T|1, J): factor on the price slope by product. subnest (J,) 0 … H-1 and subkeep (T|1, J), 1 - its parameter:
    nests within nests, None for none.
    """

    lead: tuple[int, ...]
    markets: int
    utility: Array
    slope: Array
    weight: Array
    nest: IntArray
    nests: int
    keep: Array
    scale: Array
    subnest: IntArray | None = None
    subkeep: Array | None = None

    def order(self, owner: IntArray | None = None) -> IntArray:
        """Products sorted by nest, within it by owner (J,): the kernels run over nests."""
        keys = (self.nest,) if owner is None else (owner, self.nest)
        return np.lexsort(keys).astype(np.int64)

    @property
    def products(self) -> int:
        """Number of products of one market."""
        return int(self.utility.shape[1])


def number_array(name: str, value: npt.ArrayLike) -> Array:
    """``value`` as finite numbers, or a refusal that names the first place that is not."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise refuse(name, f"found something that is not a number ({error}); expected an array of numbers") from None
    if not np.isfinite(array).all():
        where = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        raise refuse(name, f"found {array[where]} at index {where}; expected a finite number")
    return array


def flat(name: str, array: Array, lead: tuple[int, ...], core: tuple[int, ...]) -> Array:
    """``array`` broadcast to (T or 1, *core), own memory; refused where shapes do not fit."""
    own_lead = array.shape[: max(array.ndim - len(core), 0)]
    shared = all(length == 1 for length in own_lead)
    target = (1, *core) if shared else (*lead, *core)
    try:
        if shared and array.ndim > len(core):
            array = array.reshape(array.shape[array.ndim - len(core) :])
        full = np.broadcast_to(array, target)
    except ValueError:
        raise refuse(name, f"found shape {array.shape}; expected something that fits {(*lead, *core)}") from None
    return np.require(full.reshape(-1, *core), np.float64, ["C", "W", "A"])


def lead_of(*shaped: tuple[str, Array, int]) -> tuple[int, ...]:
    """Common leading axes of (name, array, number of own axes)."""
    leads = [array.shape[: array.ndim - axes] if array.ndim > axes else () for _, array, axes in shaped]
    try:
        return np.broadcast_shapes(*leads)
    except ValueError:
        listed = ", ".join(f"{name} {array.shape}" for name, array, _ in shaped)
        raise refuse("shapes", f"leading axes do not agree: {listed}") from None


def _nests(nest: npt.ArrayLike | None, nest_parameter: npt.ArrayLike, products: int) -> tuple[IntArray, int, Array]:
    rho = number_array("nest_parameter", nest_parameter)
    if nest is None:
        if np.any(rho != 0):
            raise refuse("nest_parameter", f"found {rho.ravel()[0]} without nests; expected 0, or `nest` (J,)")
        return np.zeros(products, dtype=np.int64), 1, np.ones(1)
    labels = np.asarray(nest)
    if labels.shape != (products,):
        raise refuse("nest", f"found shape {labels.shape}; expected one nest for each of {products} products")
    if np.any((rho < 0) | (rho >= 1)):
        raise refuse("nest_parameter", f"found {rho[(rho < 0) | (rho >= 1)][0]}; expected at least 0 and below 1")
    names, index = np.unique(labels, return_inverse=True)
    return index.astype(np.int64), len(names), 1.0 - rho


def _subnests(
    subnest: npt.ArrayLike | None, parameter: npt.ArrayLike, nest: IntArray, keep: Array, lead: tuple[int, ...]
) -> tuple[IntArray | None, Array | None]:
    """Subnest of each product and 1 - its parameter, checked: each in one nest, its parameter at least the nest's."""
    sigma = number_array("subnest_parameter", parameter)
    if subnest is None:
        if np.any(sigma != 0):
            raise refuse("subnest_parameter", f"found {sigma.ravel()[0]} without subnests; expected 0, or `subnest`")
        return None, None
    labels = np.asarray(subnest)
    if labels.shape != nest.shape:
        raise refuse("subnest", f"found shape {labels.shape}; expected one subnest for each of {len(nest)} products")
    inner = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    if np.any(sigma >= 1):
        raise refuse("subnest_parameter", f"found {sigma[sigma >= 1][0]}; expected below 1")
    shaped = flat("subnest_parameter", 1.0 - sigma, lead, nest.shape)
    if np.any(shaped > keep * (1 + 1e-12)):
        raise refuse(
            "subnest_parameter",
            f"found {float(sigma.min()):.6g}, below the nest_parameter; expected at least that: products of a subnest "
            "are nearer to one another than those of the nest",
        )
    for group in range(int(inner.max()) + 1):
        part = inner == group
        if len(np.unique(nest[part])) > 1:
            raise refuse("subnest", f"subnest {labels[part][0]} holds products of several nests; expected one")
        if np.any(shaped[:, part] != shaped[:, part][:, :1]):
            raise refuse("subnest_parameter", f"differs between products of subnest {labels[part][0]}; expected one")
    return inner, shaped


def check_market(
    utility: npt.ArrayLike,
    price_slope: npt.ArrayLike,
    weight: npt.ArrayLike,
    nest: npt.ArrayLike | None,
    nest_parameter: npt.ArrayLike,
    others: tuple[tuple[str, Array, int], ...],
    utility_name: str = "utility",
    price_scale: npt.ArrayLike = 1.0,
    subnest: npt.ArrayLike | None = None,
    subnest_parameter: npt.ArrayLike = 0.0,
) -> Market:
    """Check and shape what describes demand; ``others`` are further arrays (name, array, own axes) that share leads.

    Raises MarketInputError on shapes that do not fit, numbers that are not finite, slopes or weights <= 0.
    """
    value = number_array(utility_name, utility)
    slope, load = number_array("price_slope", price_slope), number_array("weight", weight)
    scale = number_array("price_scale", price_scale)
    products = max([array.shape[-1] for _, array, _ in others if array.ndim] + list(value.shape[-2:-1]))
    types = max([1] + [array.shape[-1] for array in (value, slope, load) if array.ndim])
    if products == 0:
        raise refuse(utility_name, "found no product; expected at least one")
    for name, array in (("price_slope", slope), ("weight", load), ("price_scale", scale)):
        if np.any(array <= 0):
            where = tuple(int(k) for k in np.argwhere(array <= 0)[0])
            raise refuse(name, f"found {array[where]} at index {where}; expected a number above 0")
    index, nests, keep = _nests(nest, nest_parameter, products)
    singles = (("price_slope", slope, 1), ("weight", load, 1), ("rho", keep, 1), ("price_scale", scale, 1))
    lead = lead_of((utility_name, value, 2), *singles, *others)
    shaped_keep = flat("nest_parameter", keep, lead, (products,))
    for group in range(nests if nest is not None else 0):
        part = shaped_keep[:, index == group]
        if np.any(part != part[:, :1]):
            raise refuse("nest_parameter", f"differs between products of nest {group}; expected one value a nest")
    inner, subkeep = _subnests(subnest, subnest_parameter, index, shaped_keep, lead)
    return Market(
        subnest=inner,
        subkeep=subkeep,
        lead=lead,
        markets=int(np.prod(lead, dtype=np.int64)),
        utility=flat(utility_name, value, lead, (products, types)),
        slope=flat("price_slope", slope, lead, (types,)),
        weight=flat("weight", load, lead, (types,)),
        nest=index,
        nests=nests,
        keep=shaped_keep,
        scale=flat("price_scale", scale, lead, (products,)),
    )


def check_ownership(ownership: npt.ArrayLike, lead: tuple[int, ...], products: int) -> Array:
    """The ownership (conduct) matrix, flattened to (T|1, J, J): 1 on the diagonal, 0 … 1 elsewhere."""
    matrix = number_array("ownership", ownership)
    if matrix.shape[-2:] != (products, products):
        raise refuse("ownership", f"found shape {matrix.shape}; expected (..., {products}, {products})")
    if np.any((matrix < 0) | (matrix > 1)):
        raise refuse("ownership", "found a weight outside 0 … 1; expected 1 for the same owner, 0 … 1 (κ) across")
    if np.any(np.diagonal(matrix, axis1=-2, axis2=-1) != 1):
        raise refuse("ownership", "found a diagonal other than 1; expected every product to count its own profit fully")
    return flat("ownership", matrix, lead, (products, products))


def owner_groups(matrix: Array) -> tuple[IntArray, Array, Array]:
    """Products with equal rows and columns of the matrix share a group: group (T, J), conduct (T, G, G), diagonal (T,).

    Sums over an owner's products then run over groups, exactly, for any conduct matrix.
    """
    found = []
    for one in matrix:
        both = np.concatenate([one, one.T], axis=1)
        first: dict[bytes, int] = {}
        group = np.array([first.setdefault(row.tobytes(), len(first)) for row in both + 0.0], dtype=np.int64)  # no -0.0
        members = [int(np.argmax(group == g)) for g in range(len(first))]
        found.append((group, one[np.ix_(members, members)]))
    size = max(len(block) for _, block in found)
    conduct = np.zeros((len(found), size, size))
    for t, (_, block) in enumerate(found):
        conduct[t, : len(block), : len(block)] = block
    diagonal = np.array([float(np.array_equal(block, np.diag(np.diag(block)))) for block in conduct])
    return np.array([group for group, _ in found]), conduct, diagonal
