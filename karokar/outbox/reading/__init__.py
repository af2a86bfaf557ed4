"""Reading recorded events: search, timelines, causes and consequences, deliveries of an event, cursors, the log in its
order. Pages, the API and contexts that follow the log use it, always on behalf of a viewer where people see the result.
"""
