"""What a fleet's learning tells of one device, at most: epsilon, computed by `dp-accounting` (the extra `privacy`)."""

from __future__ import annotations

from edgewright.schema.errors import InputError, MissingExtraError


def epsilon_of(noise: float, rounds: int, delta: float) -> float:
    """Return epsilon of the Gaussian mechanism repeated in each round, against whoever sees the sums of the groups.

    Renyi divergences of the discrete Gaussian are at most those of the continuous one (Canonne, Kamath and Steinke,
    2020), so the accountant's bound holds. Neighbours differ by one device that takes part or sends zeros.

    Args:
        noise: deviation of the noise in a group's sum, as a multiple of the largest norm of a change.
        rounds: that one device takes part in, at most.
        delta: probability that the bound does not hold.

    Raises:
        InputError: no noise, or a delta outside 0 to 1.
        MissingExtraError: `dp-accounting` is absent.
    """
    if not noise > 0 or not 0 < delta < 1:
        raise InputError("noise above 0 and a delta between 0 and 1", f"noise {noise:g}, delta {delta:g}", "epsilon")
    try:
        from dp_accounting import GaussianDpEvent, SelfComposedDpEvent, rdp  # noqa: PLC0415 - in the extra `privacy`
    except ImportError:
        raise MissingExtraError("privacy", "dp-accounting, which computes epsilon,") from None
    accountant = rdp.RdpAccountant()
    accountant.compose(SelfComposedDpEvent(GaussianDpEvent(noise), rounds))
    return float(accountant.get_epsilon(delta))
