"""PURE: how much one number may send us, in bounded memory."""

from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(slots=True)
class RateLimit:
    """A token bucket for each key: `burst` at once, then `per_minute`. The `most_keys` seen last are remembered.

    Time is given in seconds of any clock that does not go back.
    """

    per_minute: float
    burst: int
    most_keys: int
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def allow(self, key: str, now_s: float) -> bool:
        """Whether one more is allowed now; it is counted if so."""
        left, since_s = self._left.pop(key, (float(self.burst), now_s))
        left = min(float(self.burst), left + max(0.0, now_s - since_s) * self.per_minute / 60.0)
        allowed = left >= 1.0
        self._left[key] = (left - 1.0 if allowed else left, now_s)
        while len(self._left) > self.most_keys:
            self._left.popitem(last=False)
        return allowed

    def __len__(self) -> int:
        return len(self._left)
