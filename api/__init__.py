"""The doors: GraphQL, tiles over HTTP, bulk submission, the command line, background loops.

settings      what a process is told from outside
service       everything a process holds open
founding      a new log, its authorities and its policy
jobs          background work
"""
