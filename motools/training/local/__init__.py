"""Training on this machine's GPU, or on its CPU: low-rank adapters or all weights of a model that lies here.

What is asked is checked in `hyperparameters`, `base` finds the model to begin with, `checkpoints` has what a kill must
not take, and `loop` is the training itself. Rows become tokens, batches and rates as for Tinker, by the same code, so
that a training here and one there do the same steps.
"""
