"""Writes a time for people."""


def duration(seconds: float) -> str:
    """Write seconds as minutes and seconds.

    >>> duration(7.4), duration(185)
    ('7 s', '3 min 05 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
