"""From atomic files to account tables, splits and negatives."""
