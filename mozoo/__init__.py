"""The zoo: published model-organism datasets, tasks and workflows, ready to run with MOTools."""
