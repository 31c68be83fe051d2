"""Where it went: goods, from EPCIS events to lineage. Imports the ledger, nothing else of ours.

errors        every refusal, with its stable code
identifiers   GS1 Digital Link URIs and EPC URNs, one canonical form
vocabulary    the bare words of CBV 2.0
document      EPCIS 2.0 JSON documents, decoded exactly
lineage       the walk from a name to its origins and to what came of it
capture       a document sealed for the ledger
tables        the tables
events        captured events, found again by what they name
"""
