"""Who stated what, in which order, provably. Never heard of a rating; imports no other folder.

canonical       one byte string for one JSON value
identity        identifiers, and the labels that stand for them
merkle, tiles   RFC 9162 trees, and their C2SP tiles
note, checkpoint  C2SP signed heads
cosignature     C2SP cosigners: that a head extends every earlier one, as of a time
witness_policy  C2SP tlog-policy: whose signatures make a head worth believing
subtree         C2SP tlog-witness: parts of a tree, cosigned because the whole was
witness_protocol, witness  C2SP tlog-witness: what one may cosign, and what it remembers
proof           C2SP tlog-proof: one text that convinces a stranger offline
cbor, cose_receipt  RFC 9942: the same for readers of COSE
subject_index   the small tree of one subject
token           compact JWS with one spelling
disclosure, statement  SD-JWT statements
presentation    their usual spelling read in one go
kinds/          what can be stated, one module per kind
seal            captures of EPCIS events
control         genesis, keys, mandates, policies
authority       who may sign what, as of an index
referents       what statements may refer to, as kinds say
candidate       a body flattened: what the writer judges, and the rows it becomes
packing         the same as bytes, from process to process
admission       the rules between a submission and the log
errors          every refusal, and its code
tables          the tables
tile_store, tile_folder  where the tiles are kept: rows, or files that any static server serves
database        SQLite and PostgreSQL, opened alike
driver          below SQLAlchemy: what every batch asks and writes
custody         where a hardware module fits: a key signs and is never shown
seed_key        a private key in this process
vault, keystore  key files, plain or sealed, in a folder
key_agent       keys kept by another process
log_keys        which keys sign which heads
custodial       which of an issuer's keys in our custody signs
salts           salts for disclosures
writer_lock     one writer per log
high_water      the newest acknowledged head, remembered outside the database
resumption      whether a writer may sign on, given what others have seen
batch           what one transaction adds, decided before it is written
append          the one hot write, by the drivers
references      which references the log has, found by the one writer
referent_reader  what statements refer to, for a process that only reads
writer          what a door asks of the writer, in whichever process it runs
cosigned        heads kept with their cosignatures
sequencer       the one writer
entries         reading log and opening store, and proofs
follower        views follow the log
subjects        which entries stand under a label
directory       enterprises as filed, persons as bound
audit           a log hashed again, and held against what was signed
auditor         the audit of a database
opening_feed    a log with all that opens it, as lines
recovery        a log that catches up from another copy of itself
"""
