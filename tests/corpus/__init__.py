"""What the mapping makes of 10,000 generated batches, kept as digests.

A change that is to make the mapping faster, or easier to read, leaves them as they are.
One that changes what is sent, or the generators, writes them anew and says so:
``PYTHONPATH=tests python -m corpus``.
"""
