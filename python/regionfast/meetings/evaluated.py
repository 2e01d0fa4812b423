"""What decisions and plans have in common: what they follow from."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from regionfast._lib import Table
from regionfast.meetings.claims import claimed_regions
from regionfast.meetings.columns import TextColumn
from regionfast.meetings.evaluate import Evaluation
from regionfast.meetings.roster import Roster
from regionfast.policy.policy import Policy


class Evaluated:
    """A result with the table, policy, roster and moment that it follows from."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation

    @property
    def table(self) -> Table:
        """The table that answered."""
        return self._evaluation.table

    @property
    def witness(self) -> Table | None:
        """The table that had to confirm."""
        return self._evaluation.witness

    @property
    def policy(self) -> Policy:
        """The policy that was asked."""
        return self._evaluation.policy

    @property
    def roster(self) -> Roster:
        """Who it is about."""
        return self._evaluation.roster

    @property
    def at(self) -> datetime:
        """The moment that it is for, UTC, in whole seconds."""
        return self._evaluation.at

    @property
    def is_advisory(self) -> bool:
        """Whether no deployment has vouched for the issuers of orders."""
        return self.policy.is_advisory

    @cached_property
    def region(self) -> TextColumn:
        """By connection of the roster the region as the table claims it, `None` where it locates no address of it.

        Where addresses of one connection are located in different regions, all of them, sorted: `CN, US`.
        """
        return claimed_regions(self.table, self._evaluation.slots, self.roster.starts)
