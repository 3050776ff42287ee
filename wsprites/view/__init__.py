"""Pictures, previews, summaries and the page about a data file."""
