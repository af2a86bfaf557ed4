"""The shared language: every fact that one context tells the others, by the context that tells it."""
