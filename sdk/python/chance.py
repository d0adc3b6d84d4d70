"""A rule has no randomness: what it draws would depend on who else is in the call, and a replay would not draw the same again.

A generator that is made with a seed, such as `random.Random(row.seed)`, draws the same for the same row, and may be used.
"""

import os
import random

_told = "a rule has no randomness: read `row.seed`, and draw from `random.Random(row.seed)`"
_runs = False


def end() -> None:
    """From now on nothing draws: a rule runs. Until then modules are loaded, which may draw what they like."""
    global _runs
    _runs = True


def _refused(draw):
    def refused(*args, **named):
        if _runs:
            raise RuntimeError(_told)
        return draw(*args, **named)

    return refused


def _seed(of, a=None, version=2):
    if a is None and _runs:
        raise RuntimeError(_told)
    _seeded(of, a, version)


def _refuse() -> None:
    # The module's own functions share one state, which goes from row to row.
    for name in random.__all__:
        if not isinstance(getattr(random, name), type):
            setattr(random, name, _refused(getattr(random, name)))
    random.Random.seed = _seed
    # Of `uuid4`, `secrets` and `SystemRandom`.
    os.urandom = random._urandom = _refused(os.urandom)


_seeded = random.Random.seed
_refuse()
