"""Formats of files: which one a file has, and what of a picture, PDF or workbook is kept. What decodes runs in the
process with limits (`files.child`) only; `kinds` may be used everywhere.
"""
