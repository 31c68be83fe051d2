"""What the statements of the ledger amount to: a grade that anyone can compute again.

    errors       the refusals of this folder, one small tree
    calendar     months as the Civil Code counts them
    facts        one statement reduced to the values that weigh
    document     one place of a policy document, read strictly and refused by its path
    policy       a rule of rating as data: canonical JSON, named by its SHA-256
    rating       the fold over one subject's facts: grade, reasons, next change
    population   the same for everybody: a pure map over shards of subjects, the same bytes anywhere
    publicity    until when a fact may be shown to everyone
    tables       what the database holds of all this
    ratings      the view that follows the ledger, and the questions one may ask it

`policies/` holds the published policies. Everything but `tables` and `ratings` is pure. Imports
`ledger` and nothing else of ours; `traceability` learns of grades from the ledger alone.
"""
