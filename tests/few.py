"""For properties of which each example is a whole run of the tool: fewer of them, in every profile."""

from hypothesis import settings

few = settings(max_examples=max(1, settings().max_examples // 5))
