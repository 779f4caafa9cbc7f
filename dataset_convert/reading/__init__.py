"""Reading of the files that people hold, row by row; what is wrong is told, never raised raw."""
