"""Runs all parts of KaroKar on one machine: starts them, watches them, brings them back, stops them, leaves nothing."""
