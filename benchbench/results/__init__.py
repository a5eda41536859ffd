"""Working with finished records: submit, merge, export, prune, audit, compare.

Of these only `audit`, and what `submissions` recomputes, import torch, and only when they are called.
"""
