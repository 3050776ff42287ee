"""Systems to be scored, beside GLASS."""
