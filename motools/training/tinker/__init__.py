"""Training at Tinker, or at any server of its protocol: our process drives the loop, so each step of it can be lost.

What is asked is checked in `hyperparameters`, rows become tokens and batches in `data`, what was saved is known by
`saved`, requests and what their ends mean are in `wire` and `session`, and `loop` is the training itself.
"""
