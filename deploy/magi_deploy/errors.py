"""What goes wrong in a way that the person at the keyboard can mend."""


class Refused(Exception):
    """Something is wrong that is known before, or told by, a call. Says what, and the fix."""
