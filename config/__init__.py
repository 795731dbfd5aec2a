"""Data, not code: policies, menus, calendars, texts and the templates for Asterisk and Kannel.

One loader a kind (`menu_loader`, `policy_loader`...), sharing `problems`: each finds its files through
importlib.resources (so that a wheel works as a checkout does), reads YAML, checks it with strict models and
tells *all* that is wrong at once as ConfigProblem(file, key, what_to_write).

Imported only by `callcenter.app`, `callcenter.__main__`, `callcenter.cli` and `callcenter.stack`; everybody else
receives values. May import the PURE modules of the leaves, whose values it builds.
"""

from config.problems import ConfigProblem, ConfigWrong

__all__ = ["ConfigProblem", "ConfigWrong"]
