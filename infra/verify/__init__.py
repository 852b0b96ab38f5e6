"""Does the account hold what the phase promises? Read with boto3, from the stack's outputs on.

`facts` is the vocabulary, `probes` lists what is looked at, one module an area; `command` is the command line.
"""
