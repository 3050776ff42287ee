"""The playground: a world that is steered in a browser, with models beside it that are told the same. A server and a page."""
