"""Orders, rules and what is stronger than they are: the files that say who may be where.

Sees the engine through protocols only, and can be used where the extension is absent.
"""

from regionfast.policy.deployment import Approver, Audit, Deployment, Issuer, Limits
from regionfast.policy.findings import Finding
from regionfast.policy.model import Correction, Defaults, Entry, Exemption, Order, Rule, Scope, State
from regionfast.policy.policy import Policy

__all__ = [
    "Approver",
    "Audit",
    "Correction",
    "Defaults",
    "Deployment",
    "Entry",
    "Exemption",
    "Finding",
    "Issuer",
    "Limits",
    "Order",
    "Policy",
    "Rule",
    "Scope",
    "State",
]
