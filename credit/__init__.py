"""What the statements of the ledger amount to: a grade that anyone can compute again.

    errors       the refusals of this folder, one small tree
    calendar     months as the Civil Code counts them
    facts        one statement reduced to the values that weigh
    document     one place of a policy document, read strictly and refused by its path
    rules        what a policy consists of, a value for each rule
    sections     the sections of a document, read to rules
    policy       a rule of rating as data: canonical JSON, named by its SHA-256
    completeness whether a policy speaks of all that the ledger admits, and of nothing else
    timelines    what changes from day to day, as the days on which it changes
    procedures   what statements do to the statements they refer to
    weights      what one fact weighs, from day to day
    sums         acts, caps and merits: the points of a subject
    bounds       red lines and requirements: what grade a day allows
    rating       the fold over one subject's facts: grade, reasons, next change
    explanation  what would be otherwise
    population   the same for everybody: a pure map over shards of subjects, the same bytes anywhere
    backtest     what a policy would have done: whom it regrades, what its grades foretold
    publicity    until when a fact may be shown to everyone
    tables       what the database holds of all this
    ratings      the view that follows the ledger, and the questions one may ask it

`policies/` holds the published policies, docs/policy-language.md says what they mean. Everything
but `tables` and `ratings` is pure. Imports `ledger` and nothing else of ours; `traceability` learns
of grades from the ledger alone.
"""
