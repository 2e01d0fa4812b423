"""What one order or rule says of a connection: the decision table, on flags.

A connection may show several addresses. What is known of each, relative to the regions of an entry, is a flag; the
flags of a connection are those of its addresses together. All functions work on whole arrays of flags and say one
outcome for each: how strong it is (`Grade`) and why (`Reason`). `docs/policy.md` has the same in words.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from regionfast.policy.model import NOT_LOCATED, Defaults
from regionfast.types import Effect, Reason

Flags: TypeAlias = npt.NDArray[np.uint16]
Outcomes: TypeAlias = npt.NDArray[np.uint32]
"""Grade and reason in one number, so that of two outcomes the greater one counts: see `packed`."""
_Bools: TypeAlias = npt.NDArray[np.bool_]
_Integers: TypeAlias = "npt.NDArray[np.integer]"

INSIDE: Final = 1
"""Positively inside the regions."""
ELSEWHERE: Final = 2
"""Located, and wholly outside."""
UNDECIDED: Final = 4
"""Located in a region that the regions hold in part only."""
RELAY: Final = 8
UNKNOWN: Final = 16
RESERVED: Final = 32
PRIVATE: Final = 64
INVALID: Final = 128
MISSING: Final = 256

LOCATING: Final = INSIDE | ELSEWHERE | UNDECIDED | RELAY
"""The flags that stand for an answer of a table; the others add nothing."""
SECOND: Final = 9
"""The locating flags once more, shifted by this: for orders those of the base table; for rules those that stand in the
table where a correction says something else."""
BOTH: Final = 1 << 13
"""One and the same address is inside by the table with overrides and by the base table."""
CORRECTED: Final = 1 << 14
EXEMPT: Final = 1 << 15

STATUSES: Final = (
    (UNKNOWN, Reason.UNKNOWN),
    (RESERVED, Reason.RESERVED),
    (PRIVATE, Reason.PRIVATE),
    (INVALID, Reason.INVALID),
    (MISSING, Reason.MISSING),
)
"""The strongest first: what is said of a connection none of whose addresses is located."""

REASON_BITS: Final = 5
GRADE_SHIFT: Final = 27
"""Between grade and reason is room for the number of an entry."""


class Grade(IntEnum):
    """How strong an outcome is: the precedence at the door, the strongest last."""

    NONE = 0
    """No entry reaches the meeting."""
    UNCONCERNED = 1
    """An entry reaches the meeting, and the connection is elsewhere."""
    SPARED = 2
    """An entry would act, were there not what the reason says."""
    WEAK_HOLD = 3
    """The default holds whom an allow-only rule cannot place, or a rule cannot decide."""
    DEFAULT_DENY = 4
    ALLOW_ONLY = 5
    RULE_HOLD = 6
    RULE_DENY = 7
    ORDER_HOLD = 8
    ORDER_DENY = 9

    @property
    def effect(self) -> Effect:
        """What it means at the door."""
        return _EFFECTS[self]


_EFFECTS: Final = {
    Grade.NONE: Effect.ADMIT,
    Grade.UNCONCERNED: Effect.ADMIT,
    Grade.SPARED: Effect.ADMIT,
    Grade.WEAK_HOLD: Effect.HOLD,
    Grade.DEFAULT_DENY: Effect.DENY,
    Grade.ALLOW_ONLY: Effect.DENY,
    Grade.RULE_HOLD: Effect.HOLD,
    Grade.RULE_DENY: Effect.DENY,
    Grade.ORDER_HOLD: Effect.HOLD,
    Grade.ORDER_DENY: Effect.DENY,
}


def packed(grade: Grade, reason: Reason) -> int:
    """One number for grade and reason."""
    return grade << GRADE_SHIFT | reason


def of_order(flags: Flags, grade: Grade, *, heeds_exemptions: bool) -> Outcomes:
    """What an order says; `grade` is that of its effect.

    It hits where an address is inside by base and overrides alike, and by neither of them any address is anything
    but inside or not located; a correction, whatever it says, protects.
    """
    base = flags >> np.uint16(SECOND)
    either = (flags | base) & LOCATING
    by_both = _has(flags, BOTH)
    would = by_both & (either == INSIDE)
    corrected = _has(flags, CORRECTED)
    exempt = _has(flags, EXEMPT) & heeds_exemptions
    alone = (flags & LOCATING == INSIDE) | (base & LOCATING == INSIDE)
    return _first(
        (would & ~corrected & ~exempt, grade, Reason.INSIDE),
        (would & corrected, Grade.SPARED, Reason.CORRECTED),
        (would, Grade.SPARED, Reason.EXEMPT),
        (_conflict(flags) | _conflict(base), Grade.SPARED, Reason.CONFLICT),
        (_has(either, RELAY), Grade.SPARED, Reason.RELAY),
        (alone, Grade.SPARED, Reason.OVERRIDE),
        (_has(either, UNDECIDED), Grade.SPARED, Reason.UNDECIDED),
        (_has(either, ELSEWHERE), Grade.UNCONCERNED, Reason.ELSEWHERE),
        *((_has(flags, flag), Grade.SPARED, reason) for flag, reason in STATUSES),
    )


def of_rule(flags: Flags, grade: Grade) -> Outcomes:
    """What a rule says that denies or holds whom it finds inside; whom it cannot decide, it holds."""
    exempt = _has(flags, EXEMPT)
    hit = flags & LOCATING == INSIDE
    undecided = _has(flags, UNDECIDED) & ~_has(flags, ELSEWHERE | RELAY)
    without_correction = _has(flags, CORRECTED) & (flags >> np.uint16(SECOND) & LOCATING == INSIDE)
    return _first(
        ((hit | undecided) & exempt, Grade.SPARED, Reason.EXEMPT),
        (hit, grade, Reason.INSIDE),
        (undecided, Grade.WEAK_HOLD, Reason.UNDECIDED),
        (_conflict(flags), Grade.SPARED, Reason.CONFLICT),
        (_has(flags, RELAY), Grade.SPARED, Reason.RELAY),
        (without_correction, Grade.SPARED, Reason.CORRECTED),
        (_has(flags, ELSEWHERE), Grade.UNCONCERNED, Reason.ELSEWHERE),
        *((_has(flags, flag), Grade.SPARED, reason) for flag, reason in STATUSES),
    )


def of_allow_only(flags: Flags, defaults: Defaults) -> Outcomes:
    """What an allow-only rule says: whom it finds inside may join, whom it finds outside may not.

    Those that it cannot place are left to the defaults.
    """
    exempt = _has(flags, EXEMPT)
    located = flags & LOCATING
    grade_of = {name: _DEFAULT_GRADES[getattr(defaults, name)] for name in NOT_LOCATED}
    outcomes = _first(
        (located == INSIDE, Grade.UNCONCERNED, Reason.ELSEWHERE),
        (located == ELSEWHERE, Grade.ALLOW_ONLY, Reason.OUTSIDE),
        (_has(flags, RELAY), grade_of["relay"], Reason.RELAY),
        (_conflict(flags), grade_of["conflict"], Reason.CONFLICT),
        (_has(flags, UNDECIDED), Grade.WEAK_HOLD, Reason.UNDECIDED),
        *((_has(flags, flag), grade_of[str(reason)], reason) for flag, reason in STATUSES),
    )
    acts = outcomes >= np.uint32(Grade.WEAK_HOLD << GRADE_SHIFT)
    return np.where(acts & exempt, np.uint32(packed(Grade.SPARED, Reason.EXEMPT)), outcomes)


_DEFAULT_GRADES: Final = {
    Effect.ADMIT: Grade.SPARED,
    Effect.HOLD: Grade.WEAK_HOLD,
    Effect.DENY: Grade.DEFAULT_DENY,
}

CLAIMS_A_REGION: Final = Grade.ALLOW_ONLY
"""Outcomes of this grade and stronger ones say where an address is, and a witness must confirm them."""


def witnessed(outcomes: Outcomes, by_witness: Outcomes) -> Outcomes:
    """The outcomes of an entry that its outcomes with the witness's table confirm; the others are disputed."""
    claims = outcomes >= np.uint32(CLAIMS_A_REGION << GRADE_SHIFT)
    return np.where(claims & (outcomes != by_witness), np.uint32(packed(Grade.SPARED, Reason.DISPUTED)), outcomes)


def _has(flags: _Integers, wanted: int) -> _Bools:
    found: _Bools = flags & wanted != 0
    return found


def _conflict(flags: _Integers) -> _Bools:
    both = INSIDE | ELSEWHERE
    found: _Bools = flags & both == both
    return found


def _first(*cases: tuple[_Bools, Grade, Reason]) -> Outcomes:
    """The outcome of the first case that holds; none where no case does, which is a connection without addresses."""
    outcomes = np.zeros(cases[0][0].shape, np.uint32)
    for holds, grade, reason in reversed(cases):
        np.copyto(outcomes, np.uint32(packed(grade, reason)), where=holds)
    return outcomes
