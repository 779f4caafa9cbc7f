"""Rows of .xlsx and .xls workbooks, each with its place."""
