r"""The relay: keeps a program running on a device while connections to it come and go.

It is pushed as one archive and run there as ``python ARCHIVE attach FOLDER NAME``, over a stream
that may break at any moment. It needs Python 3.9 and nothing else of Sartor.

``attach`` reads one request, a JSON object in a line, and looks in ``FOLDER`` for the relay of that
name: a process of its own, in a session of its own, that outlives whoever attaches to it. Where
there is none and the request says what to start, it makes one::

    → {"have": 0, "start": {"argv": ["cat"], "environment": {}, "owner": "…", "linger_s": 180}}
    ← ["others", [["4f…", "…"], …]]      relays that run there and their owners, if there are any,
    → ["end", ["4f…"]]                   and those of them whose owner is dead
    ← ["failed", "cannot start cat: …"]  instead of all that follows
    ← ["attached", BOOT, 0]              the name of this boot; bytes of input that have arrived

From then on both sides send frames, one JSON list a line. What the program reads and writes are
bytes with numbers, carried as text of Latin-1. So an attachment goes on where the last one broke::

    → ["in", 0, "text\n"]   input, from a byte on           ← ["got", 5]   so much has been read
    ← ["out", 0, "text\n"]  output, from a byte on          → ["got", 5]   so much has arrived
    → ["close", 5]  input ends there, output is not wanted   ← ["deaf"]     it no longer reads
    → ["kill"]      the program is to end now                ← ["end", 5]   output ends there
    → ["bye"]       all has arrived                          ← ["words", "…"]  end of its errors
    → ["beat"]      still here                               ← ["exit", 0]  or minus a signal
                                                             ← ["beat"]     still here

A name that is not there any more is answered with ``["gone", BOOT]``. What was sent and is not
known to have arrived is at most ``WINDOW`` bytes each way; what the program writes beyond that
waits in the relay, up to ``SPOOL`` bytes, and then in the program's pipe. Where no host has said
anything for ``linger_s`` seconds, the relay ends the program; whenever it ends, so does its folder.
"""
