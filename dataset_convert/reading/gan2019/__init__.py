"""The raw release of the paper's data set: its workbooks, biographies, ground truth and images."""
