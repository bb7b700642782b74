"""One module a command, and how results become text; `cli` parses the words and calls them."""
