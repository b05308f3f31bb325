"""The table as Python source: one straight-line function for each of its parts.

Walking rows costs several times what their rules do. As attrs and msgspec do for
classes, the rows are written out once as plain code and compiled; the table stays the
only place where a field is named. ``Transformer.source`` shows what was written.
"""
