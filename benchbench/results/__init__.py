"""What is done with finished records: submit, merge, export, prune, audit, compare.

Of these only `audit`, and what `submissions` computes again, import torch; each does so when it is called.
"""
