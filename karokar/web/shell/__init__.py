"""The frame of every page and what it needs: navigation, home, links, times, statuses and labels in users' words, and
tasks that are put aside. Views and templates of all contexts use it.
"""
