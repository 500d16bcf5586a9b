"""Search over a project's knobs: `python -m projects search NAME`. It reads the validation split alone.

A search is a folder `runs/<project>/searches/<id>/`. It is a runs folder of its own, in which each trial is an
unfinished run:

    search.json    what was asked            journal.log      Optuna's record of all trials, shared by all processes
    trials.csv     the table of trials       figures/*.png    parallel coordinates, importance, progress
    <project>/     one run folder per trial  locks/           which process works on which trial

The same command continues a search that was stopped or killed. A second process that runs it takes part in it. The
values that a trial tries depend only on the seed, the trial's number and the results so far (tpe is the exception), so
a search that was killed ends as if it had not been.

Each file imports only those before it: `space` (the search and its values), `sampler` (which values a trial tries),
`figures` (tables and pictures), `run` (the trials).
"""
