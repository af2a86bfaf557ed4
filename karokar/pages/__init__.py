"""Pages that put several contexts together. They stand above the contexts, which do not know them."""
