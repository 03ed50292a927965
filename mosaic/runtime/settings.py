"""Numbers that the environment may set."""

import os

from composit.errors import ParameterError


def number_from_environment(name: str, default: float, largest: float) -> float:
    """The value of an environment variable, or the default if it is not set.

    Raises: ParameterError: it is not a positive number up to the largest that makes sense
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number <= largest:
        raise ParameterError(
            f"settings: {name}={text!r} is set in the environment and must be a positive number of at most {largest:g}; "
            f"correct it, or unset it for {default:g}"
        )
    return number
