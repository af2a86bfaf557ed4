"""What every part may use and nobody owns: transactions, permissions, who is acting, errors, time, ids, settings, and
in its packages what stands beside them. It imports nothing else of karokar.
"""
