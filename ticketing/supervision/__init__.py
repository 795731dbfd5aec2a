"""Watching over tickets: triggers, reminders, cards, accountability cases, duty rosters."""
