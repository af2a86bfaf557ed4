"""The timeline of any entity on its page, as a page of its own and live, and events presented in sentences. Templates
call it by name; views use the sentences.
"""
