"""What every form offers: the base class and its fields, files, the page for conflicting changes, odometer readings and
handovers. Forms and views of all contexts use it.
"""
