"""Where steps run when it is not here: executors by name, and what they are given.

An executor is a `concurrent.futures.Executor`. It is given one function, `motools.execution.one_step.perform`, with one
argument, a `job.Job`, and its future gives a `job.Answer`; both are small, plain values, as JSON too, so that an
executor that has no processes of its own writes the job into a file and has
`python -m motools.execution.one_step JOB ANSWER` run wherever it likes. What is large goes by way of the DVC remote, or
lies where all see it.

It is made by a factory that an entry point of the group `motools.executors` or `module:function` names; its parameters
are the settings that `motools.yaml` may give it. A parameter called `project` is given the `Project`.

It may have two attributes more: `environments()`, which gives what its workers have installed, so that a difference is
said before work starts; and `lasts`, true where jobs outlive the process that has submitted them: then their keys are
not given up when a run is interrupted.
"""
