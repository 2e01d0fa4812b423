"""Territory codes, their aliases, groups with dates, and sets of regions that know what lies in what.

Standard library only, and of ours the base of all errors: everybody may import it. The facts are in `regions.toml`,
each row with its source.
"""

from regionfast.regions.codes import canonical, contains, country, is_user_assigned, name, parse
from regionfast.regions.data import ACTS_SEEN_UNTIL, DATA_VERSION, Contested
from regionfast.regions.error import RegionError
from regionfast.regions.groups import check_groups, expand, group, group_changes, is_group
from regionfast.regions.places import contested, contested_places, is_mainland, whereabouts
from regionfast.regions.sets import RegionSet

__all__ = [
    "ACTS_SEEN_UNTIL",
    "DATA_VERSION",
    "Contested",
    "RegionError",
    "RegionSet",
    "canonical",
    "check_groups",
    "contains",
    "contested",
    "contested_places",
    "country",
    "expand",
    "group",
    "group_changes",
    "is_group",
    "is_mainland",
    "is_user_assigned",
    "name",
    "parse",
    "whereabouts",
]
