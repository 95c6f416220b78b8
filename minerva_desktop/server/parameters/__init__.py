"""A request's JSON to values that the engine takes, a file for each kind of thing.

A field is obeyed, or refused with its name, or, if nobody here knows it, named in the answer's
``X-Minerva-Ignored-Fields`` header; none is dropped in silence. A field that clients know but that
this version cannot honour passes only with a value that asks for nothing: many clients send all
their fields, always. Everything here raises `InvalidRequest` that names the field.
"""
