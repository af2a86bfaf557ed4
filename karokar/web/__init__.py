"""What all pages share: how a request is let in, what leaves, lists, forms, timelines and the frame around every page.
Views of every context use it; it imports no context.
"""
