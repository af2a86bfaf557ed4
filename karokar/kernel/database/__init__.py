"""What stands beside `kernel.db`: the driver below SQLAlchemy, kinds of columns, sealed columns, and statements for
many rows at once. Models, queries, handlers and the engine use it.
"""
