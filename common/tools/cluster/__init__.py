"""The same commands on many machines, on Ray: https://docs.ray.io. docs/cluster.md says how, and what it costs.

Ray starts the processes, gives them work, and gives the work of a process that dies to another one. What passes between
the processes are files on storage that all machines see: run folders, checkpoints, Optuna's journal, scored parts.

`nodes`: the connection, and what a worker gets. `search`: a trial a task. `score`: a part of a folder a task. `train`:
one training over several processes, on JAX.
"""
