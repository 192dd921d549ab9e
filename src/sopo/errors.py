"""The one error that users see, and what a library's says to them."""


class UserError(Exception):
    """Bad input: the message says what is wrong, where, and what to do.

    The command line prints it as one line and exits with code 2.
    """


def reason(error: Exception) -> str:
    """What a library says of a failure, in a line for a UserError: its first one, cut short, or the error's name."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return first if len(first) <= 200 else f"{first[:200]}..."
