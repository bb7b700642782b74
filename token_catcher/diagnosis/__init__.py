"""What will not work, found step by step before a token depends on it.

Nothing is changed by it. A step that fails leaves out those that build on it, and no others.
"""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.diagnosis.clock import TOO_FAR
    from token_catcher.diagnosis.configuration import refusal_steps
    from token_catcher.diagnosis.order import Diagnosis
    from token_catcher.diagnosis.step import Step, StepOutcome
    from token_catcher.diagnosis.usable import admission_trouble, vault_pulse, vault_trouble
    from token_catcher.diagnosis.users import UserPath, user_paths, users_of
    from token_catcher.diagnosis.vault import usable_steps, vault_steps

__all__ = [
    "TOO_FAR",
    "Diagnosis",
    "Step",
    "StepOutcome",
    "UserPath",
    "admission_trouble",
    "refusal_steps",
    "usable_steps",
    "user_paths",
    "users_of",
    "vault_pulse",
    "vault_steps",
    "vault_trouble",
]

__getattr__ = face(
    __name__,
    {
        "clock": ("TOO_FAR",),
        "configuration": ("refusal_steps",),
        "order": ("Diagnosis",),
        "step": ("Step", "StepOutcome"),
        "usable": ("admission_trouble", "vault_pulse", "vault_trouble"),
        "users": ("UserPath", "user_paths", "users_of"),
        "vault": ("usable_steps", "vault_steps"),
    },
)
