"""The door to git and DVC: project, cache, lock file, remotes, and where things lie in a pipeline's folder."""
