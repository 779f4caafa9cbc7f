"""Tools of every page that the project writes: elements, style, tables and plots."""
