"""Text that people type and names that people read: its one normal form, email addresses, names of codes, the nearest
name to a mistyped one, and notes with the references that events hold instead of typed text. Every part may use it.
"""
