"""What every list offers: filters in the address, saved views, downloads as CSV and Excel, and the grid of calendars.
Views of all contexts use it.
"""
