"""The GraphQL schema: windows on ledger, credit and traceability, one schema per tier.

scalars       Day, Instant, Natural, Hash, Label, PathSegment
tiers         one definition, four schemas: what a tier may not ask does not exist for it
nodes         Relay: global identifiers, cursors, pages
clocks        asOf and knownAt
session       what one request knows: the caller, the clocks, batched loads
outcome       Refusal, and what else a field may answer in place of its type
statement     what all statements share
findings      those about goods or premises
life_cycles   those that follow a decision
standing      those about who an enterprise is, what it holds, whom it is related to
kinds         the type of each kind
credit        a rating, why it is what it is, and what would change it
enterprise    enterprises, filed or stated about
log           checkpoint and entries
trace         where goods came from and went
query         the root of reading
inputs        what officers write down, one type per kind
recording     the mutations that state it
mutation      the root of writing
limits        what a document may cost, counted before it runs
door          POST /graphql
schemas       the four schemas, built once, and their golden files

`./xin schema` prints `api/schema.<tier>.graphql`.
"""
