"""What will not work, found step by step before a token depends on it.

Nothing is changed by it. A step that fails leaves out those that build on it, and no others.
"""

from token_catcher.diagnosis.step import Step, StepOutcome

__all__ = ["Step", "StepOutcome"]
