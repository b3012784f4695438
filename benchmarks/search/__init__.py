"""Search under a budget: the front on har-hapt and the bookkeeping of many trials, each a file with `main`."""
