"""The doors: GraphQL, the log over HTTP, bulk submission, the command line, background loops.

    settings      what a process is told from outside
    custody       who keeps the private keys, and what unlocks them
    migration     the tables of this version
    service       everything a process holds open
    founding      a new log, its authorities and its policy
    jobs          background work
    storage       the database and the folder of tiles that the settings name
    cosigning     each new head sent to witnesses
    onlookers     who else has seen the log, asked before anything is signed
    heads         which head is shown
    entry_proofs  proofs of single entries under it
    publishing    the folder of tiles shows it
    rebuild       every view made again
    fault         the form of every refusal of this folder
    errors        where the trees of errors meet

    app           which path leads to which door
    http          bodies with a limit, problem details, GraphQL over HTTP
    access        who is asking, and what that opens
    schema/       the GraphQL schema, one for each tier
    enterprises   lists of enterprises by filing and grade
    submission    POST /entries
    lines         one line of it, made ready for the writer
    preparing     many of them, in this process and in one beside it
    tiles         the log over HTTP
    proving       proofs of single entries over HTTP, for readers of C2SP and of COSE
    witnessing    a witness over HTTP
    kind_schemas  what may be stated, as JSON Schema
    openings      the log with all that opens it, for the operator's other homes
    readiness     whether requests should be sent here

    __main__      the `xin` command
    operating     what an operator does: found, serve, rebuild
    keys          private keys listed, sealed, served, replaced
    controls      control entries, signed by the root key and stated
    authorities   an authority's key and its mandate
    policies      a credit policy from a file
    backtesting   what it would do, before it is adopted
    credentials   who is let in, from the operator's own hand
    serving       an application on this machine, until somebody says stop
    door          the public door as a client sees it, here or far away
    answers       what the command line asks it
    office        an authority's office beside it: signs, and sends
    json_text     JSON as people write it
    drafts        a statement before it is signed
    stating       drafts signed with keys kept here, and sent
    submitting    files through it, with a bar
    progress      the bar
    refusals      FDA import refusals as statements, decided without I/O
    importing     the same, read, signed and sent
    export        proof files for strangers
    population    everybody rated, as a file
    runners       in which processes of this machine that happens
    cluster       on which other machines
    auditing      a whole log audited, here or over HTTP
    recovering    a home that lost entries catches up

    tokens, story, demo, demo_cast, demo_goods    the demonstration

The only folder that imports all three others, and the only one that reads settings and the clock.
"""
